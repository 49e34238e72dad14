"""Send requests that are no answer of a browser to the listener. Each gets an empty refusal, and the wait goes on."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.listener import BAD_QUERIES, CREDENTIALS, FAMILIES, NAVIGATION, QUERY, TOKEN, WaitingListener, parse_status

METHODS = ("HEAD", "POST", "OPTIONS", "PUT", "CONNECT", "get", "GETX")
# `{secret}` is the path of the callback, and `{port}` the listener's port.
TARGETS = {
    "scanner": "/",
    "favicon": "/favicon.ico",
    "robots": "/robots.txt",
    "guess": f"/{'0' * 40}?{QUERY}",
    "longer": f"{{secret}}0?{QUERY}",
    "below": f"{{secret}}/?{QUERY}",
    "doubled": f"/{{secret}}?{QUERY}",
    "dots": f"/x/..{{secret}}?{QUERY}",
    "absolute form": f"http://localhost:{{port}}{{secret}}?{QUERY}",
    "asterisk": "*",
    "no path": f"?{QUERY}",
    "query alone": "{secret}",
    "high bytes": f"{{secret}}\xff?{QUERY}",
    "long line": f"/{'a' * 9000}",
}
HOSTS = {
    "rebinding": "evil.example:{port}",
    "another address": "128.0.0.1:{port}",
    "another IPv6 address": "[::2]:{port}",
    "any address": "0.0.0.0:{port}",
    "address without brackets": "::1:{port}",
    "address and words": "127.0.0.1 x:{port}",
    "address without port": "127.0.0.1",
    "address with another port": "127.0.0.1:1",
    "port with a zero": "localhost:0{port}",
    "without port": "localhost",
    "other port": "localhost:1",
    "subdomain": "x.localhost:{port}",
    "dot": "localhost.:{port}",
    "userinfo": "me@localhost:{port}",
    "empty host": "",
}
# Header lines that a genuine request lacks.
LINES = {
    "two hosts": ["Host: localhost:{port}"],
    "second host": ["host: evil.example"],
    **{
        line: [line]
        for line in (
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Mode: websocket",
            "Sec-Fetch-Mode: nested-navigate",
            "Sec-Fetch-Dest: image",
            "Sec-Fetch-Dest: iframe",
            "Sec-Fetch-Dest: empty",
            "Sec-Fetch-Site: elsewhere",
            "Sec-Fetch-Mode:",
            "Origin: https://evil.example",
            "Origin: null",
            "Upgrade: websocket",
        )
    },
    "two modes": [*NAVIGATION, "Sec-Fetch-Mode: cors"],
    "no content": ["Content-Length: 0"],
    "bare LF in a value": ["X: a\nHost: localhost:{port}"],
    "bare CR": ["X: a\rHost: localhost:{port}"],
    "NUL": ["X: a\0b"],
    "folded": ["X: a", " folded: b"],
    "folded by a tab": ["X: a", "\tfolded: b"],
    "no colon": ["Nonsense"],
    "no name": [": value"],
    "spaces without end": ["X:" + " " * 8000 + "\1"],
    "large head": ["X: " + "a" * 4000] * 20,
    "many fields": ["X: a"] * 12_000,
}
# One replacement in a genuine request.
REPLACEMENTS = {
    **{method: (b"GET ", f"{method} ".encode()) for method in METHODS},
    "one bare LF": (b"\r\n", b"\n"),
    "space before the colon": (b"Host:", b"Host :"),
    "HTTP/1.0": (b"HTTP/1.1", b"HTTP/1.0"),
    "HTTP/1.10": (b"HTTP/1.1", b"HTTP/1.10"),
    "two spaces": (b"GET ", b"GET  "),
    "tab": (b"GET ", b"GET\t"),
}
PREFLIGHT = (
    "Origin: https://evil.example",
    "Access-Control-Request-Method: GET",
    "Access-Control-Request-Private-Network: true",
)
RAW: dict[str, Callable[[WaitingListener], bytes]] = {
    "POST with a body": lambda waiting: b"POST " + waiting.request(None, "Content-Length: 11")[4:] + b"clientId=me",
    "preflight": lambda waiting: b"OPTIONS " + waiting.request(None, *PREFLIGHT)[4:],
    "shorter": lambda waiting: waiting.request(f"{waiting.secret[:-1]}?{QUERY}"),
    "capitals": lambda waiting: waiting.request(f"{waiting.secret.upper()}?{QUERY}"),
    "escaped path": lambda waiting: waiting.request(f"/%{ord(waiting.secret[1]):x}{waiting.secret[2:]}?{QUERY}"),
    "no host": lambda waiting: f"GET {waiting.secret}?{QUERY} HTTP/1.1\r\nAccept: */*\r\n\r\n".encode(),
    "content length": lambda waiting: waiting.request(None, "Content-Length: 5") + b"hello",
    "chunked": lambda waiting: waiting.request(None, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "pipelined": lambda waiting: waiting.request() * 2,
    "body without length": lambda waiting: waiting.request() + b"x",
    "bare LF": lambda waiting: waiting.request().replace(b"\r\n", b"\n"),
    "HTTP/0.9": lambda waiting: f"GET {waiting.secret}?{QUERY}\r\n\r\n".encode(),
    "HTTP/2": lambda waiting: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "leading line": lambda waiting: b"\r\n" + waiting.request(),
    "TLS": lambda waiting: bytes.fromhex("1603010200010001fc0303") + os.urandom(500),
    "SSH": lambda waiting: b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "redis": lambda waiting: b"*1\r\n$4\r\nINFO\r\n\r\n",
    "noise": lambda waiting: b"\x00\xff" + os.urandom(2000),
    "line without end": lambda waiting: b"GET /" + b"a" * 9000,
}


def make_request(name: str, waiting: WaitingListener) -> bytes:
    """Return the request of that name."""
    values = {"secret": waiting.secret, "port": waiting.port}
    if name in TARGETS:
        return waiting.request(TARGETS[name].format(**values))
    if name in HOSTS:
        return waiting.request(host=HOSTS[name].format(**values))
    if name in LINES:
        return waiting.request(None, *(line.format(**values) for line in LINES[name]))
    if name in REPLACEMENTS:
        return waiting.request(None, *NAVIGATION).replace(*REPLACEMENTS[name], 1)
    if name in RAW:
        return RAW[name](waiting)
    return waiting.request(query=name)


@pytest.mark.parametrize("address", FAMILIES)
@pytest.mark.parametrize("name", [*TARGETS, *HOSTS, *LINES, *REPLACEMENTS, *RAW, *BAD_QUERIES])
def test_any_other_request_gets_an_empty_refusal_and_the_wait_goes_on(name: str, address: str) -> None:
    with WaitingListener() as waiting:
        response = waiting.exchange(make_request(name, waiting), address)
        # A client that still sends after the refusal may see a reset connection.
        assert 400 <= parse_status(response) < 500 or (not response and "large" in name + "many fields"), response
        head, _, body = response.partition(b"\r\n\r\n")
        assert not body
        for leak in ("Location", TOKEN, waiting.secret, "Access-Control"):
            assert leak.encode() not in head
        assert waiting.is_waiting
        assert parse_status(waiting.exchange(waiting.request(), address)) == 303
        assert waiting.result() == CREDENTIALS
