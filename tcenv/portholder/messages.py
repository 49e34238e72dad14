"""Send tables of text between tcenv and the port holder, through a pipe or, with descriptors, through a Unix socket."""

from __future__ import annotations

import _socket
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_LENGTH = struct.Struct(">I")
# The largest message in bytes: the kernel takes no more at once, and a pipe holds 64 KiB.
_LONGEST = 1 << 17
_MOST_DESCRIPTORS = 8
_CREDENTIALS = struct.Struct("3i")

# The id of every user that a user namespace does not map.
_UNMAPPED = 65534
# Bytes of a Unix socket's address, including the NUL at its end.
_LONGEST_ADDRESS = 100
#: The name of the holder's process in process lists (15 characters at most).
NAME = "tcenv-ports"
#: File names in the runtime directory. No profile's file begins with `_`.
SOCKET = "_ports.socket"
LOCK = "_ports.lock"

Table = dict[str, str]


def encode(table: Mapping[str, str]) -> bytes:
    """Encode a table. Its keys must hold no `=`, and its texts no NUL."""
    body = b"\0".join(f"{key}={value}".encode("utf-8", "surrogateescape") for key, value in table.items())
    return _LENGTH.pack(len(body)) + body


def take_tables(buffer: bytearray) -> list[Table]:
    """Remove the complete tables from the start of `buffer` and return them."""
    found = []
    while len(buffer) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(buffer)[0]
        if len(buffer) < end:
            break
        text = bytes(buffer[_LENGTH.size : end]).decode("utf-8", "surrogateescape")
        del buffer[:end]
        pairs = (part.partition("=") for part in text.split("\0") if part)
        found.append({key: value for key, _, value in pairs})
    return found


def read(pipe: int) -> bytes | None:
    """Read from a pipe that does not block. Returns b"" at its end, and None if there is nothing to read yet."""
    try:
        return os.read(pipe, 65536)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def send(connection: _socket.socket, table: Mapping[str, str], descriptors: Iterable[int] = ()) -> None:
    """Send a table and copies of `descriptors` as one message. Raises OSError."""
    numbers = list(descriptors)
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, struct.pack(f"{len(numbers)}i", *numbers))] if numbers else []
    connection.sendmsg([encode(table)], rights)


def receive(connection: _socket.socket) -> tuple[Table, list[int]]:
    """Receive one message: a table, and descriptors that children do not inherit. Raises OSError; ConnectionError at
    the end."""
    room = _socket.CMSG_SPACE(_MOST_DESCRIPTORS * struct.calcsize("i"))
    data, rights, _, _ = connection.recvmsg(_LONGEST, room)
    descriptors: list[int] = []
    for level, kind, content in rights:
        if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
            size = len(content) // struct.calcsize("i")
            descriptors += struct.unpack(f"{size}i", content[: size * struct.calcsize("i")])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    tables = take_tables(bytearray(data))
    if not tables:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ConnectionError("the other end has gone")
    return tables[0], descriptors


def is_own(connection: _socket.socket) -> bool:
    """Return whether this user owns the process at the other end of a Unix socket."""
    _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, _CREDENTIALS.size))
    return bool(user == os.geteuid() != _UNMAPPED)


def connect(directory: str, timeout: float) -> _socket.socket:
    """Connect to this user's holder, and wait at most `timeout` seconds for each of its answers. Raises OSError."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        connection.settimeout(timeout)
        _call_with_address(directory, connection.connect)
        if not is_own(connection):
            raise PermissionError("the holder is another user's")
    except BaseException:
        connection.close()
        raise
    return connection


def listen(directory: str) -> _socket.socket:
    """Listen for tcenv's processes in `directory`, which only this user can access. Raises OSError."""
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    try:
        if os.path.lexists(os.path.join(directory, SOCKET)):
            os.unlink(os.path.join(directory, SOCKET))
        _call_with_address(directory, listener.bind)
        listener.listen(64)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _call_with_address(directory: str, call: Callable[[str], None]) -> None:
    """Call `call` with the address of the socket in `directory`, shortened if the kernel would not take it."""
    path = os.path.join(directory, SOCKET)
    if len(os.fsencode(path)) < _LONGEST_ADDRESS:
        call(path)
        return
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        call(f"/proc/self/fd/{opened}/{SOCKET}")
    finally:
        os.close(opened)
