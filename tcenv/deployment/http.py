"""Send HTTP requests to one deployment: over one connection, through the network's proxy if there is one, with limits on the
size and the time of every answer.

Built on http.client. Sends no cookies, reads no ~/.netrc and follows no redirect. Returns answers of every status."""

from __future__ import annotations

import base64
import http.client
import json
import select
import socket
import threading
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import unquote, urlsplit

from tcenv import verbosity
from tcenv.deployment.network import SettingsError, find_proxy, make_ssl_context
from tcenv.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from urllib.parse import SplitResult

# The limit on an unpacked body, in bytes. The Auth service sends a few kilobytes, and the longest reference has 200
# kilobytes.
MAX_BODY = 1 << 20
_CONNECT_TIMEOUT = 10.0
_CHUNK = 1 << 14
_HEADERS = {"User-Agent": "tcenv", "Accept": "*/*", "Accept-Encoding": "identity"}


class Unreachable(Exception):
    """No complete answer came in time. The message says why and can be printed. `late` is true if the time was up."""

    def __init__(self, reason: str, *, late: bool = False) -> None:
        super().__init__(reason)
        self.late = late


class Unusable(Exception):
    """An answer came, but it cannot be used. The text says why and fits on a terminal."""


class _Cancelled(Exception):
    """Nobody waits for this exchange any more."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status, its body (unpacked, at most MAX_BODY bytes), its Date and ETag headers ("" for none)."""

    status: int
    body: bytes
    date: str
    etag: str = ""

    def json(self) -> Any:
        """Parse the body. Raises Unusable."""
        try:
            return json.loads(self.body.decode("utf-8"), parse_constant=_refuse_constant)
        except (ValueError, RecursionError):
            text = self.body[:200].lstrip().lower()
            if text.startswith((b"<!doctype", b"<html")):
                raise Unusable("it is a web page") from None
            raise Unusable("it is not JSON" if text else "it is empty") from None


class Client:
    """Sends requests to one deployment, one at a time, and keeps its connection open between them.

    `deadline` (time.monotonic) limits everything: the look-up of the name, the connection, the last byte of the answer."""

    def __init__(self) -> None:
        self.deadline = 0.0
        self._connection: _Connection | None = None

    def send(
        self, method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send one request and return the answer, whatever its status. Raises Unreachable, Unusable."""
        began = time.monotonic()
        outcome = "no answer"
        try:
            answer = self._send(method, url, body, headers or {})
            outcome = str(answer.status)
        except (Unreachable, Unusable) as failure:
            outcome = str(failure)
            raise
        finally:
            # A query may hold a secret.
            verbosity.log(f"{method} {url.partition('?')[0]}: {outcome}, {(time.monotonic() - began) * 1000:.0f} ms.")
        return answer

    def _send(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        connection, self._connection = self._connection, None
        exchange = _Exchange(connection or _Connection(), method, url, body, headers, self.deadline)
        # Use a thread: a socket's timeout limits neither the look-up of a name nor an answer that comes byte by byte.
        exchange.start()
        try:
            exchange.join(max(0.0, self.deadline - time.monotonic()))
        except BaseException:
            exchange.connection.cancel()
            raise
        if exchange.is_alive():
            exchange.connection.cancel()
            raise Unreachable("it did not answer in time", late=True)
        if exchange.answer is not None:
            self._connection = exchange.connection
            return exchange.answer
        if isinstance(exchange.failure, Unusable):
            raise exchange.failure
        if exchange.failure is None or time.monotonic() >= self.deadline:
            raise Unreachable("it did not answer in time", late=True)
        raise Unreachable(_describe(exchange.failure))


class _Exchange(threading.Thread):
    """One request and its answer."""

    def __init__(
        self,
        connection: _Connection,
        method: str,
        url: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
    ) -> None:
        super().__init__(daemon=True)
        self.connection = connection
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        self._request = (method, url, body, headers)
        self._deadline = deadline

    def run(self) -> None:
        try:
            self.answer = self._exchange(*self._request)
        except Exception as failure:  # a hostile answer makes http.client raise almost anything
            self.failure = failure
            self.connection.close()

    def _exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        left = max(0.1, self._deadline - time.monotonic())
        response = self.connection.request(method, url, body, headers, left)
        chunks: list[bytes] = []
        length = 0
        for chunk in _read_chunks(response):
            chunks.append(chunk)
            length += len(chunk)
            if length > MAX_BODY:
                raise Unusable("it is too long")
            if time.monotonic() > self._deadline:
                raise TimeoutError
        content = _unpack(b"".join(chunks), response.headers.get("Content-Encoding", "identity").strip().lower())
        return Answer(response.status, content, response.headers.get("Date", ""), response.headers.get("ETag", ""))


class _Connection:
    """A connection to one host, made when it is needed. All methods but `cancel` belong to the thread of the exchange."""

    def __init__(self) -> None:
        self._origin: SplitResult | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._is_cancelled = False

    def request(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], timeout: float
    ) -> http.client.HTTPResponse:
        """Send a request and return the response as soon as its headers are there."""
        target = urlsplit(url)
        origin = target._replace(path="", query="", fragment="")
        if self._connection is None or origin != self._origin or _is_dropped(self._connection.sock):
            self.close()
            self._origin, self._connection = origin, _make_connection(target)
            self._connection.timeout = min(_CONNECT_TIMEOUT, timeout)
            self._connection.connect()
        connection = self._connection
        # `cancel` sets the flag first and then breaks the socket, so a request goes out before it or not at all.
        connection.auto_open = 0
        if self._is_cancelled:
            raise _Cancelled
        connection.sock.settimeout(timeout)
        resource = url.partition("://")[2].partition("/")[2]
        connection.request(method, f"/{resource}", body, {**_HEADERS, **headers})
        response = connection.getresponse()
        if len(set(response.headers.get_all("Content-Length", ()))) > 1:
            raise Unusable("it has two lengths")
        return response

    def cancel(self) -> None:
        """Break the connection, from another thread. It wakes a thread that reads from it, and a request that has not started is
        never sent."""
        self._is_cancelled = True
        connection = self._connection
        if connection is not None and connection.sock is not None:
            with suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with suppress(OSError):
                self._connection.close()
            self._connection = None


def parse_date(text: str) -> int | None:
    """Return the seconds since the epoch of a Date header, or None if it is not in the form that HTTP prescribes."""
    try:
        return int(datetime.strptime(text.strip(), "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _make_connection(target: SplitResult) -> http.client.HTTPConnection:
    host, port = target.hostname or "", target.port
    if target.scheme == "http":
        return http.client.HTTPConnection(host, port)  # on loopback alone, so never through a proxy
    proxy = find_proxy(target.geturl())
    if proxy is None:
        return http.client.HTTPSConnection(host, port, context=make_ssl_context())
    if proxy.scheme != "http":  # ssl wraps no connection that is wrapped already
        raise SettingsError("the network's proxy has an https:// address, and only http:// ones are supported")
    connection = http.client.HTTPSConnection(proxy.hostname or "", proxy.port or 80, context=make_ssl_context())
    connection.set_tunnel(host, port, _authorize(proxy))
    return connection


def _authorize(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    text = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


def _read_chunks(response: http.client.HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read1(_CHUNK):
        yield chunk
    if response.length:  # the announced bytes that did not come
        raise http.client.IncompleteRead(b"", response.length)
    response.close()  # leaves the connection open


def _is_dropped(sock: socket.socket | None) -> bool:
    """Return whether the other end has closed an idle connection, or has sent something unasked."""
    if sock is None:
        return True
    with suppress(OSError, ValueError):
        return bool(select.select([sock], [], [], 0)[0])
    return True


def _unpack(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Unusable("it has an unexpected compression")
    try:
        content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, MAX_BODY + 1)
    except zlib.error:
        raise Unusable("it cannot be decompressed") from None
    if len(content) > MAX_BODY:
        raise Unusable("it is too long")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _describe(failure: Exception) -> str:
    text = failure.strerror if isinstance(failure, OSError) and failure.strerror else str(failure)
    return replace_unprintable(text)[:200] or type(failure).__name__
