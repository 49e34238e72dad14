"""Answer the requests to a held port. Accept a callback only if it has every mark that a live sign-in requires."""

from __future__ import annotations

import _socket
import select
import time

from tcenv import peer
from tcenv.portholder.callback_request import Navigation, Refused, is_complete, is_own_host, is_same, parse_query
from tcenv.portholder.late_answer import ENDED, LateAnswer
from tcenv.portholder.responses import refuse, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from tcenv.portholder.claims import Claim
    from tcenv.portholder.loop import Loop

    class Port(Protocol):
        """The port of a connection: its number, and the claims for which it is held."""

        number: int
        claims: list[Claim]


# Seconds to wait for a request, and for the client to read an answer.
_TIMEOUT = 5.0
# Seconds to wait for the page: tcenv first asks the deployment.
_PAGE_TIMEOUT = 30.0
# Seconds to read what a client still sends after the answer.
_DRAIN = 2.0
# Bytes to read at once.
_CHUNK = 16384

_GONE = b"This run of tcenv's proxy has ended.\n"


class Connection:
    """A connection to a held port."""

    def __init__(
        self, loop: Loop, port: Port, connection: _socket.socket, on_drop: Callable[[Connection], object]
    ) -> None:
        """Call `on_drop` with the connection when it ends."""
        self._loop = loop
        self._on_drop = on_drop
        self._port = port
        self._socket = connection
        self._descriptor = connection.fileno()
        self._received = bytearray()
        self._is_over = False
        self._sending = b""
        self._answered = self._is_waiting = False
        self._until = time.monotonic() + _TIMEOUT

    def begin(self, received: bytes) -> None:
        """Start to read the request. `received` are the bytes that have been read already."""
        self._socket.setblocking(False)
        self._loop.watch(self._descriptor, self._read)
        if received:
            self._receive(received)

    def drop(self) -> None:
        """Close the connection in any state."""
        self._is_over = True
        self._on_drop(self)
        self._loop.ignore(self._descriptor)
        self._socket.close()

    def check_time(self) -> None:
        """Close the connection if it has taken too long. If it still waits for a page, send the page without the
        outcome."""
        if time.monotonic() > self._until:
            if self._is_waiting and not self._answered:
                self.send_ended_page()
            else:
                self.drop()

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        if data:
            self._receive(data)
        else:
            self.drop()

    def _receive(self, data: bytes) -> None:
        self._received += data
        try:
            if is_complete(self._received):
                self._answer()
        except Refused as refused:
            self.send(self._make_refusal(refused.status))

    def _make_refusal(self, status: int) -> bytes:
        # A proxy had this port. Its callers are programs, which never ask for a sign-in's page.
        if any(claim.kind != "sign-in" for claim in self._port.claims):
            return respond(410, _GONE, content_type="text/plain")
        return refuse(status)

    def _answer(self) -> None:
        """Answer the request. Raises Refused."""
        request = Navigation(bytes(self._received))
        if not is_own_host(request.host, self._port.number):
            raise Refused(421)
        for claim in self._port.claims:
            for late in claim.late if not request.query else ():
                if late.serve(request.path, self):
                    self._wait()
                    return
            if claim.path and is_same(request.path, claim.path):
                if not peer.is_own(self._socket):
                    raise Refused(403)
                client_id, token = parse_query(request.query.encode("ascii"))
                late = LateAnswer(self._loop, claim.details, client_id, token)
                claim.late.append(late)
                location = late.detour if request.keeps_history else late.page
                self.send(respond(303, b"", f"Location: {location}"))
                return
        raise Refused(404)

    def _wait(self) -> None:
        """Keep the connection open until tcenv reports the outcome."""
        self._is_waiting = True
        if not self._answered:
            self._loop.ignore(self._descriptor)
            self._until = time.monotonic() + _PAGE_TIMEOUT

    def send(self, response: bytes) -> None:
        """Send the response, then close the connection."""
        if self._is_over:
            return
        self._sending = response
        self._answered = True
        self._until = time.monotonic() + _TIMEOUT
        try:
            self._watch(self._continue_sending, select.POLLOUT)
            self._continue_sending()
        except OSError:
            self.drop()

    def send_ended_page(self) -> None:
        """Send the page that does not tell the outcome."""
        self.send(respond(200, ENDED))

    def _watch(self, handler: Callable[[], None], events: int) -> None:
        self._loop.ignore(self._descriptor)
        self._loop.watch(self._descriptor, handler, events)

    def _continue_sending(self) -> None:
        try:
            self._sending = self._sending[self._socket.send(self._sending) :]
        except BlockingIOError:
            return
        if not self._sending:
            self._socket.shutdown(_socket.SHUT_WR)
            self._until = time.monotonic() + _DRAIN
            self._watch(self._drain, select.POLLIN)

    def _drain(self) -> None:
        """Read and discard what the client still sends. Closing earlier would reset the connection before it reads the
        answer."""
        try:
            if not self._socket.recv(_CHUNK):
                self.drop()
        except BlockingIOError:
            return
