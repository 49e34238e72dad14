"""A wire for a look at the head of one answer, for who wants to know no more than the deployment's time: the HTTP client of the
standard library, with the mail parser that it brings, takes as long to import as three interpreters take to start."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress

from tcenv.deployment.rooturl import place_of
from tcenv.deployment.transport import Headers, Unusable

_LONGEST = 1 << 16
_PIECE = 1 << 14


class Glance:
    """A `transport.Wire` for one request. It reads no body."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], connecting: float, left: float
    ) -> tuple[int, Headers]:
        place, resource = place_of(url)
        connected = self._socket = socket.create_connection((place.host, place.port), connecting)
        connected.settimeout(left)
        if place.encrypted:
            from tcenv.deployment.trust import context

            connected = self._socket = context().wrap_socket(connected, server_hostname=place.host)
        told = {"Host": place.authority, "User-Agent": "tcenv", "Accept": "*/*", "Connection": "close", **headers}
        lines = [f"{method} {resource} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
        connected.sendall("".join(f"{line}\r\n" for line in (*lines, "")).encode("ascii") + (body or b""))
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connected.recv(_PIECE)
            if not piece:
                raise ConnectionError("it closed the connection without an answer")
            received += piece
            if len(received) > _LONGEST:
                raise Unusable("it is too long")
        return _read(received.partition(b"\r\n\r\n")[0].decode("latin-1"))

    def pieces(self) -> Iterator[bytes]:
        self.close()
        return iter(())

    def close(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # wakes a thread that is reading from it
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()


class _Told:
    def __init__(self, lines: list[str]) -> None:
        pairs = (line.partition(":") for line in lines)
        self._values = {name.strip().lower(): value.strip() for name, _, value in reversed(list(pairs))}

    def get(self, name: str, default: str, /) -> str:
        return self._values.get(name.lower(), default)


def _read(head: str) -> tuple[int, Headers]:
    first, *lines = head.split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if not version.startswith("HTTP/1.") or len(status) != 3 or not (status.isascii() and status.isdigit()):
        raise Unusable("it is no HTTP")
    return int(status), _Told(lines)
