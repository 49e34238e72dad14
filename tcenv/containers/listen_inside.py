"""Enter the network of a process, listen on its loopback, and hand over the sockets through standard input. A program
of its own.

It imports nothing of tcenv. Arguments: the process id and the port."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from ctypes import CDLL, get_errno
from fcntl import ioctl

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
# linux/nsfs.h
_NS_GET_USERNS = 0xB701
_BACKLOG = 64
_IP_FREEBIND = 15
_IPV6_FREEBIND = 78


def main() -> None:
    """Enter the namespaces, listen, and hand over the sockets."""
    process, port = int(sys.argv[1]), int(sys.argv[2])
    libc = CDLL(None, use_errno=True)
    network = os.open(f"/proc/{process}/ns/net", os.O_RDONLY)
    if libc.setns(network, _CLONE_NEWNET):
        # Only root may do that. In the user namespace that owns the network, this user is root.
        owner = ioctl(network, _NS_GET_USERNS)
        if libc.setns(owner, _CLONE_NEWUSER) or libc.setns(network, _CLONE_NEWNET):
            sys.exit(os.strerror(get_errno()))
    made = [_listen(socket.AF_INET, "127.0.0.1", port)]
    with suppress(OSError):  # no IPv6
        made.append(_listen(socket.AF_INET6, "::1", port))
    with socket.socket(fileno=os.dup(0)) as connection:
        socket.send_fds(connection, [b"s"], [each.fileno() for each in made])


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # The loopback may not be up yet.
    if family == socket.AF_INET6:
        made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_FREEBIND, 1)
    else:
        made.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
    made.bind((address, port))
    made.listen(_BACKLOG)
    return made


if __name__ == "__main__":
    main()
