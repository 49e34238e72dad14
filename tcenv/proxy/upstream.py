"""Send requests to the deployment: sign them, stream their bodies, and leave the answers unchanged.

Follows no redirect, decodes nothing, keeps no cookie, and reads no netrc."""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterable

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tcenv.deployment.network import SettingsError, find_proxy, make_ssl_context
from tcenv.deployment.patterns import MAX_HEADER_LENGTH
from tcenv.proxy.signer import Authority

# Headers that aiohttp would add.
_NOT_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_CONNECT_TIMEOUT = 30.0
_LONGEST_LINE = 2**16
# Bytes of the longest answer to read as a whole.
MOST_READ = 2**20


class TooLong(Exception):
    """The Authorization header would be longer than the service accepts."""


class Unreachable(Exception):
    """The deployment cannot be reached, or its answer broke off."""


class Deployment:
    """The deployment behind the proxy. Create and use it on the event loop."""

    def __init__(self, root_url: str) -> None:
        self.root_url = root_url
        url = URL(root_url, encoded=True)
        self._path = url.raw_path.rstrip("/")
        self._host = url.host or ""
        self._port = url.port or 443
        self._proxy = _choose_proxy(root_url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_load_certificates() if url.scheme == "https" else True),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=_NOT_ADDED,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_TIMEOUT),
            # A redirect to a signed address is long.
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )

    async def close(self) -> None:
        await self._session.close()

    def sign(
        self, authority: Authority, method: str, resource: str, scopes: tuple[str, ...] | None, payload_hash: str = ""
    ) -> str:
        """Return the header that signs a request with the session's credentials, narrowed to `scopes`.

        Raises TooLong if the scopes do not fit, even without those that another one covers."""
        header = self._make_header(authority, method, resource, scopes, payload_hash)
        if len(header) > MAX_HEADER_LENGTH and scopes is not None:
            header = self._make_header(authority, method, resource, authority.shorten(scopes), payload_hash)
        if len(header) > MAX_HEADER_LENGTH:
            raise TooLong
        return header

    def _make_header(
        self, authority: Authority, method: str, resource: str, scopes: tuple[str, ...] | None, payload_hash: str
    ) -> str:
        credentials = authority.credentials
        endpoint = Endpoint(self._host, self._port, self._path + resource)
        return hawk.make_header(
            credentials.client_id,
            credentials.access_token,
            method,
            endpoint,
            now=time.time(),
            ext=hawk.make_extension(credentials.certificate, scopes),
            payload_hash=payload_hash,
        )

    def sign_url(self, authority: Authority, resource: str, scopes: tuple[str, ...] | None, expires: float) -> str:
        """Return the URL of a GET on the deployment, signed until `expires` (seconds since the epoch)."""
        credentials = authority.credentials
        value = hawk.make_bewit(
            credentials.client_id,
            credentials.access_token,
            Endpoint(self._host, self._port, self._path + resource),
            expires=expires,
            ext=hawk.make_extension(credentials.certificate, scopes),
        )
        return hawk.add_bewit(self.root_url + resource, value)

    async def send(
        self,
        method: str,
        resource: str,
        lines: list[tuple[str, str]],
        *,
        authorization: str | None = None,
        data: bytes | AsyncIterable[bytes] | None = None,
        length: int | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request, and return once its answer begins. Raises Unreachable."""
        headers = CIMultiDict(lines)
        if authorization is not None:
            headers["Authorization"] = authorization
        if length is not None:
            headers["Content-Length"] = str(length)
        try:
            return await self._session.request(
                method,
                URL(self.root_url + resource, encoded=True),
                headers=headers,
                data=data,
                allow_redirects=False,
                compress=False,
                proxy=self._proxy,
            )
        except (aiohttp.ClientError, OSError) as error:
            # The kind of the error is enough. Its text may hold an address.
            raise Unreachable(type(error).__name__) from None


def finish(answer: aiohttp.ClientResponse, *, sent: bool) -> None:
    """Finish an answer. The next request can reuse its connection only if the answer was read to its end and the whole
    body of the request was sent (`sent`)."""
    if sent and answer.content.at_eof():
        answer.release()
    else:
        answer.close()


async def read(answer: aiohttp.ClientResponse, *, sent: bool = True) -> bytes:
    """Read a short answer as a whole, and finish it. Raises Unreachable, also for an endless answer."""
    content = bytearray()
    try:
        async for piece in answer.content.iter_any():
            content += piece
            if len(content) > MOST_READ:
                raise Unreachable("AnswerTooLong")
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(type(error).__name__) from None
    finally:
        finish(answer, sent=sent)
    return bytes(content)


def _choose_proxy(url: str) -> URL | None:
    try:
        proxy = find_proxy(url)
    except SettingsError:
        # Connect directly. If the network needs a proxy, calls fail with a message.
        return None
    return None if proxy is None else URL(proxy.geturl())


def _load_certificates() -> ssl.SSLContext:
    try:
        return make_ssl_context()
    except SettingsError:
        # If the user's file does not exist, trust no certificate.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
