"""What carries calls to a deployment, and nothing more: one HTTPS connection, bounded in time and in bytes, without ~/.netrc,
cookies or redirects. Knows nothing of signatures, and never believes what comes back: what it means is read elsewhere."""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING, Any

from tcenv.deployment.rooturl import is_loopback
from tcenv.text import printable
from tcenv.values import dataclass

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests

# An answer of the Auth service has some kilobytes; more than this many bytes, unpacked, are none of its.
LONGEST = 1 << 20
_CONNECTING = 10.0
# The first that is set names the certificates to trust, a file or a directory; requests itself looks at the first two only.
_TRUSTED = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


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


class Line:
    """The connection to one deployment, kept open between calls. Not for several threads at once.

    `until` (time.monotonic) is when the last byte of an answer must have come. It bounds everything: looking up the name,
    connecting, each single byte."""

    def __init__(self, root_url: str) -> None:
        self._root_url = root_url
        self._session: requests.Session | None = None
        self.until = 0.0

    def exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        """Send one request; the answer, whatever its status. Raises Unreachable, Unusable."""
        if self._session is None:
            self._session = _session()
        exchange = _Exchange(self._session, self.until, is_loopback(self._root_url))
        # In a thread of its own: no timeout of a socket covers the look-up of a name, or a byte now and then.
        thread = threading.Thread(target=exchange.run, args=(method, url, body, headers), daemon=True)
        thread.start()
        thread.join(max(0.0, self.until - time.monotonic()))
        if exchange.answer is not None:
            return exchange.answer
        self._session = None
        if exchange.failure is None:
            exchange.abandon()
            raise Unreachable("it did not answer in time", late=True)
        if isinstance(exchange.failure, Unusable):
            raise exchange.failure
        late = time.monotonic() >= self.until
        raise Unreachable("it did not answer in time" if late else _reason(exchange.failure), late=late)


class _Exchange:
    """One request and its answer, by a thread that the caller may have stopped waiting for."""

    def __init__(self, session: requests.Session, until: float, loopback: bool) -> None:
        self.answer: Answer | None = None
        self.failure: Exception | None = None
        self._session = session
        self._until = until
        self._loopback = loopback
        self._response: requests.Response | None = None

    def run(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        try:
            self.answer = self._exchange(method, url, body, headers)
        except Exception as failure:  # what a hostile answer sets off in the libraries below is of no certain kind
            self.failure = failure
            self.abandon()

    def abandon(self) -> None:
        if self._response is not None:
            self._response.close()

    def _exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        from requests.utils import get_environ_proxies

        left = max(0.1, self._until - time.monotonic())
        self._response = response = self._session.request(
            method,
            url,
            data=body,
            headers=dict(headers),
            timeout=(min(_CONNECTING, left), left),
            allow_redirects=False,
            stream=True,
            proxies={} if self._loopback else get_environ_proxies(url, no_proxy=None),
            verify=next((os.environ[name] for name in _TRUSTED if os.environ.get(name)), True),
        )
        pieces: list[bytes] = []
        length = 0
        for piece in response.raw.stream(1 << 14, decode_content=False):
            pieces.append(piece)
            length += len(piece)
            if length > LONGEST:
                raise Unusable("it is too long")
            if time.monotonic() > self._until:
                raise TimeoutError
        packed = response.headers.get("Content-Encoding", "identity").strip().lower()
        content = _unpacked(b"".join(pieces), packed)
        return Answer(response.status_code, content, response.headers.get("Date", ""), response.headers.get("ETag", ""))


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


def _session() -> requests.Session:
    import http.cookiejar

    import requests

    class Bounded(requests.Session):
        def get_redirect_target(self, resp: Any) -> None:
            # Looking for where a redirect leads, the library would read all of its body first.
            return None

    session = Bounded()
    # Neither ~/.netrc, which would replace the signature, nor any other setting than those that `exchange` takes.
    session.trust_env = False
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "identity"
    return session


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
