"""Open sockets that listen on this machine alone: the same port of both loopback families."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Collection

from tcenv.errors import TcenvError

_BACKLOG = 64
# How many ports that are free on IPv4 may turn out to be taken on IPv6.
_TRIES = 50
# The system's errors if loopback has no address of that family.
_MISSING = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
FAMILIES = ((socket.AF_INET, "IPv4", "127.0.0.1"), (socket.AF_INET6, "IPv6", "::1"))


def bind(port: int) -> tuple[list[socket.socket], int]:
    """Return sockets on the same port of both loopback families, and that port; one socket if the machine has one family.
    Browsers try both, so another program on the other family would get the token. `port` is 0 for a free one. Raises
    TcenvError."""
    for _ in range(1 if port else _TRIES):
        bound: list[socket.socket] = []
        number = port
        try:
            for family, _name, address in FAMILIES:
                try:
                    server = _listen(family, address, number)
                except OSError as error:
                    if error.errno in _MISSING:
                        continue
                    raise
                bound.append(server)
                number = server.getsockname()[1]
        except OSError as error:
            for server in bound:
                server.close()
            if port or error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise TcenvError(
                    f"tcenv cannot listen on port {port or number}: {reason}.",
                    "Leave out --port, or choose another." if port else None,
                ) from None
            continue
        if not bound:
            raise TcenvError(
                f"tcenv cannot listen on this machine's loopback: {describe_missing(())}.",
                "Bring the loopback interface up: ip link set lo up",
            )
        return bound, number
    raise TcenvError("No port is free on both 127.0.0.1 and ::1.")


def describe_missing(addresses: Collection[str]) -> str:
    """Say which families loopback lacks if it has only these `addresses`."""
    missing = [f"{name} ({address})" for _, name, address in FAMILIES if address not in addresses]
    return f"it has neither {' nor '.join(missing)}" if len(missing) > 1 else f"it has no {missing[0]}"


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    server = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if os.name == "nt":
            server.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        elif port:
            # A port of the user's own may still have an old connection in TIME_WAIT; on POSIX this shares nothing.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((address, port))
        server.listen(_BACKLOG)
    except BaseException:
        server.close()
        raise
    return server
