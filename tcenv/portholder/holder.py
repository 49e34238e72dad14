"""The holder's process: it keeps ports whose sign-in or proxy has ended, and touches none while that lives.

One process a user has all of them: a later one hands its ports over and ends. Nothing that happens to one port, connection or
request ends it."""

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
# Seconds between two looks at the clock; for an exchange with another process of this user; and for finding this user's holder,
# which may take long to start on a busy machine.
_TICK = 1.0
_PATIENCE = 2.0
_SEARCH = 20.0


class Port:
    """Listening sockets of one port, the sign-ins and proxies that had it (`claims`), and the pipe of the one that has it now."""

    def __init__(self, holder: Holder, sockets: Sequence[_socket.socket], pipe: int) -> None:
        self.holder = holder
        self.sockets = list(sockets)
        self.number: int = sockets[0].getsockname()[1]
        self.claims: list[Claim] = []
        self._accepting = False
        self._pipe: int | None = None
        for each in sockets:
            each.setblocking(False)
        self.belong_to(pipe)

    @property
    def is_in_use(self) -> bool:
        """Whether a sign-in or a proxy has it that lives: then nothing is accepted here."""
        return self._pipe is not None

    def is_free_for(self, kind: str) -> bool:
        """Return whether another sign-in or proxy may have it. A proxy could not answer the page of an earlier sign-in."""
        return not self.is_in_use and (kind == "sign-in" or all(claim.kind != "sign-in" for claim in self.claims))

    def belong_to(self, pipe: int) -> None:
        """Leave the port to the process at the other end of `pipe`, until that ends."""
        self._pipe = pipe
        self._told: messages.Table = {}
        self._buffer = bytearray()
        os.set_blocking(pipe, False)
        self._accept_or_not()
        self.holder.loop.watch(pipe, self._hear)

    def look_at_the_time(self) -> None:
        """Let go of the claims whose time has come."""
        kept = [claim for claim in self.claims if not claim.is_over()]
        if len(kept) < len(self.claims):
            self.claims = kept
            self._accept_or_not()

    def _hear(self) -> None:
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
        # It has ended; whether well, it has said.
        pipe, self._pipe = self._pipe, None
        if "done" not in self._told:
            try:
                claim = [Claim(self._told)]
            except (KeyError, ValueError, OSError):
                claim = []  # it has ended before it said anything
            self.claims += claim
        self.claims = [claim for claim in self.claims if not claim.is_over()]
        self._accept_or_not()
        if pipe is not None:
            self.holder.loop.ignore(pipe)
            # At last: it waits for this before it says that the port is free.
            os.close(pipe)

    def _accept_or_not(self) -> None:
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
            # Too few descriptors, mostly.
            self.holder.drop_oldest()
            return
        self.answer(_socket.socket(fileno=descriptor))

    def answer(self, connection: _socket.socket, received: bytes = b"") -> None:
        """Answer a connection from which `received` has been read already."""
        while len(self.holder.connections) >= _MOST_CONNECTIONS:
            self.holder.drop_oldest()
        made = Connection(self.holder.loop, self, connection, self.holder.forget)
        self.holder.connections[made] = None
        made.begin(received)


class Holder:
    """The one loop, and all that it watches."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.ports: set[Port] = set()
        # By age.
        self.connections: dict[Connection, None] = {}
        self._door: _socket.socket | None = None

    def run(self) -> None:
        """Serve until there is nothing left to hold."""
        while self.ports or self.connections:
            # Without a claim and a connection, time changes nothing.
            waits = not self.connections and not any(port.claims for port in self.ports)
            for handler in self.loop.wait(None if waits else _TICK):
                self._guarded(handler)
            for port in list(self.ports):
                self._guarded(port.look_at_the_time)
            for connection in list(self.connections):
                self._guarded(connection.look_at_the_time)
            _reap()

    def _guarded(self, call: Callable[[], None]) -> None:
        """Call what belongs to one port or one connection: what goes wrong there is that one's."""
        try:
            call()
        except Exception:
            owner = getattr(call, "__self__", None)
            if isinstance(owner, Connection):
                owner.drop()

    def forget(self, connection: Connection) -> None:
        """Count a connection no longer that has ended."""
        self.connections.pop(connection, None)

    def drop_oldest(self) -> None:
        """Make room for a connection."""
        for connection in list(self.connections)[:1]:
            connection.drop()
            return
        time.sleep(_TICK / 10)

    def adopt(self, descriptors: Sequence[int]) -> None:
        """Take a pipe and the sockets of a port."""
        pipe, *numbers = descriptors
        self.ports.add(Port(self, [_socket.socket(fileno=number) for number in numbers], pipe))

    def open_door(self, directory: str) -> None:
        """Take what other processes of this user hand over. Raises OSError."""
        self._door = messages.listen(directory)
        self.loop.watch(self._door.fileno(), self._let_in)

    def _let_in(self) -> None:
        assert self._door is not None
        descriptor, _ = self._door._accept()  # type: ignore[attr-defined]
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
        """Do what a process of this user asks for: what to answer, and which descriptors to give. `given` are ours now."""
        asked = table.get("ask")
        port = next((port for port in self.ports if str(port.number) == table.get("port")), None)
        if asked == "hold" and len(given) > 1:
            self.adopt(given)
            return {"yes": ""}, []
        if asked == "take" and len(given) == 1 and port is not None and port.is_free_for(table.get("kind", "")):
            port.belong_to(given[0])
            return {"yes": ""}, [each.fileno() for each in port.sockets]
        if asked == "answer" and len(given) == 1 and port is not None:
            port.answer(_socket.socket(fileno=given[0]), table.get("received", "").encode("latin-1"))
            return {"yes": ""}, []
        for descriptor in given:
            os.close(descriptor)
        return {"no": ""}, []


def main(arguments: Sequence[str]) -> NoReturn:
    """Be the holder of the descriptors that this process was started with, or hand them to the one that is there."""
    count, directory = int(arguments[0]), arguments[1]
    _detach(count, fork=arguments[2:] != ["stay"])
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + count)
    if not directory or not _hand_on(directory, descriptors):
        holder = Holder()
        holder.adopt(descriptors)
        try:
            if _lock:
                holder.open_door(directory)
        except OSError:
            _lock.clear()  # this port alone, then
        holder.run()
        if _lock:
            os.unlink(os.path.join(directory, messages.SOCKET))
    os._exit(0)


def _detach(count: int, *, fork: bool) -> None:
    """Keep nothing of the process that started this one but the pipe and the sockets."""
    os.closerange(_FIRST_DESCRIPTOR + count, 1 << 16)
    if fork and os.fork():
        # Whatever the process that started this one becomes, it has no child that it does not know.
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

        # No core: a late answer holds a token.
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        with open("/proc/self/comm", "w") as file:
            file.write(messages.NAME)
    except (ImportError, OSError, ValueError):
        return


# The descriptor of this user's lock, as long as this process is the one holder.
_lock: list[int] = []


def _hand_on(directory: str, descriptors: Sequence[int]) -> bool:
    """Return whether another holder of this user has taken the descriptors; else, if possible, become the one holder."""
    import fcntl

    end = time.monotonic() + _SEARCH
    lock = None
    while time.monotonic() < end:
        try:
            if lock is None:
                flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                lock = os.open(os.path.join(directory, messages.LOCK), flags, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock.append(lock)
            return False
        except BlockingIOError:
            pass
        except OSError:
            return False
        try:
            caller = messages.connect(directory, _PATIENCE)
        except OSError:
            # It is about to open its door, or to end.
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
