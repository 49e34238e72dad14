"""The loopback listener for the one answer: a `GET` of the one path that nobody can guess, from the browser.

Everything about a request is hostile until it has every mark of that answer; the rest gets a 4xx without a word, and the
wait goes on. Bounded in size, time and number; one thread; on 127.0.0.1 and ::1 and no other address. No byte of a response
ever holds a token."""

from __future__ import annotations

import errno
import os
import selectors
import socket
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from tcenv.errors import TcenvError
from tcenv.session import ACCESS_TOKEN, CLIENT_ID, Credentials

if TYPE_CHECKING:
    from tcenv.signin.page import Outcome

_LONGEST_LINE = 8192
# Other programs on localhost may have left the browser a lot of cookies, and it sends them along.
_LARGEST_HEAD = 65_536
# Seconds from the first byte of a request to its last, and again for the response.
_PATIENCE = 5.0
_MOST_CONNECTIONS = 64
# How many ports that are free on IPv4 may turn out to be taken on IPv6.
_TRIES = 50
_NAVIGATION = {
    b"sec-fetch-mode": (b"navigate",),
    b"sec-fetch-dest": (b"document",),
    b"sec-fetch-site": (b"cross-site", b"same-site", b"same-origin", b"none"),
}
# A top-level navigation by GET has neither a body nor an Origin.
_NEVER = (b"origin", b"content-length", b"transfer-encoding", b"upgrade")
_FIELD_NAME = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIELD_VALUE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_HEX = b"0123456789abcdefABCDEF"


class Refused(Exception):
    """A request, or a pasted address, that is not the answer. `status` is the HTTP status that says so, and no more."""

    def __init__(self, status: int = 404) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


class _Connection:
    __slots__ = ("last_word", "received", "sending", "since", "socket")

    def __init__(self, client: socket.socket) -> None:
        self.socket = client
        # When it was accepted, or began to send, or to be sent to (`time.monotonic`).
        self.since = time.monotonic()
        self.received = bytearray()
        # What is still to be sent; None as long as the request is being read.
        self.sending: bytes | None = None
        # The page with the outcome: once it is through, the listener has done its work.
        self.last_word = False


class Listener:
    """A context manager: opened, it listens on a free port (or `port`) of both loopback families.

    `wait` returns the credentials of the first right callback; `finish` then tells the browser how it went. Between the two
    nothing is served: the browser's request for the page waits in the kernel."""

    def __init__(self, port: int = 0) -> None:
        self._secret = "/" + os.urandom(20).hex()
        self._clean = "/" + os.urandom(20).hex()
        self._detour = "/" + os.urandom(20).hex()
        self._answered = False
        self._redirected = False
        self._delivered = False
        self._followed = 0.0
        self._outcome: bytes | None = None
        self._connections: dict[int, _Connection] = {}
        self._sockets, self.port = _bind(port)
        # Browsers leave out the port that http has anyway.
        self._host = "localhost" if self.port == 80 else f"localhost:{self.port}"
        self._selector = selectors.DefaultSelector()
        for server in self._sockets:
            server.setblocking(False)
            self._selector.register(server, selectors.EVENT_READ, None)

    @property
    def families(self) -> tuple[str, ...]:
        """The addresses that are listened on."""
        return tuple(str(server.getsockname()[0]) for server in self._sockets)

    @property
    def callback_url(self) -> str:
        """Where the deployment's page is to send the browser. The secret (160 random bits) is in the path: a query breaks
        the page's answer."""
        return f"http://{self._host}{self._secret}"

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
                    self._answered = True
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

    def pasted(self, address: str) -> Credentials:
        """The credentials in an address that the user copied from the browser's address bar, which may have left out the
        `http://`. Raises Refused."""
        address = address.strip().removeprefix("http://")
        start, mark, query = address.partition("?")
        if self._answered or not mark or not address.isascii() or not _same(start, self._host + self._secret):
            raise Refused
        return parse_query(query.partition("#")[0].encode("ascii"))

    def finish(self, outcome: Outcome, linger: float = 1.0) -> None:
        """Tell the browser how it went, at the clean address to which it was sent. Returns as soon as the page is through,
        after `linger` seconds if nobody asks for it, and at once if no browser was sent there."""
        from tcenv.signin.page import render

        self._outcome = _response(200, render(outcome), ("Cross-Origin-Opener-Policy", "same-origin"))
        self._followed = time.monotonic()
        while self._redirected and not self._delivered and (left := self._followed + linger - time.monotonic()) > 0:
            self._turn(left)

    def _turn(self, seconds: float) -> Credentials | None:
        """Wait for something to happen for up to `seconds`, and deal with it; the credentials, if that was the answer."""
        self._drop_overdue()
        for key, _ in self._selector.select(max(0.0, min(seconds, 0.5))):
            if key.data is None:
                self._accept(key.fileobj)  # type: ignore[arg-type]
                found = None
            elif isinstance(key.data, _Connection):
                found = self._progress(key.data)
            else:
                found = key.data()
            if found is not None:
                # The rest of what has happened will be there at the next turn.
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
        client.setblocking(False)
        if len(self._connections) >= _MOST_CONNECTIONS:
            self._drop_oldest()
        connection = _Connection(client)
        self._connections[client.fileno()] = connection
        self._selector.register(client, selectors.EVENT_READ, connection)

    def _drop(self, connection: _Connection) -> None:
        if self._connections.pop(connection.socket.fileno(), None) is not None:
            self._selector.unregister(connection.socket)
            connection.socket.close()

    def _drop_oldest(self) -> None:
        if self._connections:
            self._drop(min(self._connections.values(), key=lambda connection: connection.since))

    def _drop_overdue(self) -> None:
        # One that has not said anything costs nothing, and may be the one that the browser will use.
        now = time.monotonic()
        for connection in list(self._connections.values()):
            if connection.received and now - connection.since > _PATIENCE:
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
        if not data:
            self._drop(connection)
            return None
        if not connection.received:
            connection.since = time.monotonic()
        connection.received += data
        try:
            return self._answer(connection) if _is_complete(connection.received) else None
        except Refused as refused:
            self._send(connection, _refusal(refused.status))
            return None

    def _answer(self, connection: _Connection) -> Credentials | None:
        path, query, keeps_history = parse_request(bytes(connection.received), self._host)
        if self._outcome is not None and not query and _same(path, self._clean):
            self._send(connection, self._outcome, last_word=True)
            return None
        if self._redirected and not query and _same(path, self._detour):
            self._followed = time.monotonic()
            self._send(connection, _detour(self._clean))
            return None
        if self._answered or not _same(path, self._secret):
            raise Refused(404)
        credentials = parse_query(query.encode("ascii"))
        self._answered = self._redirected = True
        # The response is far smaller than the empty buffer that the kernel has for it, so it is on its way when this returns.
        location = self._detour if keeps_history else self._clean
        self._send(connection, _response(303, b"", ("Location", location)))
        return credentials

    def _send(self, connection: _Connection, data: bytes, *, last_word: bool = False) -> None:
        connection.sending = data
        connection.last_word = last_word
        connection.since = time.monotonic()
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
            _hang_up(connection.socket)
            self._drop(connection)


def _hang_up(client: socket.socket) -> None:
    """End the response. Closing with unread bytes would reset the connection under it, so some are taken out first."""
    try:
        client.shutdown(socket.SHUT_WR)
        for _ in range(16):
            if not client.recv(4096):
                break
    except OSError:
        pass


_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)


def _bind(port: int) -> tuple[list[socket.socket], int]:
    """Sockets on the same port of both loopback families: whoever else held the port on ::1 would get the token, since
    browsers try that first. IPv4 alone where the machine has no IPv6. Raises TcenvError."""
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


def _same(text: str, secret: str) -> bool:
    import hmac  # when the browser is up already: it is not light

    return hmac.compare_digest(text.encode("ascii"), secret.encode("ascii"))


def _is_complete(received: bytearray) -> bool:
    """Whether the head of a request is there. Raises Refused for what can never become one."""
    if len(received) > _LARGEST_HEAD or received.find(b"\r\n", 0, _LONGEST_LINE) < 0 <= len(received) - _LONGEST_LINE:
        raise Refused(431)
    if not received[:1].isupper():  # TLS, say
        raise Refused(400)
    if b"\n\n" in received:
        raise Refused(400)
    return b"\r\n\r\n" in received


def parse_request(request: bytes, host: str) -> tuple[str, str, bool]:
    """Path and query of a request that has the marks of a browser's navigation to `host` (with its port), and whether it
    comes from a browser whose history keeps the address of a plain redirect. Raises Refused."""
    head, _, body = request.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    words = line.split(b" ")
    if len(words) != 3 or words[2] != b"HTTP/1.1" or not words[1].isascii():
        raise Refused(400)
    if words[0] != b"GET":
        raise Refused(405)
    if body:
        raise Refused(400)
    hosts = []
    chromium = encodes = False
    for name, value in map(_parse_field, fields):
        if name == b"host":
            hosts.append(value)
        elif name in _NEVER or value not in _NAVIGATION.get(name, (value,)):
            raise Refused(403)
        chromium = chromium or (name == b"user-agent" and b"Chrome/" in value)
        encodes = encodes or name == b"accept-encoding"
    if hosts != [host.encode("ascii")]:
        raise Refused(421)
    path, _, query = words[1].decode("ascii").partition("?")
    # Chromium and its kin keep the address of a plain redirect. What only says that it is one may follow no `Refresh`.
    return path, query, chromium and encodes


def _parse_field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    # A folded line begins with a space, which no name holds; a bare CR or LF is in no value.
    if not colon or not name or name.translate(None, _FIELD_NAME) or value.translate(None, _FIELD_VALUE):
        raise Refused(400)
    return name.lower(), value.strip(b" \t")


def parse_query(query: bytes) -> Credentials:
    """The credentials in a callback's query: one clientId and one accessToken, raw (as the page sends them) or
    percent-encoded (as the guide says). No clientId holds a space, so a `+` is a plus. Raises Refused."""
    found: dict[bytes, str] = {}
    for pair in query.split(b"&"):
        key, equals, value = pair.partition(b"=")
        if key not in (b"clientId", b"accessToken") or not equals or key in found:
            raise Refused(400)
        found[key] = _decoded(value)
    client_id, access_token = found.get(b"clientId", ""), found.get(b"accessToken", "")
    if not CLIENT_ID.fullmatch(client_id) or not ACCESS_TOKEN.fullmatch(access_token):
        raise Refused(400)
    return Credentials(client_id, access_token)


def _decoded(value: bytes) -> str:
    from urllib.parse import unquote_to_bytes

    for escape in value.split(b"%")[1:]:
        if len(escape) < 2 or escape[:2].translate(None, _HEX):
            raise Refused(400)
    try:
        return unquote_to_bytes(value).decode("ascii")
    except UnicodeDecodeError:
        raise Refused(400) from None


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


def _detour(onward: str) -> bytes:
    """Where a browser forgets the address that it was redirected from. Chromium (156) keeps that beside the address that a
    redirect ends at, in the tab and its session file, until the tab moves on by itself (at once, and with no opener policy
    on the way: that would make it write down both); and in its list of visited addresses, where one that ends in a 404 is
    hidden."""
    from tcenv.signin.page import render_detour

    return _response(404, render_detour(onward), ("Refresh", f"0; url={onward}"))


def _response(status: int, body: bytes, *more: tuple[str, str]) -> bytes:
    from tcenv.signin.page import CONTENT_SECURITY_POLICY

    headers = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(body))),
        ("Cache-Control", "no-store"),
        ("Referrer-Policy", "no-referrer"),
        ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Connection", "close"),
        *more,
    ]
    head = [f"HTTP/1.1 {status} {_REASONS[status]}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(head) + "\r\n\r\n").encode("ascii") + body
