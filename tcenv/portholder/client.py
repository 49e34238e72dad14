"""Hand a port to the holder, and take it back. Imports next to nothing: a browser waits for it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # without the enumerations of `signal`
import _socket
import os
import select
import sys
from contextlib import suppress

from tcenv.portholder import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence

#: Seconds for which the port of a sign-in is held: as long as anybody may have left its page open.
SECONDS = 15 * 60
# Seconds for which the holder is waited for.
_PATIENCE = 2.0
# Bytes of a pipe that nobody has read yet.
_PIPE = 60_000
# What the process that deals with a late approval needs to find its files and the deployment. It holds no token.
_VARIABLES = frozenset(
    (
        *("HOME", "USER", "LOGNAME", "PATH", "LANG", "TZ", "TMPDIR", "TCENV_CONFIG", "TCENV_STORE"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    )
)
_FAMILIES_OF_VARIABLES = ("XDG_", "LC_", "LD_", "DYLD_")
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hold_ports.py")
_POSSIBLE = hasattr(os, "posix_spawn") and hasattr(_socket, "AF_UNIX")


class Held:
    """A port that the holder keeps from the moment on at which this process ends, or `leave` is called."""

    def __init__(self, writer: int, child: int | None = None, *, stays: bool = False) -> None:
        self._writer: int | None = writer
        # The process that was started for it, if one was: the holder (`stays`), or what ends as soon as it has made the holder.
        self._child = child
        self._stays = stays
        _writers.add(writer)

    def tell(self, **table: str) -> None:
        """Tell the holder what it needs to know when this process has ended: add to what was told before."""
        if self._writer is not None:
            with suppress(OSError):
                os.write(self._writer, messages.encode(table))

    def leave(self) -> None:
        """Have the port held from now on."""
        if self._writer is not None:
            _writers.discard(self._writer)
            os.close(self._writer)
            self._writer = None
        if self._child is not None:
            with suppress(OSError):
                os.waitpid(self._child, os.WNOHANG if self._stays else 0)
            self._child = None

    @property
    def process(self) -> int | None:
        """The holder, where it is a child of this process."""
        return self._child if self._stays else None

    def release(self) -> None:
        """Have the port closed; return when the holder has done so."""
        if self._writer is not None and not self._stopped_in_time():
            self.tell(done="1")
            # The holder closes its end of the pipe last.
            gone = select.poll()
            gone.register(self._writer, 0)
            gone.poll(_PATIENCE * 1000)
        self.leave()

    def _stopped_in_time(self) -> bool:
        """End a holder of this process's own that has not begun yet: it holds nothing else, and waiting for it takes longer."""
        if not self._stays or self._child is None:
            return False
        with suppress(OSError):
            os.kill(self._child, _signal.SIGSTOP)
            with open(f"/proc/{self._child}/comm", encoding="ascii", errors="replace") as file:
                begun = file.read().rstrip("\n") == messages.NAME
            os.kill(self._child, _signal.SIGCONT if begun else _signal.SIGKILL)
            if not begun:
                os.waitpid(self._child, 0)
                self._child = None
            return not begun
        return False


# No child that was forked may keep the holder from noticing that this process has ended. (What is executed inherits none.)
_writers: set[int] = set()


def _close_in_child() -> None:
    while _writers:
        with suppress(OSError):
            os.close(_writers.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def hold(sockets: Sequence[socket.socket], table: Mapping[str, str], *, stays: bool = False) -> Held | None:
    """Hand listening `sockets` of one port to the holder, which is started if need be and does not touch them while this process
    lives. `table` is what it needs to know (see `Claim`). A holder that `stays` is a child of this process; else it is nobody's,
    since what this process may become would not know it. None where it is not possible."""
    if not _POSSIBLE:
        return None
    try:
        reader, writer = os.pipe()
    except OSError:
        return None
    try:
        surroundings = _surroundings()
        record = messages.encode({**table, **surroundings})
        if len(record) > _PIPE:
            record = messages.encode(table)
        os.write(writer, record)
        descriptors = [reader, *(each.fileno() for each in sockets)]
        directory = _directory()
        child = None
        if directory is None or _asked(directory, {"ask": "hold"}, descriptors) is None:
            child = _start(directory, descriptors, surroundings, stays=stays)
        return Held(writer, child, stays=stays)
    except OSError:
        os.close(writer)
        return None
    finally:
        os.close(reader)


def take(port: int, kind: str) -> tuple[list[int], Held] | None:
    """Take back the sockets of a `port` that is held, for a sign-in or a proxy (`kind`, as in a claim). Its holder keeps what it
    has. None where it is not held, or not for the like."""
    directory = _directory() if _POSSIBLE else None
    if directory is None:
        return None
    reader, writer = os.pipe()
    try:
        answer = _asked(directory, {"ask": "take", "port": str(port), "kind": kind}, [reader])
    finally:
        os.close(reader)
    if answer is None or not answer[1]:
        os.close(writer)
        return None
    held = Held(writer)
    held.tell(**_surroundings())
    return answer[1], held


def hand_over(port: int, connection: socket.socket, received: bytes) -> bool:
    """Hand over a connection to a port that was taken back, with what has been read from it: it is not this process's."""
    directory = _directory()
    table = {"ask": "answer", "port": str(port), "received": received.decode("latin-1")}
    return directory is not None and _asked(directory, table, [connection.fileno()]) is not None


def _directory() -> str | None:
    """Return the directory of the holder's socket; None where holders cannot find each other."""
    if not hasattr(_socket, "SO_PEERCRED"):
        return None
    from tcenv import paths
    from tcenv.errors import StoreError
    from tcenv.files import make_private_directory

    with suppress(paths.Unsafe, OSError, StoreError):
        directory = paths.runtime_directory()
        if directory is not None:
            make_private_directory(directory)
            return directory
    return None


def _surroundings() -> dict[str, str]:
    """Return the environment for the process that deals with a late approval."""
    from tcenv.shells.environment import SECRETS
    from tcenv.shells.secrets_in_environment import without_secrets

    environ = without_secrets(
        {
            name: value
            for name, value in os.environ.items()
            if name in _VARIABLES or name in SECRETS or name.startswith(_FAMILIES_OF_VARIABLES)
        }
    )
    return {
        "python": sys.executable,
        "search": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        **{f"env.{name}": value for name, value in environ.items()},
    }


def _asked(
    directory: str, table: Mapping[str, str], descriptors: Sequence[int]
) -> tuple[messages.Table, list[int]] | None:
    """Ask this user's holder; None where there is none, or it does not say yes."""
    try:
        connection = messages.connect(directory, _PATIENCE)
    except OSError:
        return None
    try:
        messages.send(connection, table, descriptors)
        answer, given = messages.receive(connection)
    except OSError:
        return None
    finally:
        connection.close()
    return (answer, given) if "yes" in answer else None


def _start(directory: str | None, descriptors: Sequence[int], surroundings: Mapping[str, str], *, stays: bool) -> int:
    """Start a holder for the pipe and the sockets among `descriptors`; it has no others, and is in a session of its own. Its
    process id, or (unless it `stays`) that of the process which makes it. Raises OSError."""
    import fcntl

    first = 3
    copies: list[int] = []
    try:
        # Out of the way of the numbers that they are to have there.
        for descriptor in descriptors:
            copies += [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, first + len(descriptors))]
        actions: list[tuple[object, ...]] = [
            (os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(first)
        ]
        actions += [(os.POSIX_SPAWN_DUP2, copy, first + place) for place, copy in enumerate(copies)]
        command = [sys.executable, "-I", "-S", _SCRIPT, str(len(descriptors)), directory or "", "stay" if stays else ""]
        environ = {key[4:]: value for key, value in surroundings.items() if key.startswith("env.")}
        more = {"file_actions": actions, "setsigmask": ()}
        try:
            return os.posix_spawn(sys.executable, command, environ, setsid=True, **more)  # type: ignore[arg-type]
        except NotImplementedError:
            return os.posix_spawn(sys.executable, command, environ, **more)  # type: ignore[arg-type]
    finally:
        for copy in copies:
            os.close(copy)
