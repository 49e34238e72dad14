"""What carries calls to a deployment, and nothing more: one HTTPS connection, bounded in time and in bytes, without ~/.netrc,
cookies or redirects. Knows nothing of signatures, and never believes what comes back: what it means is read elsewhere."""

from __future__ import annotations

import os
import sys
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from tcenv.deployment.rooturl import is_loopback
from tcenv.text import printable
from tcenv.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# An answer of the Auth service has some kilobytes; more than this many bytes, unpacked, are none of its.
LONGEST = 1 << 20
_CONNECTING = 10.0


class Unreachable(Exception):
    """There was no whole answer in time; the text says why, fit for a terminal. `late`: the time was up."""

    def __init__(self, why: str, *, late: bool = False) -> None:
        super().__init__(why)
        self.late = late


class Unusable(Exception):
    """There was an answer, and it is none that can be used; the text says why, fit for a terminal."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: its status, its body (unpacked, at most LONGEST bytes), its Date and ETag headers ("" for none)."""

    status: int
    body: bytes
    date: str
    etag: str = ""


class Headers(Protocol):
    """Of an answer: `get` takes a name in any case."""

    def get(self, name: str, default: str, /) -> str: ...


class Wire(Protocol):
    """What sends for a Line: directly, or through the network's proxy."""

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], connecting: float, left: float
    ) -> tuple[int, Headers]:
        """Send a request, with that many seconds to connect and for each single byte: the status and the headers."""

    def pieces(self) -> Iterator[bytes]:
        """The body as it comes. Raises where it ends before its end."""

    def close(self) -> None:
        """End what goes on, by another thread than the one that it goes on in."""


class Line:
    """The connection to one deployment, kept open between calls. Not for several threads at once.

    `until` (time.monotonic) is when the last byte of an answer must have come. It bounds everything: looking up the name,
    connecting, each single byte. `glance`: one request, of whose answer the head alone is wanted."""

    def __init__(self, root_url: str, *, glance: bool = False) -> None:
        self._root_url = root_url
        self._glance = glance
        self._wire: Wire | None = None
        self.until = 0.0

    def exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send one request; the answer, whatever its status. Raises Unreachable, Unusable."""
        if self._wire is None:
            self._wire = _wire(self._root_url, self._glance)
        exchange = _Exchange(self._wire, self.until)
        # In a thread of its own: no timeout of a socket covers the look-up of a name, or a byte now and then.
        thread = threading.Thread(target=exchange.run, args=(method, url, body, headers), daemon=True)
        thread.start()
        thread.join(max(0.0, self.until - time.monotonic()))
        if exchange.answer is not None:
            return exchange.answer
        self._wire = None
        if exchange.failure is None:
            exchange.abandon()
            raise Unreachable("it did not answer in time", late=True)
        if isinstance(exchange.failure, Unusable):
            raise exchange.failure
        late = time.monotonic() >= self.until
        raise Unreachable("it did not answer in time" if late else _reason(exchange.failure), late=late)


class _Exchange:
    """One request and its answer, by a thread that the caller may have stopped waiting for."""

    def __init__(self, wire: Wire, until: float) -> None:
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        self._wire = wire
        self._until = until

    def run(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        try:
            self.answer = self._exchange(method, url, body, headers)
        except Exception as failure:  # what a hostile answer sets off in the libraries below is of no certain kind
            self.failure = failure
            self.abandon()

    def abandon(self) -> None:
        with suppress(Exception):
            self._wire.close()

    def _exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        left = max(0.1, self._until - time.monotonic())
        status, told = self._wire.send(method, url, body, headers, min(_CONNECTING, left), left)
        pieces: list[bytes] = []
        length = 0
        for piece in self._wire.pieces():
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise Unusable("it is too long")
            if time.monotonic() > self._until:
                raise TimeoutError
        content = _unpacked(b"".join(pieces), told.get("Content-Encoding", "identity").strip().lower())
        return Answer(status, content, told.get("Date", ""), told.get("ETag", ""))


def _wire(root_url: str, glance: bool) -> Wire:
    """`requests` knows its way through proxies, and takes as long to import as five interpreters take to start; where there
    is none, the standard library does."""
    if not is_loopback(root_url) and _behind_a_proxy():
        from tcenv.deployment.proxied import Proxied

        return Proxied()
    if glance:
        from tcenv.deployment.glance import Glance

        return Glance()
    from tcenv.deployment.direct import Direct

    return Direct()


def _behind_a_proxy() -> bool:
    if any(os.environ.get(name) for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")):
        return True
    if sys.platform in ("darwin", "win32"):  # where the system's settings name proxies as well
        from urllib.request import getproxies

        return bool(getproxies())
    return False


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    import zlib

    if encoding not in ("gzip", "x-gzip"):
        raise Unusable("it is packed in a way that was not asked for")
    try:
        content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(body, LONGEST + 1)
    except zlib.error:
        raise Unusable("it is packed, and cannot be unpacked") from None
    if len(content) > LONGEST:
        raise Unusable("it is too long")
    return content


def _reason(failure: BaseException) -> str:
    """The innermost cause in words, without the address noise of the HTTP library."""
    error: BaseException = failure
    for _ in range(20):
        if isinstance(error, OSError) and error.strerror:
            return printable(error.strerror)[:200]
        inner = error.__cause__ or error.__context__ or getattr(error, "reason", None)
        if inner is None and error.args and isinstance(error.args[0], BaseException):
            inner = error.args[0]
        if not isinstance(inner, BaseException) or inner is error:
            break
        error = inner
    return printable(str(error))[:200] or type(error).__name__
