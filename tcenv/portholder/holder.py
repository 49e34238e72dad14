"""Run the process that holds ports after their sign-in or proxy has ended. Until then, it accepts no connection on them.

Each user has one holder: a later one hands its port over and ends. A failure of one port, connection or request does
not end the process."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` brings its enumerations
import _socket
import os
import time

from tcenv.portholder import messages
from tcenv.portholder.answers import Connection
from tcenv.portholder.claims import Claim
from tcenv.portholder.loop import Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

_FIRST_DESCRIPTOR = 3
_MAX_CONNECTIONS = 64
# Seconds between two checks of the time.
_TICK = 1.0
# Seconds to wait for another process of this user.
_TIMEOUT = 2.0
# Seconds to look for this user's holder, which may start slowly on a busy machine.
_SEARCH = 20.0


class Port:
    """The listening sockets of one port, its past sign-ins and proxies (`claims`), and the pipe of its current user."""

    def __init__(self, holder: Holder, sockets: Sequence[_socket.socket], pipe: int) -> None:
        self.holder = holder
        self.sockets = list(sockets)
        self.number: int = sockets[0].getsockname()[1]
        self.claims: list[Claim] = []
        self._accepting = False
        self._pipe: int | None = None
        for server in sockets:
            server.setblocking(False)
        self.lend_to(pipe)

    @property
    def is_in_use(self) -> bool:
        """Whether a live sign-in or proxy uses the port. The holder then accepts no connection."""
        return self._pipe is not None

    def is_free_for(self, kind: str) -> bool:
        """Return whether another sign-in or proxy may use the port. A proxy could not answer the page of an earlier
        sign-in."""
        return not self.is_in_use and (kind == "sign-in" or all(claim.kind != "sign-in" for claim in self.claims))

    def lend_to(self, pipe: int) -> None:
        """Leave the port to the process at the other end of `pipe` until that process ends."""
        self._pipe = pipe
        self._details: messages.Table = {}
        self._buffer = bytearray()
        os.set_blocking(pipe, False)
        self._update_accepting()
        self.holder.loop.watch(pipe, self._read_pipe)

    def check_time(self) -> None:
        """Drop the claims that are over."""
        kept = [claim for claim in self.claims if not claim.is_over()]
        if len(kept) < len(self.claims):
            self.claims = kept
            self._update_accepting()

    def _read_pipe(self) -> None:
        assert self._pipe is not None
        data = messages.read(self._pipe)
        if data is None:
            return
        self._buffer += data
        for table in messages.take_tables(self._buffer):
            self._details.update(table)
        is_done = "done" in self._details
        if data and not is_done:
            return
        pipe, self._pipe = self._pipe, None
        if not is_done:
            try:  # noqa: SIM105 - this process does without contextlib, to stay small
                self.claims.append(Claim(self._details))
            except (KeyError, ValueError, OSError):
                pass  # the process ended before it sent its claim
        self.claims = [claim for claim in self.claims if not claim.is_over()]
        self._update_accepting()
        self.holder.loop.ignore(pipe)
        # Close the pipe last: the other process takes this as the sign that the port is free.
        os.close(pipe)

    def _update_accepting(self) -> None:
        accepts = not self.is_in_use and bool(self.claims)
        for server in self.sockets if accepts != self._accepting else ():
            if accepts:
                self.holder.loop.watch(server.fileno(), lambda server=server: self._accept(server))  # type: ignore[misc]
            else:
                self.holder.loop.ignore(server.fileno())
        self._accepting = accepts
        if not self.is_in_use and not self.claims:
            for server in self.sockets:
                server.close()
            self.holder.ports.discard(self)

    def _accept(self, server: _socket.socket) -> None:
        try:
            descriptor, _ = server._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        except OSError:
            # This process has usually run out of descriptors.
            self.holder.drop_oldest()
            return
        self.answer(_socket.socket(fileno=descriptor))

    def answer(self, connection: _socket.socket, received: bytes = b"") -> None:
        """Answer a connection. `received` are the bytes that have been read from it."""
        while len(self.holder.connections) >= _MAX_CONNECTIONS:
            self.holder.drop_oldest()
        new = Connection(self.holder.loop, self, connection, self.holder.forget)
        self.holder.connections[new] = None
        new.begin(received)


class Holder:
    """Holds all ports of one user in one event loop."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.ports: set[Port] = set()
        # Sorted by age, the oldest first.
        self.connections: dict[Connection, None] = {}
        self._listener: _socket.socket | None = None

    def run(self) -> None:
        """Serve until no port and no connection is left."""
        while self.ports or self.connections:
            has_deadlines = self.connections or any(port.claims for port in self.ports)
            for handler in self.loop.wait(_TICK if has_deadlines else None):
                self._call_safely(handler)
            for port in list(self.ports):
                self._call_safely(port.check_time)
            for connection in list(self.connections):
                self._call_safely(connection.check_time)
            _reap_children()

    def _call_safely(self, call: Callable[[], None]) -> None:
        """Call the handler of a port or a connection, and contain its errors there."""
        try:
            call()
        except Exception:
            owner = getattr(call, "__self__", None)
            if isinstance(owner, Connection):
                owner.drop()

    def forget(self, connection: Connection) -> None:
        """Remove a connection that has ended."""
        self.connections.pop(connection, None)

    def drop_oldest(self) -> None:
        """Close the oldest connection to make room for a new one."""
        for connection in list(self.connections)[:1]:
            connection.drop()
            return
        time.sleep(_TICK / 10)

    def adopt(self, descriptors: Sequence[int]) -> None:
        """Take over a pipe and the sockets of a port."""
        pipe, *numbers = descriptors
        self.ports.add(Port(self, [_socket.socket(fileno=number) for number in numbers], pipe))

    def listen(self, directory: str) -> bool:
        """Listen for requests of this user's other processes. Returns False if the system does not allow it."""
        try:
            self._listener = messages.listen(directory)
        except OSError:
            return False
        self.loop.watch(self._listener.fileno(), self._serve_caller)
        return True

    def _serve_caller(self) -> None:
        assert self._listener is not None
        descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        caller = _socket.socket(fileno=descriptor)
        caller.settimeout(_TIMEOUT)
        try:
            if messages.is_own(caller):
                table, given = messages.receive(caller)
                answer, lent = self._reply(table, given)
                messages.send(caller, answer, lent)
        finally:
            caller.close()

    def _reply(self, table: messages.Table, given: list[int]) -> tuple[messages.Table, list[int]]:
        """Carry out a request of this user's process. Returns the answer and the descriptors to send. Takes over
        `given`."""
        request = table.get("ask")
        port = next((port for port in self.ports if str(port.number) == table.get("port")), None)
        if request == "hold" and len(given) > 1:
            self.adopt(given)
            return {"yes": ""}, []
        if request == "take" and len(given) == 1 and port is not None and port.is_free_for(table.get("kind", "")):
            port.lend_to(given[0])
            return {"yes": ""}, [each.fileno() for each in port.sockets]
        if request == "answer" and len(given) == 1 and port is not None:
            port.answer(_socket.socket(fileno=given[0]), table.get("received", "").encode("latin-1"))
            return {"yes": ""}, []
        for descriptor in given:
            os.close(descriptor)
        return {"no": ""}, []


def main(arguments: Sequence[str]) -> NoReturn:
    """Hold the descriptors that this process was started with, or hand them to the holder that runs already."""
    count, directory = int(arguments[0]), arguments[1]
    _detach(count, fork=arguments[2:] != ["stay"])
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count)
    lock = _lock_or_hand_over(directory, descriptors) if directory else None
    holder = Holder()
    holder.adopt(descriptors)
    is_listening = lock is not None and holder.listen(directory)
    holder.run()
    if is_listening:
        _remove_files(directory)
    os._exit(0)


def _remove_files(directory: str) -> None:
    """Remove the socket. If only the lock is left in the directory, remove both: the user has removed everything else."""
    os.unlink(os.path.join(directory, messages.SOCKET))
    if os.listdir(directory) == [messages.LOCK]:
        os.unlink(os.path.join(directory, messages.LOCK))
        try:
            os.rmdir(directory)
        except OSError:
            return  # another process has just written a file


def _detach(count: int, *, fork: bool) -> None:
    """Detach from the process that started this one. Keep only the pipe and the sockets.

    A fork is safe here, because this process has one thread. `posix_spawn` would start a second interpreter (more than 10 ms)
    while the sign-in waits for the holder."""
    os.closerange(_FIRST_DESCRIPTOR + count, 1 << 16)
    if fork and os.fork():
        # The starting process may exec another program, which must not get a child that it does not know.
        os._exit(0)
    if os.getsid(0) != os.getpid():
        os.setsid()
    os.chdir("/")
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count):
        os.set_inheritable(descriptor, False)
    for name in ("SIGHUP", "SIGINT", "SIGQUIT"):
        _signal.signal(getattr(_signal, name), _signal.SIG_IGN)
    try:
        import resource

        # Write no core dump, since a late answer holds a token.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        with open("/proc/self/comm", "w") as file:
            file.write(messages.NAME)
    except (ImportError, OSError, ValueError):
        return


def _lock_or_hand_over(directory: str, descriptors: Sequence[int]) -> int | None:
    """Return the lock with which this process becomes the user's holder. Hands the descriptors to the holder that runs
    already, if any, and ends this process. Returns None if neither works, so that this process holds its port alone."""
    import fcntl

    end = time.monotonic() + _SEARCH
    lock = None
    while time.monotonic() < end:
        try:
            if lock is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                lock = os.open(os.path.join(directory, messages.LOCK), flags, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(lock).st_nlink:
                # The previous holder ended and removed this file after it was opened here.
                os.close(lock)
                lock = None
                continue
            return lock
        except BlockingIOError:
            pass  # another process is the holder
        except OSError:
            return None
        try:
            caller = messages.connect(directory, _TIMEOUT)
        except OSError:
            # The holder is starting or ending.
            time.sleep(0.02)
            continue
        try:
            messages.send(caller, {"ask": "hold"}, descriptors)
            if "yes" in messages.receive(caller)[0]:
                os._exit(0)
            return None
        except OSError:
            continue
        finally:
            caller.close()
    return None


def _reap_children() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
