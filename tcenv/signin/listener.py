"""Listen on loopback for the browser's answer: one GET of a path that nobody can guess.

Treats every request as hostile until it has all marks of that answer. Any other request gets a 4xx without a body, and
the wait goes on. Limits the size and the time of requests and the number of connections, uses one thread, and listens on
127.0.0.1 and ::1 alone. No response holds a token."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv import loopback, peer, verbosity
from tcenv.deployment.credentials import Credentials
from tcenv.portholder import client, responses
from tcenv.portholder.callback_request import Navigation, Refused, is_complete, is_own_host, is_same, parse_query
from tcenv.signin import pages

if TYPE_CHECKING:
    from tcenv.portholder.client import Hold
    from tcenv.signin.pages import Outcome

# Seconds from the first byte of a request to its last, and again for the response.
_TIMEOUT = 5.0
_MAX_CONNECTIONS = 64
_TLS_HANDSHAKE = b"\x16\x03"
# Characters that may surround a pasted address.
_WRAPPING = " \t\r\n'\"`<>“”‘’"
#: Refusals that the user should know of: the right answer from another user's process (or an unknown one), the right answer at
#: an address that is not this machine's, and a browser that speaks TLS.
STRANGER, OTHER_HOST, TLS = "stranger", "other host", "TLS"


class _Connection:
    __slots__ = ("descriptor", "is_final", "received", "sending", "since", "socket")

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        self.descriptor = client.fileno()
        # The time of its last step (time.monotonic): accepted, first byte received, or response begun.
        self.since = time.monotonic()
        self.received = bytearray()
        # The rest of the response; None until the request is complete.
        self.sending: bytes | None = None
        # Whether the response is the final page.
        self.is_final = False


class Listener:
    """A context manager that listens on a free port (or `port`) of both loopback families.

    `wait` returns the credentials of the first right callback. `finish` then shows the result in the browser. Between the two
    calls the browser's request for the page waits in the kernel."""

    def __init__(self, port: int = 0) -> None:
        self._secret = "/" + os.urandom(20).hex()
        self._page_path = "/" + os.urandom(20).hex()
        self._detour_path = "/" + os.urandom(20).hex()
        self._answered = False
        #: Those of STRANGER, OTHER_HOST and TLS that have occurred.
        self.refusals: set[str] = set()
        self._redirected = False
        self._delivered = False
        self._last_request_at = 0.0
        self._outcome: bytes | None = None
        # The open connections, in the order in which they were accepted.
        self._connections: dict[_Connection, None] = {}
        self._port_hold: Hold | None = None
        self._is_taken_back = False
        self._succeeded = False
        self._sockets, self.port = self._take_back(port) or loopback.bind(port)
        verbosity.log(f"Listening on port {self.port} of this machine.")
        self._selector = selectors.DefaultSelector()
        for server in self._sockets:
            server.setblocking(False)
            self._selector.register(server, selectors.EVENT_READ, None)

    @property
    def families(self) -> tuple[str, ...]:
        """The addresses that it listens on."""
        return tuple(str(server.getsockname()[0]) for server in self._sockets)

    @property
    def callback_url(self) -> str:
        """The address to which the deployment's page sends the browser. The secret (160 random bits) is in the path, because
        a query breaks the page's answer."""
        host = "localhost" if self.port == 80 else f"localhost:{self.port}"
        return f"http://{host}{self._secret}"

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in list(self._connections):
            self._drop(connection)
        for server in self._sockets:
            server.close()
        self._selector.close()
        if self._port_hold is not None:
            if self._succeeded:
                self._port_hold.release()
            else:
                self._port_hold.leave()

    def _take_back(self, port: int) -> tuple[list[socket.socket], int] | None:
        """Return the sockets of a port that is held for an earlier sign-in, whose page may still answer; None for any other
        port."""
        taken = client.take(port, "sign-in") if port else None
        if taken is None:
            return None
        descriptors, self._port_hold = taken
        self._is_taken_back = True
        return [socket.socket(fileno=descriptor) for descriptor in descriptors], port

    def hold(self, **details: str) -> bool:
        """Have the holder keep the port if this sign-in ends without `succeed`. `late_approval` needs `details` then; a
        second call changes them. Returns False if the system cannot hold a port."""
        table = {"kind": "sign-in", "path": self._secret, "seconds": str(client.SIGN_IN_SECONDS), **details}
        if self._port_hold is None:
            self._port_hold = client.hold(self._sockets, table)
        else:
            self._port_hold.tell(**table)
        return self._port_hold is not None

    @property
    def is_held(self) -> bool:
        """Whether the port stays with this user when this process ends."""
        return self._port_hold is not None

    def succeed(self) -> None:
        """Release the port at the end instead of leaving it to the holder, because no page can answer any more."""
        self._succeeded = True

    def wait(
        self,
        deadline: float,
        on_tick: Callable[[], None] = lambda: None,
        pasted: tuple[int, Callable[[], Credentials | None]] | None = None,
    ) -> Credentials | None:
        """Return the credentials of the first right callback, None at `deadline` (time.monotonic). Calls `on_tick` about once
        a second. `pasted` is a descriptor to watch and the function to call when it can be read."""
        if pasted is not None:
            try:
                self._selector.register(pasted[0], selectors.EVENT_READ, pasted[1])
            except PermissionError:  # a plain file can always be read, and cannot be watched
                found = pasted[1]()
                if found is not None:
                    self._answered = True
                    return found
                pasted = None
        try:
            next_tick = time.monotonic()
            while (now := time.monotonic()) < deadline:
                if now >= next_tick:
                    on_tick()
                    next_tick = now + 1.0
                found = self._handle_events(min(deadline, next_tick) - now)
                if found is not None:
                    self._answered = True
                    return found
            return None
        finally:
            if pasted is not None:
                self.ignore(pasted[0])

    def ignore(self, descriptor: int) -> None:
        """Stop watching `descriptor`."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def parse_pasted(self, address: str) -> Credentials:
        """Return the credentials in an address that the user copied from the browser's address bar: with `http://`,
        `https://` or neither, perhaps in quotes. Raises Refused."""
        scheme, mark, rest = address.strip(_WRAPPING).partition("://")
        if not mark:
            rest = scheme
        elif scheme.lower() not in ("http", "https"):
            raise Refused
        start, mark, query = rest.partition("?")
        host, slash, path = start.partition("/")
        if self._answered or not mark or not rest.isascii() or not is_own_host(host, self.port):
            raise Refused
        if not is_same(slash + path, self._secret):
            raise Refused
        return Credentials(*parse_query(query.partition("#")[0].encode("ascii")))

    def finish(self, outcome: Outcome, linger: float = 1.0) -> None:
        """Serve the final page at the clean address to which the browser was redirected. Returns when the page is sent, after
        `linger` seconds if nobody asks for it, and at once if no browser was redirected."""
        self._outcome = pages.respond_with_page(outcome)
        self._last_request_at = time.monotonic()
        while (
            self._redirected and not self._delivered and (left := self._last_request_at + linger - time.monotonic()) > 0
        ):
            self._handle_events(left)

    def reopen(self) -> None:
        """Wait for another answer, because the deployment rejects the one that came."""
        self._answered = self._redirected = self._delivered = False
        self._outcome = None

    def _handle_events(self, seconds: float) -> Credentials | None:
        """Wait up to `seconds` for events and handle them. Return the credentials if the answer was among them."""
        self._drop_overdue()
        for key, _ in self._selector.select(max(0.0, min(seconds, 0.5))):
            if key.data is None:
                self._accept(key.fileobj)  # type: ignore[arg-type]
                found = None
            elif isinstance(key.data, _Connection):
                found = self._handle_safely(key.data)
            else:
                found = key.data()
            if found is not None:
                # The next call reports the other events again.
                return found
        return None

    def _accept(self, server: socket.socket) -> None:
        try:
            client, _ = server.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._drop_oldest()
            return
        if len(self._connections) >= _MAX_CONNECTIONS:
            self._drop_oldest()
        try:
            client.setblocking(False)
            connection = _Connection(client)
            self._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
            self._connections[connection] = None
        except (OSError, ValueError, KeyError):
            with suppress(OSError):
                client.close()

    def _drop(self, connection: _Connection) -> None:
        if connection in self._connections:
            del self._connections[connection]
            with suppress(OSError, KeyError, ValueError):
                self._selector.unregister(connection.descriptor)
            with suppress(OSError):
                connection.socket.close()

    def _drop_oldest(self) -> None:
        if self._connections:
            self._drop(min(self._connections, key=lambda connection: connection.since))

    def _drop_overdue(self) -> None:
        # Keep silent connections: they cost nothing, and the browser may have opened them in advance.
        now = time.monotonic()
        for connection in list(self._connections):
            if connection.received and now - connection.since > _TIMEOUT:
                self._drop(connection)

    def _handle_safely(self, connection: _Connection) -> Credentials | None:
        """Handle an event of a connection. An error ends that connection, never the wait."""
        try:
            return self._handle(connection)
        except Exception:
            self._drop(connection)
            return None

    def _handle(self, connection: _Connection) -> Credentials | None:
        if connection.sending is not None:
            self._flush(connection)
            return None
        try:
            data = connection.socket.recv(4096)
        except BlockingIOError:
            return None
        if not data:
            self._drop(connection)
            return None
        if not connection.received:
            connection.since = time.monotonic()
        connection.received += data
        if connection.received.startswith(_TLS_HANDSHAKE) and peer.is_own(connection.socket):
            self.refusals.add(TLS)
        try:
            return self._answer(connection) if is_complete(connection.received) else None
        except Refused as refused:
            if not self._is_taken_back or not self._hand_over(connection):
                self._send(connection, responses.refuse(refused.status))
            return None

    def _hand_over(self, connection: _Connection) -> bool:
        """Have the holder answer a request that is not for this sign-in. It may be for an earlier one on the same port."""
        if not client.hand_over(self.port, connection.socket, bytes(connection.received)):
            return False
        self._drop(connection)
        return True

    def _answer(self, connection: _Connection) -> Credentials | None:
        request = Navigation(bytes(connection.received))
        path = request.path
        if not is_own_host(request.host, self.port):
            if is_same(path, self._secret) and peer.is_own(connection.socket):
                self.refusals.add(OTHER_HOST)
            raise Refused(421)
        if self._outcome is not None and not request.query and is_same(path, self._page_path):
            self._send(connection, self._outcome, is_final=True)
            return None
        if self._redirected and not request.query and is_same(path, self._detour_path):
            self._last_request_at = time.monotonic()
            self._send(connection, pages.respond_with_detour(self._page_path))
            return None
        if self._answered or not is_same(path, self._secret):
            raise Refused(404)
        # Every user of the machine can read the path in the browser's arguments. So ask the kernel who answers.
        if not peer.is_own(connection.socket):
            self.refusals.add(STRANGER)
            raise Refused(403)
        credentials = Credentials(*parse_query(request.query.encode("ascii")))
        self._answered = self._redirected = True
        # The kernel's empty buffer takes the whole response at once.
        location = self._detour_path if request.keeps_history else self._page_path
        try:
            self._send(connection, responses.respond(303, b"", f"Location: {location}"))
        except Exception:
            # The answer counts even if its connection breaks.
            self._drop(connection)
        return credentials

    def _send(self, connection: _Connection, data: bytes, *, is_final: bool = False) -> None:
        connection.sending = data
        connection.is_final = is_final
        connection.since = time.monotonic()
        self._selector.modify(connection.descriptor, selectors.EVENT_WRITE, connection)
        self._flush(connection)

    def _flush(self, connection: _Connection) -> None:
        data = connection.sending or b""
        try:
            connection.sending = data[connection.socket.send(data) :]
        except BlockingIOError:
            return
        if not connection.sending:
            self._delivered = self._delivered or connection.is_final
            _hang_up(connection.socket)
            self._drop(connection)


def _hang_up(client: socket.socket) -> None:
    """End the response. Reads some bytes first, because closing with unread ones would reset the connection."""
    try:
        client.shutdown(socket.SHUT_WR)
        for _ in range(16):
            if not client.recv(4096):
                break
    except OSError:
        pass
