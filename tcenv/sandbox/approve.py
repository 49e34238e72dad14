"""A browser for machines without a display, and for tests: `python -m tcenv.sandbox.approve URL` opens a sandbox's sign-in
page, approves, and goes to the callback as Chromium does. Refuses everything that is not on loopback."""

from __future__ import annotations

import http.client
import json
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from html import unescape
from typing import Any
from urllib.parse import urlsplit

_REQUEST = re.compile(r'<script type="application/json" id="request">(.*?)</script>', re.S)
_ERROR = re.compile(r'id="(?:error|crashed)"[^>]*>([^<]+)<')
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_REDIRECTS = 5


class NotApproved(Exception):
    """The page shows an error, and no callback comes; the text is what a person would read."""


def approve(url: str, *, rename: str | None = None, wait: float = 0.0) -> int:
    """Approve at the sandbox's page `url` after `wait` seconds, with another Client ID if `rename` is given, and follow the
    callback to its end: the HTTP status there. Raises NotApproved, ValueError, OSError."""
    target = urlsplit(url)
    if target.scheme != "http" or target.hostname not in _LOOPBACK:
        raise ValueError("only a sandbox on loopback is approved without a person")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        page = answer.read().decode()
    found = _REQUEST.search(page)
    if found is None:
        message = _ERROR.search(page)
        raise NotApproved(unescape(message[1]) if message else "the page has no form")
    time.sleep(wait)
    content = json.loads(found[1])
    if rename is not None:
        content["clientId"] = rename
    action = "reset" if 'id="reset"' in page else "edit" if content["variant"] == "edit" else "create"
    request = urllib.request.Request(  # noqa: S310 - loopback, checked above
        f"{target.scheme}://{target.netloc}/sandbox/{action}", json.dumps(content).encode(), method="POST"
    )
    try:
        with opener.open(request, timeout=10) as answer:
            made = json.load(answer)
    except urllib.error.HTTPError as error:
        raise NotApproved(str(json.load(error)["message"])) from None
    callback = f"{content['callback']}?clientId={made['clientId']}&accessToken={made['accessToken']}"
    return visit(callback, referer=f"{target.scheme}://{target.netloc}/")


def visit(url: str, referer: str | None = None) -> int:
    """Navigate to a loopback address with a browser's headers, following redirects; the last HTTP status."""
    site = "same-site" if referer else "none"
    status = 0
    for _ in range(_MOST_REDIRECTS):
        target = urlsplit(url)
        if target.hostname not in _LOOPBACK:
            raise ValueError("the callback is not on loopback")
        connection = _connect(int(target.port or 80))
        path = url.split(target.netloc, 1)[1] or "/"
        connection.putrequest("GET", path, skip_host=True, skip_accept_encoding=True)
        headers = {
            "Host": target.netloc,
            "Accept": "text/html",
            "Sec-Fetch-Site": site,
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Dest": "document",
            "Cookie": "other=program",
            **({"Referer": referer} if referer else {}),
        }
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.read()
        status = answer.status
        location: Any = answer.getheader("Location")
        connection.close()
        if status not in (301, 302, 303, 307, 308) or not location:
            return status
        url = location if "://" in location else f"http://{target.netloc}{location}"
    return status


def _connect(port: int) -> http.client.HTTPConnection:
    """On [::1] first, and on 127.0.0.1 only where that is refused."""
    for address in ("::1", "127.0.0.1"):
        connection = http.client.HTTPConnection(address, port, timeout=30)
        try:
            connection.connect()
        except (ConnectionRefusedError, socket.gaierror, OSError):
            if address == "127.0.0.1":
                raise
        else:
            return connection
    raise ConnectionRefusedError


def main() -> int:
    """The command line: the URL, nothing printed when it went well."""
    if len(sys.argv) != 2:
        print("usage: python -m tcenv.sandbox.approve URL", file=sys.stderr)
        return 2
    try:
        return 0 if approve(sys.argv[1]) == 200 else 1
    except (NotApproved, ValueError, OSError) as error:
        print(f"not approved: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
