"""Bind the proxy's sockets: the same port on both loopback families and, if the user asks for it, on one more address.
Hot path.

They are bound before the program starts, so the system queues connections until the proxy is imported."""

from __future__ import annotations

import socket

from tcenv import loopback
from tcenv.errors import TcenvError, UsageError
from tcenv.portholder import client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.portholder.client import Hold

_BACKLOG = 64
# How many ports to try: a port that is free on loopback may be taken on the other address.
_TRIES = 20
# The names by which containers reach their host.
_FROM_CONTAINERS = ("host.docker.internal", "host.containers.internal")
_HINT = "Name the bridge's own address, like docker0's: --listen 172.17.0.1"


class Sockets:
    """Listening sockets of one port.

    `outside` is the one that is not on loopback, or None. `held` is the hold on the port if it was taken back from an
    earlier proxy. `far_port` is the port on another machine's loopback that leads to these sockets, or None; if it is
    set, all programs run on that machine. `name` is the host that programs call (None: the address). `inside` are
    sockets in a sandbox's own network, which only its processes reach."""

    __slots__ = ("far_port", "held", "inside", "loopback", "name", "outside", "port")

    def __init__(
        self,
        loopback: tuple[socket.socket, ...],
        outside: socket.socket | None,
        port: int,
        held: Hold | None = None,
    ) -> None:
        self.loopback = loopback
        self.outside = outside
        self.port = port
        self.held = held
        self.far_port: int | None = None
        self.name: str | None = None
        self.inside: tuple[socket.socket, ...] = ()

    @property
    def program_port(self) -> int:
        """Return the port that programs call, and sign."""
        return self.far_port or self.port

    @property
    def all(self) -> tuple[socket.socket, ...]:
        """Return all of the sockets."""
        return (*self.loopback, *([self.outside] if self.outside is not None else []))

    @property
    def root_url(self) -> str:
        """Return the root URL for programs."""
        return f"http://{self.name or _format_host(self.outside or self.loopback[0])}:{self.program_port}"

    @property
    def hosts(self) -> frozenset[str]:
        """Return the hosts that a Host header may name for this proxy."""
        names = {"localhost", *map(_format_host, self.loopback)}
        if self.name is not None:
            names.add(self.name)
        if self.outside is not None:
            names |= {_format_host(self.outside), *_FROM_CONTAINERS}
        return frozenset(names)

    def close(self) -> None:
        for each in (*self.all, *self.inside):
            each.close()


def bind(port: int = 0, address: str | None = None) -> Sockets:
    """Bind both loopback families, and `address` if given, to `port` (0: any free port). Raises UsageError for an
    unusable address, TcenvError for a taken port."""
    family = None if address is None else _find_family(address)
    failure: OSError | None = None
    for _ in range(1 if port else _TRIES):
        held, taken = _take_back(port, address)
        bound, number = (taken, port) if held is not None and taken else loopback.bind(port)
        outside = next((each for each in bound if each.getsockname()[0] == address), None)
        bound = [each for each in bound if each is not outside]
        if address is None or family is None or outside is not None:
            return Sockets(tuple(bound), outside, number, held)
        outside = socket.socket(family, socket.SOCK_STREAM)
        try:
            if family == socket.AF_INET6:
                outside.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            outside.bind((address, number))
            outside.listen(_BACKLOG)
        except OSError as error:
            failure = error
            for each in (*bound, outside):
                each.close()
            continue
        return Sockets(tuple(bound), outside, number, held)
    reason = failure.strerror if failure is not None else "no port is free"
    raise TcenvError(f"tcenv cannot listen on {address}: {reason}.", _HINT)


def _take_back(port: int, address: str | None) -> tuple[Hold | None, list[socket.socket]]:
    """Take back the sockets of a port that the port holder keeps for an earlier proxy. Close those that this proxy does
    not need."""
    taken = client.take(port, "proxy") if port else None
    if taken is None:
        return None, []
    found = [socket.socket(fileno=descriptor) for descriptor in taken[0]]
    kept = [each for each in found if each.getsockname()[0] in ("127.0.0.1", "::1", address)]
    for each in found:
        if each not in kept:
            each.close()
    return taken[1], kept


def _format_host(sock: socket.socket) -> str:
    """Return a socket's own address as it is written in a URL."""
    address = str(sock.getsockname()[0])
    return f"[{address}]" if ":" in address else address


def _find_family(address: str) -> socket.AddressFamily:
    for family, own, anywhere in ((socket.AF_INET, "127.", "0.0.0.0"), (socket.AF_INET6, "::1", "::")):  # noqa: S104
        try:
            plain = socket.inet_ntop(family, socket.inet_pton(family, address))
        except OSError:
            continue
        if plain == anywhere:
            raise UsageError(
                "--listen takes one address. With all of them, everybody who reaches this machine could call.", _HINT
            )
        if plain.startswith(own):
            raise UsageError("The proxy listens on loopback anyway.", _HINT)
        return family
    raise UsageError(f"--listen takes an IP address of this machine, not {address!r}.", _HINT)
