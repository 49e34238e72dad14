"""Hand a port to the holder, and take it back. Imports almost nothing, since a browser waits for it."""

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

#: How long to hold the port of a sign-in, in seconds: a user may leave its page open for this long.
SIGN_IN_SECONDS = 15 * 60
# Seconds to wait for the holder.
_TIMEOUT = 2.0
# Bytes that a pipe takes before the other end reads.
_PIPE_CAPACITY = 60_000
# The variables that the process for a late approval needs to find its files and the deployment. None holds a token.
_VARIABLES = frozenset(
    (
        *("HOME", "USER", "LOGNAME", "PATH", "LANG", "TZ", "TMPDIR", "TCENV_CONFIG", "TCENV_STORE"),
        *("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"),
        *("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "DBUS_SESSION_BUS_ADDRESS"),
    )
)
_VARIABLE_PREFIXES = ("XDG_", "LC_", "LD_", "DYLD_")
_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hold_ports.py")
_IS_SUPPORTED = hasattr(os, "posix_spawn") and hasattr(_socket, "AF_UNIX")


class Hold:
    """The hold on a port. The holder keeps the port from the moment at which this process ends or calls `leave`."""

    def __init__(self, writer: int, child: int | None = None, *, as_child: bool = False) -> None:
        self._writer: int | None = writer
        # The holder (`as_child`), the process that forks it and ends, or None if no process was started.
        self._child = child
        self._is_child = as_child
        _writers.add(writer)

    def tell(self, **table: str) -> None:
        """Send the holder more details of this port's claim."""
        if self._writer is not None:
            with suppress(OSError):
                os.write(self._writer, messages.encode(table))

    def leave(self) -> None:
        """Let the holder keep the port from now on."""
        if self._writer is not None:
            _writers.discard(self._writer)
            os.close(self._writer)
            self._writer = None
        if self._child is not None:
            with suppress(OSError):
                os.waitpid(self._child, os.WNOHANG if self._is_child else 0)
            self._child = None

    @property
    def process(self) -> int | None:
        """The holder's process id if it is a child of this process, else None."""
        return self._child if self._is_child else None

    def release(self) -> None:
        """Make the holder close the port, and wait until it has done so."""
        if self._writer is not None and not self._kill_before_start():
            self.tell(done="1")
            # The holder closes its end of the pipe only after the sockets.
            gone = select.poll()
            gone.register(self._writer, 0)
            gone.poll(_TIMEOUT * 1000)
        self.leave()

    def _kill_before_start(self) -> bool:
        """Kill the holder if it is this process's child and has not started yet. It holds no other port then, and
        killing it is faster than waiting for it."""
        if not self._is_child or self._child is None:
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


# Forked children close these: an open copy would keep the holder from noticing that this process has ended. (Executed
# programs do not inherit them.)
_writers: set[int] = set()


def _close_in_child() -> None:
    while _writers:
        with suppress(OSError):
            os.close(_writers.pop())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_in_child)


def hold(sockets: Sequence[socket.socket], table: Mapping[str, str], *, as_child: bool = False) -> Hold | None:
    """Hand the listening `sockets` of one port to the holder, and start one if there is none. The holder does not use
    them while this process lives. `table` has the details of the claim (see `Claim`). With `as_child`, a new holder is a
    child of this process. Do not use it before an exec of a program that expects no child. Returns None if the system
    cannot hold ports."""
    if not _IS_SUPPORTED:
        return None
    try:
        reader, writer = os.pipe()
    except OSError:
        return None
    try:
        environment = _build_late_environment()
        record = messages.encode({**table, **environment})
        if len(record) > _PIPE_CAPACITY:
            record = messages.encode(table)
        os.write(writer, record)
        descriptors = [reader, *(server.fileno() for server in sockets)]
        directory = _find_directory()
        child = None
        if directory is None or _ask(directory, {"ask": "hold"}, descriptors) is None:
            child = _start(directory, descriptors, environment, as_child=as_child)
        return Hold(writer, child, as_child=as_child)
    except OSError:
        os.close(writer)
        return None
    finally:
        os.close(reader)


def take(port: int, kind: str) -> tuple[list[int], Hold] | None:
    """Take back the sockets of the held `port` for a sign-in or a proxy (`kind`, as in a claim). The holder keeps its
    copies. Returns None if the port is not held, or if its claims do not allow this kind."""
    directory = _find_directory() if _IS_SUPPORTED else None
    if directory is None:
        return None
    reader, writer = os.pipe()
    try:
        answer = _ask(directory, {"ask": "take", "port": str(port), "kind": kind}, [reader])
    finally:
        os.close(reader)
    if answer is None or not answer[1]:
        os.close(writer)
        return None
    held = Hold(writer)
    held.tell(**_build_late_environment())
    return answer[1], held


def hand_over(port: int, connection: socket.socket, received: bytes) -> bool:
    """Hand over a connection to a port that was taken back, if it belongs to an earlier claim. `received` are the
    bytes that have been read from it."""
    directory = _find_directory()
    table = {"ask": "answer", "port": str(port), "received": received.decode("latin-1")}
    return directory is not None and _ask(directory, table, [connection.fileno()]) is not None


def _find_directory() -> str | None:
    """Return the directory of the holder's socket, or None if holders cannot find each other on this system."""
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


def _build_late_environment() -> dict[str, str]:
    """Return the environment for the process that handles a late approval."""
    from tcenv.shells.environment import SECRETS
    from tcenv.shells.secrets_in_environment import drop_secrets

    environ = drop_secrets(
        {
            name: value
            for name, value in os.environ.items()
            if name in _VARIABLES or name in SECRETS or name.startswith(_VARIABLE_PREFIXES)
        }
    )
    return {
        "python": sys.executable,
        "search": os.pathsep.join(path for path in sys.path if os.path.isabs(path)),
        **{f"env.{name}": value for name, value in environ.items()},
    }


def _ask(
    directory: str, table: Mapping[str, str], descriptors: Sequence[int]
) -> tuple[messages.Table, list[int]] | None:
    """Send a request to this user's holder. Returns None if there is no holder, or if it does not answer yes."""
    try:
        connection = messages.connect(directory, _TIMEOUT)
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


def _start(directory: str | None, descriptors: Sequence[int], environment: Mapping[str, str], *, as_child: bool) -> int:
    """Start a holder in its own session. It inherits only `descriptors`: the pipe and the sockets. Returns the id of
    this process's child: the holder (`as_child`), or the process that forks it and ends. Raises OSError."""
    import fcntl

    first = 3
    copies: list[int] = []
    try:
        # Copy the descriptors to numbers above the ones that they get in the child.
        for descriptor in descriptors:
            copies += [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, first + len(descriptors))]
        actions: list[tuple[object, ...]] = [
            (os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(first)
        ]
        actions += [(os.POSIX_SPAWN_DUP2, copy, first + place) for place, copy in enumerate(copies)]
        command = [
            sys.executable,
            "-I",
            "-S",
            _SCRIPT,
            str(len(descriptors)),
            directory or "",
            "stay" if as_child else "",
        ]
        environ = {key[4:]: value for key, value in environment.items() if key.startswith("env.")}
        options = {"file_actions": actions, "setsigmask": ()}
        try:
            return os.posix_spawn(sys.executable, command, environ, setsid=True, **options)  # type: ignore[arg-type]
        except NotImplementedError:
            return os.posix_spawn(sys.executable, command, environ, **options)  # type: ignore[arg-type]
    finally:
        for copy in copies:
            os.close(copy)
