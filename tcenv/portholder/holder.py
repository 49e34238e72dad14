"""Run the holder's process. It keeps ports whose sign-in or proxy has ended, and leaves them alone while that lives.

Each user has one holder: a later one hands its ports over and ends. A failure of one port, connection or request does
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
_MOST_CONNECTIONS = 64
# Seconds between two checks of the time, for an exchange with another process of this user, and to find this user's
# holder, which may start slowly on a busy machine.
_TICK = 1.0
_PATIENCE = 2.0
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
        for each in sockets:
            each.setblocking(False)
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
        self._told: messages.Table = {}
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
        try:
            data = os.read(self._pipe or 0, 65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._buffer += data
        for table in messages.take_tables(self._buffer):
            self._told.update(table)
        if data and "done" not in self._told:
            return
        # The process has ended, or has sent `done`.
        pipe, self._pipe = self._pipe, None
        if "done" not in self._told:
            try:
                claim = [Claim(self._told)]
            except (KeyError, ValueError, OSError):
                claim = []  # the process ended before it sent its claim
            self.claims += claim
        self.claims = [claim for claim in self.claims if not claim.is_over()]
        self._update_accepting()
        if pipe is not None:
            self.holder.loop.ignore(pipe)
            # Close the pipe last: the other process takes this as the sign that the port is free.
            os.close(pipe)

    def _update_accepting(self) -> None:
        wanted = not self.is_in_use and bool(self.claims)
        for each in self.sockets if wanted != self._accepting else ():
            if wanted:
                self.holder.loop.watch(each.fileno(), lambda server=each: self._accept(server))  # type: ignore[misc]
            else:
                self.holder.loop.ignore(each.fileno())
        self._accepting = wanted
        if not self.is_in_use and not self.claims:
            for each in self.sockets:
                each.close()
            self.holder.ports.discard(self)

    def _accept(self, server: _socket.socket) -> None:
        try:
            descriptor, _ = server._accept()  # type: ignore[attr-defined]
        except BlockingIOError:
            return
        except OSError:
            # Usually too few descriptors.
            self.holder.drop_oldest()
            return
        self.answer(_socket.socket(fileno=descriptor))

    def answer(self, connection: _socket.socket, received: bytes = b"") -> None:
        """Answer a connection. `received` are the bytes that have been read from it."""
        while len(self.holder.connections) >= _MOST_CONNECTIONS:
            self.holder.drop_oldest()
        made = Connection(self.holder.loop, self, connection, self.holder.forget)
        self.holder.connections[made] = None
        made.begin(received)


class Holder:
    """Hold all ports of one user in one event loop."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.ports: set[Port] = set()
        # Sorted by age, the oldest first.
        self.connections: dict[Connection, None] = {}
        self._listener: _socket.socket | None = None

    def run(self) -> None:
        """Serve until no port and no connection is left."""
        while self.ports or self.connections:
            # Without claims and connections, nothing changes with time.
            waits = not self.connections and not any(port.claims for port in self.ports)
            for handler in self.loop.wait(None if waits else _TICK):
                self._call_safely(handler)
            for port in list(self.ports):
                self._call_safely(port.check_time)
            for connection in list(self.connections):
                self._call_safely(connection.check_time)
            _reap()

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

    def listen(self, directory: str) -> None:
        """Listen for requests of this user's other processes. Raises OSError."""
        self._listener = messages.listen(directory)
        self.loop.watch(self._listener.fileno(), self._serve_caller)

    def _serve_caller(self) -> None:
        assert self._listener is not None
        descriptor, _ = self._listener._accept()  # type: ignore[attr-defined]
        caller = _socket.socket(fileno=descriptor)
        caller.settimeout(_PATIENCE)
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
        asked = table.get("ask")
        port = next((port for port in self.ports if str(port.number) == table.get("port")), None)
        if asked == "hold" and len(given) > 1:
            self.adopt(given)
            return {"yes": ""}, []
        if asked == "take" and len(given) == 1 and port is not None and port.is_free_for(table.get("kind", "")):
            port.lend_to(given[0])
            return {"yes": ""}, [each.fileno() for each in port.sockets]
        if asked == "answer" and len(given) == 1 and port is not None:
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
    if not directory or not _hand_over(directory, descriptors):
        holder = Holder()
        holder.adopt(descriptors)
        try:
            if _lock:
                holder.listen(directory)
        except OSError:
            _lock.clear()  # hold this port only
        holder.run()
        if _lock:
            _remove_files(directory)
    os._exit(0)


def _remove_files(directory: str) -> None:
    """Remove this process' files. Where nothing else is in the directory, the user has removed everything else: remove the lock
    and the directory too."""
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


# The descriptor of this user's lock while this process is the only holder, else empty.
_lock: list[int] = []


def _hand_over(directory: str, descriptors: Sequence[int]) -> bool:
    """Return whether a running holder of this user has taken the descriptors. If none runs, become the holder if
    possible."""
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
                # A holder has removed the file at its end, since it was opened here.
                os.close(lock)
                lock = None
                continue
            _lock.append(lock)
            return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        try:
            caller = messages.connect(directory, _PATIENCE)
        except OSError:
            # The holder is starting or ending.
            time.sleep(0.02)
            continue
        try:
            messages.send(caller, {"ask": "hold"}, descriptors)
            return "yes" in messages.receive(caller)[0]
        except OSError:
            continue
        finally:
            caller.close()
    return False


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return
