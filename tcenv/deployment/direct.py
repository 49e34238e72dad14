"""The wire where there is no proxy in between: the standard library's HTTP client over one connection, which is kept open.
Knows no cookies, no ~/.netrc and no redirects."""

from __future__ import annotations

import http.client
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv.deployment.rooturl import Place, place_of
from tcenv.deployment.transport import Unusable
from tcenv.deployment.trust import context

if TYPE_CHECKING:
    from email.message import Message

_PIECE = 1 << 14
_OWN = {"User-Agent": "tcenv", "Accept": "*/*", "Accept-Encoding": "identity"}


class Direct:
    """A `transport.Wire` of http.client's."""

    def __init__(self) -> None:
        self._connection: http.client.HTTPConnection | None = None
        self._place: Place | None = None
        self._response: http.client.HTTPResponse | None = None

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], connecting: float, left: float
    ) -> tuple[int, Message]:
        place, resource = place_of(url)
        if self._connection is None or place != self._place or _dropped(self._connection.sock):
            self.close()
            self._connection, self._place = _connection(place), place
        connection = self._connection
        connection.timeout = connecting
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(left)
        connection.request(method, resource, body, {**_OWN, **headers})
        self._response = response = connection.getresponse()
        if len(set(response.headers.get_all("Content-Length", ()))) > 1:
            raise Unusable("it has two lengths")
        return response.status, response.headers

    def pieces(self) -> Iterator[bytes]:
        assert self._response is not None
        while piece := self._response.read1(_PIECE):
            yield piece
        if self._response.length:  # of what was announced, this much did not come
            raise http.client.IncompleteRead(b"", self._response.length)
        self._response.close()  # and not the connection

    def close(self) -> None:
        if self._connection is not None:
            if self._connection.sock is not None:
                with suppress(OSError):  # wakes a thread that is reading from it
                    self._connection.sock.shutdown(socket.SHUT_RDWR)
            self._connection.close()
            self._connection = None


def _connection(place: Place) -> http.client.HTTPConnection:
    if place.encrypted:
        return http.client.HTTPSConnection(place.host, place.port, context=context())
    return http.client.HTTPConnection(place.host, place.port)


def _dropped(sock: socket.socket | None) -> bool:
    """Whether the other end has closed a connection that is waiting, or has sent what nobody asked for."""
    if sock is None:
        return False
    with suppress(OSError, ValueError):
        return bool(select.select([sock], [], [], 0)[0])
    return True
