"""Forward calls through a running proxy: what reaches the deployment, and what comes back."""

from __future__ import annotations

import gzip
import json
import socket
import time
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tests.calls import PING, send_plain, send_signed
from tests.proxy import CLIENT, FakeDeployment, RunningProxy, SeenRequest


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("prefix", ["/api/", "/"])
def test_all_methods_are_forwarded_without_changing_a_byte(
    method: str, prefix: str, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    odd = "queue/v1/x%2Fy//z'(,)|\"%zz%7c@:=+~?a=%7c&b=|&a=+\"'&c=?/&&d"
    endpoint = Endpoint("127.0.0.1", proxy.port, prefix + odd)
    authorization = hawk.make_header(CLIENT, proxy.run.token, method, endpoint, now=time.time())
    answer = send_plain(proxy, method, prefix + odd, Authorization=authorization)
    assert answer.status == 200, answer.read()
    (seen,) = upstream.requests
    assert (seen.method, seen.target, seen.client_id) == (method, "/api/" + odd, CLIENT)


def test_hop_by_hop_headers_and_cookies_are_dropped(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        dropped = [("Connection", "X-Own"), ("X-Own", "1"), ("Set-Cookie", "a=b"), ("Alt-Svc", "h3")]
        return web.Response(headers=[*dropped, ("X-Kept", "1"), ("X-Kept", "2")], text="x")

    upstream.handlers["/api/x"] = answer
    dropped = {"Connection": "keep-alive, X-Mine", "X-Mine": "1", "TE": "trailers", "Cookie": "c=d"}
    kept = {"X-Other": "2", "User-Agent": "me", "Accept-Encoding": "br;q=0.1"}
    got = send_signed(proxy, "GET", "/api/x/v1/y", headers={**dropped, "Proxy-Authorization": "x", **kept})
    (seen,) = upstream.requests
    names = {name.lower() for name, _ in seen.headers}
    assert names <= {"host", "authorization", "x-other", "user-agent", "accept-encoding", "accept"}
    assert (seen.header("User-Agent"), seen.header("Accept-Encoding")) == ("me", "br;q=0.1")
    assert seen.header("Host") == urlsplit(upstream.root_url).netloc
    assert got.headers["X-Kept"] == "1, 2"
    assert not {"X-Own", "Set-Cookie", "Alt-Svc"} & set(got.headers)


def test_compressed_bodies_are_forwarded_as_they_are(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    packed = gzip.compress(b"hello")

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(body=seen.body, headers={"Content-Encoding": "gzip", "Content-Type": "a/b"})

    upstream.handlers["/api/x"] = answer
    got = send_signed(proxy, "PUT", "/api/x/v1/y", body=packed, headers={"Content-Encoding": "gzip"}, stream=True)
    assert got.raw.read() == packed
    assert (got.headers["Content-Encoding"], got.headers["Content-Type"]) == ("gzip", "a/b")
    assert upstream.requests[0].body == packed


def test_answers_are_returned_as_they_are(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        status = int(seen.target.rpartition("/")[2])
        if status == 204:
            return web.Response(status=204)
        return web.json_response(
            {"code": "X", "message": "y"},
            status=status,
            headers={"Location": "https://elsewhere.example.com/?a=%20"},
            reason="Odd",
        )

    upstream.handlers["/api/x"] = answer
    for status in (201, 204, 302, 303, 400, 401, 403, 404, 409, 424, 500, 503):
        got = send_signed(proxy, "POST", f"/api/x/v1/{status}", body=b"x")
        assert got.status_code == status
        if status != 204:
            assert got.json() == {"code": "X", "message": "y"}
            assert got.headers["Location"] == "https://elsewhere.example.com/?a=%20"
            assert got.reason == "Odd"
        else:
            assert got.content == b""
    head = send_signed(proxy, "HEAD", "/api/x/v1/200")
    whole = send_signed(proxy, "GET", "/api/x/v1/200")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"] == str(len(whole.content))
    assert head.content == b""


def test_addresses_of_pages_redirect_to_the_deployment(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    for method in ("GET", "HEAD"):
        for target in ("/", "/tasks/abc?x=y", "/references/queue/v1/api.json", "/api/queue"):
            for answer in (send_plain(proxy, method, target), send_signed(proxy, method, target).raw):
                assert (answer.status, answer.getheader("Location")) == (302, upstream.root_url + target)
    assert send_signed(proxy, "POST", "/graphql").status_code == 401
    assert upstream.requests == []


@pytest.mark.parametrize("offer", ["websocket", "h2c, WebSocket/13"])
def test_a_websocket_is_a_501(offer: str, upstream: FakeDeployment, proxy: RunningProxy) -> None:
    answer = send_signed(proxy, "GET", PING, headers={"Upgrade": offer, "Connection": "Upgrade"})
    assert answer.status_code == 501
    assert "websockets" in answer.json()["message"]
    assert upstream.requests == []


@pytest.mark.parametrize("offer", ["h2c", "TLS/1.2", "HTTP/2.0, SHTTP/1.3", "tcp"])
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"{}"), ("PUT", b"x" * 200_000)])
def test_other_upgrades_are_ignored(
    offer: str, method: str, body: bytes | None, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    lines = {"Upgrade": offer, "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA"}
    for _ in range(2):
        answer = send_signed(proxy, method, PING, headers=lines, body=body)
        assert answer.status_code == 200
        assert answer.json()["length"] == len(body or b"")
    assert not any(seen.header("Upgrade") or seen.header("HTTP2-Settings") for seen in upstream.requests)


@pytest.mark.parametrize(
    ("method", "lines", "status", "code"),
    [
        ("TRACE", {}, 405, "MethodRefused"),
        ("CONNECT", {}, 405, "MethodRefused"),
        ("PUT", {"Transfer-Encoding": "gzip, chunked"}, 501, "EncodingRefused"),
    ],
)
def test_other_methods_and_encodings_are_refused(
    method: str, lines: dict[str, str], status: int, code: str, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
        endpoint = Endpoint("127.0.0.1", proxy.port, PING)
        lines = {
            "Host": f"127.0.0.1:{proxy.port}",
            "Authorization": hawk.make_header(CLIENT, proxy.run.token, method, endpoint, now=time.time()),
            "Connection": "close",
            **lines,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        raw.sendall(f"{method} {PING} HTTP/1.1\r\n{head}\r\n".encode())
        answer = raw.recv(4000)
        raw.settimeout(60)
        while b"}" not in answer:
            answer += raw.recv(4000)
    assert (int(answer.split()[1]), json.loads(answer.partition(b"\r\n\r\n")[2])["code"]) == (status, code)
    assert upstream.requests == []
