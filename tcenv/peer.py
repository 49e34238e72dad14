"""Find the user whose process holds the other end of a loopback connection. Asks the kernel, never the program.

Imports next to nothing, and never guesses: if the kernel does not name the user, the user is unknown and is refused."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket as Socket
    from collections.abc import Collection, Iterator

# Other kernels do not say who owns a connection (see docs/threats.md).
KERNEL_TELLS = sys.platform == "linux"

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h.
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_HEADER = "=IHHII"
_HEADER_SIZE = 16
_ANY = 0xFFFFFFFF
# The states (net/tcp_states.h) of a connection that a program still holds: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT.
_HELD = (1, 4, 5, 8)
# In a user namespace every user that it does not map has this id, so it names nobody.
_UNMAPPED = 65534
# The prefix of an IPv4 address in a socket of both families.
_MAPPED = b"\0" * 10 + b"\xff\xff"


def is_own_peer(local: tuple[object, ...], remote: tuple[object, ...]) -> bool:
    """Return whether a process of this user, or of root, holds the other end of a connection. `local` and `remote` are
    what `getsockname` and `getpeername` return. Returns True if no kernel tells (see `KERNEL_TELLS`). Raises OSError if
    no descriptor is left to ask with."""
    if not KERNEL_TELLS:
        return True
    owner = find_owner_of_peer(local, remote)
    return owner != _UNMAPPED and owner in (os.geteuid(), 0)


def is_own(connection: Socket) -> bool:
    """Return whether the other end of a connection is a process of this user, or of root. False for a
    connection that was reset: another process may now have the address that `accept` returned."""
    try:
        return is_own_peer(connection.getsockname(), connection.getpeername())
    except OSError:
        return False


def find_owner_of_peer(local: tuple[object, ...], remote: tuple[object, ...]) -> int | None:
    """Return the id of the user who owns the other end of a TCP connection on this machine, or None if it is unknown.

    `local` and `remote` are what `getsockname` and `getpeername` return for this end. Call this while the connection is
    open: the kernel shows a closed socket as root's, without an inode."""
    found = _find_socket(local, remote)
    return None if found is None else found[0]


def is_program_of_peer(local: tuple[object, ...], remote: tuple[object, ...], names: Collection[str]) -> bool:
    """Return whether a program with one of these `names` (as the kernel knows it, at most 15 characters) holds the other
    end."""
    found = _find_socket(local, remote)
    if found is None:
        return False
    link = f"socket:[{found[1]}]"
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                if file.read().rstrip("\n") not in names:
                    continue
            if any(os.readlink(f"/proc/{pid}/fd/{number}") == link for number in os.listdir(f"/proc/{pid}/fd")):
                return True
        except OSError as error:
            _raise_if_out_of_descriptors(error)
    return False


def _find_socket(local: tuple[object, ...], remote: tuple[object, ...]) -> tuple[int, int] | None:
    """Return the user id and the inode of the other end, or None if it is closed or unknown."""
    if not KERNEL_TELLS:
        return None
    try:
        here, there = _parse_address(local), _parse_address(remote)
    except (ValueError, OSError, IndexError):
        return None
    if len(here[0]) != len(there[0]):
        return None
    try:
        return _ask_netlink(here, there)
    except OSError as error:
        _raise_if_out_of_descriptors(error)
        # Some containers have no netlink sockets.
        return _search_tables(here, there)


def _raise_if_out_of_descriptors(error: OSError) -> None:
    from errno import EMFILE, ENFILE

    if error.errno in (EMFILE, ENFILE):
        raise error


def _parse_address(name: tuple[object, ...]) -> tuple[bytes, int]:
    """Return the address as 4 or 16 bytes, and the port."""
    # `socket` imports enumerations.
    from _socket import AF_INET, AF_INET6, inet_pton

    host, port = str(name[0]).partition("%")[0], name[1]
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ValueError("not a port")
    packed = inet_pton(AF_INET6 if ":" in host else AF_INET, host)
    # An IPv4 connection to a socket of both families.
    return packed.removeprefix(_MAPPED), port


def _ask_netlink(here: tuple[bytes, int], there: tuple[bytes, int]) -> tuple[int, int] | None:
    """Ask the kernel for the socket with these ends. Raises OSError if the kernel does not answer."""
    import struct
    from _socket import AF_INET, AF_INET6, AF_NETLINK, IPPROTO_TCP, SOCK_RAW, socket

    family = AF_INET if len(here[0]) == 4 else AF_INET6
    # The other end's own view: its address is the source.
    ports = struct.pack(">HH", there[1], here[1])
    ends = ports + there[0].ljust(16, b"\0") + here[0].ljust(16, b"\0")
    question = struct.pack("=BBBxI", family, IPPROTO_TCP, 0, _ANY) + ends + struct.pack("=III", 0, _ANY, _ANY)
    size = _HEADER_SIZE + len(question)
    kernel = socket(AF_NETLINK, SOCK_RAW, _NETLINK_SOCK_DIAG)
    try:
        kernel.settimeout(1)
        kernel.send(struct.pack(_HEADER, size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, 1, 0) + question)
        answer = kernel.recv(8192)
    finally:
        kernel.close()
    kind = struct.unpack_from(_HEADER, answer)[1]
    if kind != _SOCK_DIAG_BY_FAMILY:
        # An error. ENOENT means that there is no such socket, any other one that the kernel does not know the question.
        (code,) = struct.unpack_from("=i", answer, _HEADER_SIZE)
        if code == -2:
            return None
        raise OSError(-code, "the kernel does not say")
    state = answer[_HEADER_SIZE + 1]
    uid, inode = struct.unpack_from("=II", answer, _HEADER_SIZE + 4 + 48 + 12)
    # The kernel may answer with a socket that listens on that port instead.
    answered = answer[_HEADER_SIZE + 4 : _HEADER_SIZE + 4 + 36]
    same = answered in (ends, ports + _MAPPED + there[0] + _MAPPED + here[0])
    return (uid, inode) if same and inode and state in _HELD else None


def _search_tables(here: tuple[bytes, int], there: tuple[bytes, int]) -> tuple[int, int] | None:
    """Find the other end in the tables of /proc/net, which every Linux has."""
    searches = [("tcp6", here[0], there[0])]
    if len(here[0]) == 4:
        searches = [("tcp", here[0], there[0]), ("tcp6", _MAPPED + here[0], _MAPPED + there[0])]
    for table, address, other_address in searches:
        ends = [_format_for_table(other_address, there[1]), _format_for_table(address, here[1])]
        for fields in _read_rows(table):
            if fields[1:3] == ends and int(fields[3], 16) in _HELD:
                return (int(fields[7]), int(fields[9])) if fields[9] != "0" else None
    return None


def _read_rows(table: str) -> Iterator[list[str]]:
    try:
        with open(f"/proc/net/{table}", encoding="ascii") as rows:
            next(rows, None)
            for row in rows:
                fields = row.split()
                if len(fields) > 9:
                    yield fields
    except OSError as error:
        _raise_if_out_of_descriptors(error)


def _format_for_table(address: bytes, port: int) -> str:
    """Write an end as the tables do: words of four bytes in the machine's order."""
    words = (address[start : start + 4] for start in range(0, len(address), 4))
    swap = -1 if sys.byteorder == "little" else 1
    return "".join(word[::swap].hex().upper() for word in words) + f":{port:04X}"
