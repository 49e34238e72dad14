"""The loopback listener for the one answer: a `GET` of the one path that nobody can guess, from the browser.

Everything about a request is hostile until it has every mark of that answer; the rest gets a 4xx without a word, and the
wait goes on. Bounded in size, time and number; one thread; on 127.0.0.1 and ::1 and no other address. No byte of a response
ever holds a token."""

from __future__ import annotations

import errno
import os
import re
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import unquote_to_bytes

from tcenv.errors import TcenvError
from tcenv.session import ACCESS_TOKEN, CLIENT_ID, Credentials
from tcenv.signin.page import CONTENT_SECURITY_POLICY, Outcome, render

_LARGEST_REQUEST = 8192
_PATIENCE = 5.0
_MOST_CONNECTIONS = 64
_TRIES = 50
_NAVIGATION = {
    b"sec-fetch-mode": (b"navigate",),
    b"sec-fetch-dest": (b"document",),
    b"sec-fetch-site": (b"cross-site", b"same-site", b"same-origin", b"none"),
}
# A top-level navigation by GET has neither a body nor an Origin.
_NEVER = (b"origin", b"content-length", b"transfer-encoding", b"upgrade")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*", re.ASCII)
_ESCAPES = re.compile(rb"(?:[^%]|%[0-9A-Fa-f]{2})*")


class Refused(Exception):
    """A request, or a pasted address, that is not the answer. `status` is the HTTP status that says so, and no more."""

    def __init__(self, status: int = 404) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


@dataclass
class _Connection:
    socket: socket.socket
    opened: float
    received: bytearray = field(default_factory=bytearray)
    # What is still to be sent; None as long as the request is being read.
    sending: bytes | None = None
    # Waits for the outcome, which the page at the clean address tells.
    parked: bool = False
    # The page with the outcome: once it is through, the listener has done its work.
    last_word: bool = False


class Listener:
    """A context manager: opened, it listens on a free port (or `port`) of both loopback families.

    `wait` returns the credentials of the first right callback; `finish` then tells the browser how it went."""

    def __init__(self, port: int = 0) -> None:
        self._secret = "/" + os.urandom(20).hex()
        self._clean = "/" + os.urandom(20).hex()
        self._answered = False
        self._delivered = False
        self._outcome: bytes | None = None
        self._connections: dict[int, _Connection] = {}
        self._sockets, self.port = _bind(port)
        self._host = f"localhost:{self.port}".encode()
        self._selector = selectors.DefaultSelector()
        for server in self._sockets:
            server.setblocking(False)
            self._selector.register(server, selectors.EVENT_READ, None)

    @property
    def callback_url(self) -> str:
        """Where the deployment's page is to send the browser. The secret is in the path: a query breaks the page's answer."""
        return f"http://localhost:{self.port}{self._secret}"

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in list(self._connections.values()):
            self._drop(connection)
        for server in self._sockets:
            server.close()
        self._selector.close()

    def wait(
        self,
        deadline: float,
        on_tick: Callable[[], None] = lambda: None,
        pasted: tuple[int, Callable[[], Credentials | None]] | None = None,
    ) -> Credentials | None:
        """The credentials of the first right callback, or None at `deadline` (of `time.monotonic`). `on_tick` is called
        about once a second. `pasted` is a descriptor to watch, and what to call when it can be read."""
        if pasted is not None:
            try:
                self._selector.register(pasted[0], selectors.EVENT_READ, pasted[1])
            except PermissionError:  # a plain file can always be read, and cannot be watched
                found = pasted[1]()
                if found is not None:
                    return found
                pasted = None
        try:
            next_tick = time.monotonic()
            while (now := time.monotonic()) < deadline:
                if now >= next_tick:
                    on_tick()
                    next_tick = now + 1.0
                found = self._turn(min(deadline, next_tick) - now)
                if found is not None:
                    self._answered = True
                    return found
            return None
        finally:
            if pasted is not None:
                self.ignore(pasted[0])

    def ignore(self, descriptor: int) -> None:
        """Watch `descriptor` no longer."""
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def finish(self, outcome: Outcome, linger: float = 1.0) -> None:
        """Tell the browser how it went, at the clean address to which it was sent. Returns as soon as the page is through,
        and after `linger` seconds if nobody asks for it."""
        self._outcome = _response(200, render(outcome))
        end = time.monotonic() + linger
        for connection in list(self._connections.values()):
            if connection.parked:
                self._send(connection, self._outcome, last_word=True)
        while not self._delivered and (now := time.monotonic()) < end:
            self._turn(end - now)

    def _turn(self, seconds: float) -> Credentials | None:
        """Wait for something to happen for up to `seconds`, and deal with it; the credentials, if that was the answer."""
        self._drop_overdue()
        found = None
        for key, _ in self._selector.select(max(0.0, min(seconds, 0.5))):
            if key.data is None:
                self._accept(key.fileobj)  # type: ignore[arg-type]
            elif isinstance(key.data, _Connection):
                found = self._progress(key.data) or found
            else:
                found = key.data() or found
            if found is not None:
                break
        return found

    def _accept(self, server: socket.socket) -> None:
        try:
            client, _ = server.accept()
        except OSError:
            return
        client.setblocking(False)
        if len(self._connections) >= _MOST_CONNECTIONS:
            # The one that has said nothing for the longest has the least to lose.
            self._drop(min(self._connections.values(), key=lambda other: (other.parked, other.opened)))
        connection = _Connection(client, time.monotonic())
        self._connections[client.fileno()] = connection
        self._selector.register(client, selectors.EVENT_READ, connection)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _drop_overdue(self) -> None:
        now = time.monotonic()
        for connection in list(self._connections.values()):
            if not connection.parked and now - connection.opened > _PATIENCE and connection.received:
                self._drop(connection)

    def _progress(self, connection: _Connection) -> Credentials | None:
        if connection.sending is not None:
            self._flush(connection)
            return None
        try:
            data = connection.socket.recv(4096)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data or connection.parked:
            # Gone; or it goes on talking after its request, which no browser does.
            self._drop(connection)
            return None
        connection.received += data
        if len(connection.received) > _LARGEST_REQUEST:
            self._send(connection, _refusal(431))
            return None
        if b"\r\n\r\n" not in connection.received:
            if b"\n\n" in connection.received or not _could_be_http(connection.received):
                self._send(connection, _refusal(400))
            return None
        try:
            return self._answer(connection, bytes(connection.received))
        except Refused as refused:
            self._send(connection, _refusal(refused.status))
            return None

    def _answer(self, connection: _Connection, request: bytes) -> Credentials | None:
        path, query = parse_request(request, self._host)
        if _same(path, self._clean) and not query and self._answered:
            if self._outcome is None:
                connection.parked = True
            else:
                self._send(connection, self._outcome, last_word=True)
            return None
        if not _same(path, self._secret) or self._answered:
            raise Refused(404)
        credentials = parse_query(query)
        self._answered = True
        # The address with the token is replaced at once, in the address bar and in the history.
        self._send(connection, _response(303, b"", ("Location", self._clean)))
        return credentials

    def pasted(self, address: str) -> Credentials:
        """The credentials in an address that the user copied from the browser's address bar. Raises Refused."""
        prefix = self.callback_url + "?"
        address = address.strip()
        if self._answered or not address.startswith(prefix) or not address.isascii():
            raise Refused
        return parse_query(address[len(prefix) :].partition("#")[0].encode("ascii"))

    def _send(self, connection: _Connection, data: bytes, *, last_word: bool = False) -> None:
        connection.parked = False
        connection.sending = data
        connection.last_word = last_word
        connection.opened = time.monotonic()
        self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
        self._flush(connection)

    def _flush(self, connection: _Connection) -> None:
        data = connection.sending or b""
        try:
            connection.sending = data[connection.socket.send(data) :]
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection)
            return
        if not connection.sending:
            self._delivered = self._delivered or connection.last_word
            # Closing with unread bytes would reset the connection under the response.
            try:
                connection.socket.shutdown(socket.SHUT_WR)
                while connection.socket.recv(4096):
                    pass
            except OSError:
                pass
            self._drop(connection)


def _bind(port: int) -> tuple[list[socket.socket], int]:
    """Sockets on the same port of both loopback families: whoever else held the port on ::1 would get the token, since
    browsers try that first. IPv4 alone where the machine has no IPv6."""
    for _ in range(1 if port else _TRIES):
        bound: list[socket.socket] = []
        number = port
        try:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                try:
                    server = _listening(family, address, number)
                except OSError as error:
                    if family == socket.AF_INET6 and error.errno in _NO_IPV6:
                        break
                    raise
                bound.append(server)
                number = server.getsockname()[1]
        except OSError as error:
            for server in bound:
                server.close()
            if port or error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise TcenvError(
                    f"The port {port or number} of this machine cannot be listened on: {reason}.",
                    "Leave out --port, or choose another." if port else None,
                ) from None
            continue
        return bound, number
    raise TcenvError("No port is free on both 127.0.0.1 and ::1.")


_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def _listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
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
        server.listen(_MOST_CONNECTIONS)
    except BaseException:
        server.close()
        raise
    return server


def _could_be_http(received: bytearray) -> bool:
    start = bytes(received[:4])
    return b"GET "[: len(start)] == start or (start.isalpha() and start.isupper())


def _same(path: bytes, secret: str) -> bool:
    import hmac  # when the browser is up already: it is not light

    return hmac.compare_digest(path, secret.encode("ascii"))


def parse_request(request: bytes, host: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request that has the marks of a browser's navigation to `host`. Raises Refused."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or words[2] not in (b"HTTP/1.1", b"HTTP/1.0") or b"\n" in head.replace(b"\r\n", b"") or body:
        raise Refused(400)
    if words[0] != b"GET":
        raise Refused(405)
    hosts = []
    for header in headers:
        match = _HEADER.fullmatch(header)
        if match is None:
            raise Refused(400)
        name, value = match[1].lower(), match[2]
        if name == b"host":
            hosts.append(value)
        if name in _NEVER or value.lower() not in _NAVIGATION.get(name, (value.lower(),)):
            raise Refused(403)
    if hosts != [host]:
        raise Refused(421)
    path, _, query = words[1].partition(b"?")
    return path, query


def parse_query(query: bytes) -> Credentials:
    """The credentials in a callback's query: one clientId and one accessToken, raw (as the page sends them) or
    percent-encoded (as the guide says). No clientId holds a space, so a `+` is a plus. Raises Refused."""
    found: dict[bytes, str] = {}
    for pair in query.split(b"&"):
        key, equals, value = pair.partition(b"=")
        if key not in (b"clientId", b"accessToken") or not equals or key in found or not _ESCAPES.fullmatch(value):
            raise Refused(400)
        try:
            found[key] = unquote_to_bytes(value).decode("ascii")
        except UnicodeDecodeError:
            raise Refused(400) from None
    client_id, access_token = found.get(b"clientId", ""), found.get(b"accessToken", "")
    if not CLIENT_ID.fullmatch(client_id) or not ACCESS_TOKEN.fullmatch(access_token):
        raise Refused(400)
    return Credentials(client_id, access_token)


_REASONS = {
    200: "OK",
    303: "See Other",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    421: "Misdirected Request",
    431: "Request Header Fields Too Large",
}


def _refusal(status: int) -> bytes:
    return _response(status, b"", *([("Allow", "GET")] if status == 405 else []))


def _response(status: int, body: bytes, *more: tuple[str, str]) -> bytes:
    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Connection", "close"),
        *more,
    ]
    head = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(head) + "\r\n\r\n").encode("ascii") + body
