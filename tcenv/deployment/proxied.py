"""The wire through a network's proxy, by `requests`, which knows how: HTTPS_PROXY, NO_PROXY and their like, or the system's
settings. Takes nothing else from its surroundings: neither ~/.netrc nor cookies, and follows no redirect."""

from __future__ import annotations

import http.cookiejar
from collections.abc import Iterator, Mapping
from typing import Any

import requests
from requests.utils import get_environ_proxies

from tcenv.deployment.trust import authorities


class _Bounded(requests.Session):
    def get_redirect_target(self, resp: Any) -> None:
        # Looking for where a redirect leads, the library would read all of its body first.
        return None


class Proxied:
    """A `transport.Wire` of requests'."""

    def __init__(self) -> None:
        self._session = _Bounded()
        # Neither ~/.netrc, which would replace the signature, nor any other setting than those that `send` takes.
        self._session.trust_env = False
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers["Accept-Encoding"] = "identity"
        self._response: requests.Response | None = None

    def send(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], connecting: float, left: float
    ) -> tuple[int, Mapping[str, str]]:
        self._response = response = self._session.request(
            method,
            url,
            data=body,
            headers=dict(headers),
            timeout=(connecting, left),
            allow_redirects=False,
            stream=True,
            proxies=get_environ_proxies(url, no_proxy=None),
            verify=authorities(),
        )
        return response.status_code, response.headers

    def pieces(self) -> Iterator[bytes]:
        assert self._response is not None
        return self._response.raw.stream(1 << 14, decode_content=False)  # type: ignore[no-any-return]

    def close(self) -> None:
        if self._response is not None:
            self._response.close()
