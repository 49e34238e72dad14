"""Calls through a running proxy: who is answered, what reaches the deployment, and what comes back."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web, web_protocol
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tests.calls import LOOPBACK, PING, run_as_nobody, send_plain, send_signed
from tests.proxy import CLIENT, FakeDeployment, RunningProxy, SeenRequest, run_deployment, run_proxy


@pytest.fixture
def behind() -> Iterator[FakeDeployment]:
    with run_deployment() as made:
        yield made


# Who is answered


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_signed_call_is_signed_anew_with_the_session(host: str, behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        answer = send_signed(proxy, "GET", f"{PING}?x=%20+&y", host=host)
    assert answer.json()["target"] == f"{PING}?x=%20+&y"
    (seen,) = behind.requests
    assert (seen.client_id, seen.scopes) == (CLIENT, None)
    assert proxy.run.token not in str(seen.headers)


def test_nobody_else_is_answered(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        for answer in (
            send_plain(proxy, "GET", PING),
            send_plain(proxy, "GET", PING, Authorization="Bearer x"),
            send_plain(proxy, "GET", PING, Authorization=f"Bearer {proxy.run.token}"),
            send_plain(proxy, "GET", f"{PING}?bewit=x"),
            send_plain(proxy, "PUT", "/"),
            send_plain(proxy, "POST", "/bewit"),
            send_plain(proxy, "OPTIONS", "*"),
            send_plain(proxy, "GET", f"http://127.0.0.1:{proxy.port}{PING}"),
            send_plain(proxy, "CONNECT", "tc.example.com:443"),
            send_plain(proxy, "GET", f"{PING}", Upgrade="websocket", Connection="Upgrade"),
        ):
            assert answer.status == 401
            assert answer.read() == b""
            assert answer.getheader("WWW-Authenticate") is None
    assert behind.requests == []


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1:1", "localhost.evil.example.com:{port}", "", "127.0.0.1:{port}x", "[::1"]
)
def test_another_host_is_not_answered(host: str, behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, unsigned=True) as proxy:
        for target in (PING, "/", f"/{proxy.run.secret}{PING}"):
            answer = send_plain(proxy, "GET", target, Host=host.format(port=proxy.port))
            assert (answer.status, answer.read()) == (403, b"")
            assert answer.getheader("Location") is None
        with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
            raw.sendall(f"GET {PING} HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nHost: evil\r\n\r\n".encode())
            assert raw.recv(1000).split()[1] in (b"400", b"403")
    assert behind.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_another_user_is_not_answered(host: str, behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, unsigned=True) as proxy:
        target = f"/{proxy.run.secret}{PING}"
        program = (
            "import http.client, sys\n"
            "for target in (sys.argv[3], '/', 'x' * 100000):\n"
            "    connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))\n"
            "    connection.request('GET', target)\n"
            "    answer = connection.getresponse()\n"
            "    print(answer.status, answer.read(), answer.getheaders())\n"
        )
        done = run_as_nobody(program, host, str(proxy.port), target)
        assert done.stdout == "403 b'' [('Connection', 'close'), ('Content-Length', '0')]\n" * 3, done.stderr
        # Nor by one that has closed its end before anybody could look whose it is.
        program = (
            "import socket, sys\n"
            "request = f'GET {sys.argv[3]} HTTP/1.1\\r\\nHost: localhost:{sys.argv[2]}\\r\\n\\r\\n'.encode()\n"
            "for _ in range(50):\n"
            "    with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as made:\n"
            "        made.sendall(request)\n"
            "print('sent')\n"
        )
        assert run_as_nobody(program, host, str(proxy.port), target).stdout == "sent\n"
        # The same by this user's own process.
        assert send_plain(proxy, "GET", target, host).status == 200
    assert len(behind.requests) == 1


def test_what_is_no_http_gets_no_words(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, unsigned=True) as proxy:
        for noise in (
            f"GET /{proxy.run.secret} \x01\r\n\r\n",
            "\0" * 20 + "\r\n\r\n",
            f"GET /{'x' * 70000} HTTP/1.1\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
                raw.sendall(noise.encode())
                answer = raw.makefile("rb").read()
            assert answer.startswith(b"HTTP/1.1 400 ") or answer.startswith(b"HTTP/1.0 400 ")
            assert answer.partition(b"\r\n\r\n")[2] == b""
            assert (proxy.run.secret or "").encode() not in answer


def test_the_unguessable_path_needs_no_signature_and_shows_nowhere(behind: FakeDeployment) -> None:
    async def redirect(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": f"{behind.root_url}/elsewhere"})

    behind.handlers["/api/queue/v1/redirect"] = redirect
    with run_proxy(behind.root_url, unsigned=True) as proxy:
        base = f"/{proxy.run.secret}"
        referer = f"http://127.0.0.1:{proxy.port}{base}/x"
        assert send_plain(proxy, "GET", f"{base}/queue/v1/ping", Referer=referer).status == 200
        told = [
            send_plain(proxy, "GET", f"{base}/api/queue/v1/redirect"),
            send_plain(proxy, "GET", f"{base}/tasks/abc"),
            send_plain(proxy, "GET", f"{base}/api/queue/v1/../x"),
            send_plain(proxy, "PUT", f"{base}/nothing"),
            send_plain(proxy, "GET", f"{base}x/api/queue/v1/ping"),
            send_plain(proxy, "GET", f"/x{base}"),
            send_plain(proxy, "GET", f"/x?{base}"),
        ]
        texts = [f"{answer.getheaders()} {answer.read()!r}" for answer in told]
        texts += [proxy.log.read_text(), *map(str, behind.requests)]
        assert [answer.status for answer in told] == [303, 302, 400, 401, 401, 401, 401]
        assert not any(str(proxy.run.secret) in text for text in texts)
    assert [seen.target for seen in behind.requests] == [PING, "/api/queue/v1/redirect"]


def test_a_program_narrows_further_and_never_widens(behind: FakeDeployment) -> None:
    def seen(wanted: list[str] | None, scopes: tuple[str, ...] | None) -> list[str] | None:
        with run_proxy(behind.root_url, scopes=scopes) as proxy:
            assert send_signed(proxy, "GET", PING, scopes=wanted).status_code == 200
        return behind.requests[-1].scopes

    assert seen(None, ("queue:a:*",)) == ["queue:a:*"]
    assert seen(["queue:a:b", "secrets:get:project/x"], ("queue:a:*",)) == ["queue:a:b"]
    assert seen(["*"], ("queue:a:*",)) == ["queue:a:*"]
    assert seen([], ("queue:a:*",)) == []
    assert seen(["queue:a"], None) == ["queue:a"]
    # The session does not hold that, and asking for it would be told with a list of all that it holds.
    assert seen(None, ("queue:a:*", "hooks:x")) == ["queue:a:*"]


def test_the_header_of_programs_that_do_not_sign_narrows(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, unsigned=True, scopes=("queue:a:*",)) as proxy:
        target = f"/{proxy.run.secret}{PING}"
        assert send_plain(proxy, "GET", target, X_Taskcluster_Authorized_Scopes='["queue:a:b", "*"]').status == 200
        assert behind.requests[-1].scopes == ["queue:a:b", "queue:a:*"]
        assert behind.requests[-1].header("X-Taskcluster-Authorized-Scopes") is None
        for text in ("x", "{}", '["a", 1]', "[" * 9000):
            assert send_plain(proxy, "GET", target, X_Taskcluster_Authorized_Scopes=text).status == 400
        # Two of them: nobody knows which is meant.
        with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
            line = 'X-Taskcluster-Authorized-Scopes: ["queue:a:b"]\r\n'
            raw.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost:{proxy.port}\r\n{line}{line}\r\n".encode())
            assert raw.recv(1000).split()[1] == b"400"
    assert len(behind.requests) == 1


def test_scopes_that_do_not_fit_are_said_so(behind: FakeDeployment) -> None:
    scopes = tuple(f"queue:{'x' * 40}:{number}" for number in range(80))
    with run_proxy(behind.root_url, scopes=scopes) as proxy:
        answer = send_signed(proxy, "GET", PING)
        assert (answer.status_code, answer.json()["code"]) == (400, "HeaderTooLong")
    assert behind.requests == []


# What goes on


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("prefix", ["/api/", "/"])
def test_all_methods_go_on_and_no_byte_is_altered(method: str, prefix: str, behind: FakeDeployment) -> None:
    odd = "queue/v1/x%2Fy//z'(,)|\"%zz%7c@:=+~?a=%7c&b=|&a=+\"'&c=?/&&d"
    with run_proxy(behind.root_url) as proxy:
        endpoint = Endpoint("127.0.0.1", proxy.port, prefix + odd)
        authorization = hawk.make_header(CLIENT, proxy.run.token, method, endpoint, now=time.time())
        answer = send_plain(proxy, method, prefix + odd, Authorization=authorization)
        assert answer.status == 200, answer.read()
    (seen,) = behind.requests
    assert (seen.method, seen.target, seen.client_id) == (method, "/api/" + odd, CLIENT)


def test_header_lines_that_are_a_connections_own_are_dropped(behind: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        lines = [
            ("Connection", "X-Own"),
            ("X-Own", "1"),
            ("Set-Cookie", "a=b"),
            ("Alt-Svc", "h3"),
            ("X-Kept", "1"),
            ("X-Kept", "2"),
        ]
        return web.Response(headers=lines, text="x")

    behind.handlers["/api/x"] = answer
    with run_proxy(behind.root_url) as proxy:
        sent = {
            "Connection": "keep-alive, X-Mine",
            "X-Mine": "1",
            "TE": "trailers",
            "Cookie": "c=d",
            "Proxy-Authorization": "x",
            "X-Other": "2",
            "User-Agent": "me",
        }
        got = send_signed(proxy, "GET", "/api/x/v1/y", headers={**sent, "Accept-Encoding": "br;q=0.1"})
    (seen,) = behind.requests
    names = {name.lower() for name, _ in seen.headers}
    assert names <= {"host", "authorization", "x-other", "user-agent", "accept-encoding", "accept"}
    assert (seen.header("User-Agent"), seen.header("Accept-Encoding")) == ("me", "br;q=0.1")
    assert seen.header("Host") == urlsplit(behind.root_url).netloc
    assert got.headers["X-Kept"] == "1, 2"
    assert not {"X-Own", "Set-Cookie", "Alt-Svc"} & set(got.headers)


def test_encodings_are_untouched(behind: FakeDeployment) -> None:
    packed = gzip.compress(b"hello")

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(body=seen.body, headers={"Content-Encoding": "gzip", "Content-Type": "a/b"})

    behind.handlers["/api/x"] = answer
    with run_proxy(behind.root_url) as proxy:
        got = send_signed(proxy, "PUT", "/api/x/v1/y", body=packed, headers={"Content-Encoding": "gzip"}, stream=True)
        assert got.raw.read() == packed
        assert (got.headers["Content-Encoding"], got.headers["Content-Type"]) == ("gzip", "a/b")
    assert behind.requests[0].body == packed


def test_answers_come_back_as_they_are(behind: FakeDeployment) -> None:
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

    behind.handlers["/api/x"] = answer
    with run_proxy(behind.root_url) as proxy:
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


def test_links_keep_working(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        for method in ("GET", "HEAD"):
            for target in ("/", "/tasks/abc?x=y", "/references/queue/v1/api.json", "/api/queue"):
                for answer in (send_plain(proxy, method, target), send_signed(proxy, method, target).raw):
                    assert (answer.status, answer.getheader("Location")) == (302, behind.root_url + target)
        assert send_signed(proxy, "POST", "/graphql").status_code == 401
    assert behind.requests == []


@pytest.mark.parametrize("offer", ["websocket", "h2c, WebSocket/13"])
def test_a_websocket_is_refused_clearly(offer: str, behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        answer = send_signed(proxy, "GET", PING, headers={"Upgrade": offer, "Connection": "Upgrade"})
        assert answer.status_code == 501
        assert "websockets" in answer.json()["message"]
    assert behind.requests == []


@pytest.mark.parametrize("offer", ["h2c", "TLS/1.2", "HTTP/2.0, SHTTP/1.3", "tcp"])
@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", b"{}"), ("PUT", b"x" * 200_000)])
def test_every_other_offer_to_upgrade_is_ignored(
    offer: str, method: str, body: bytes | None, behind: FakeDeployment
) -> None:
    lines = {"Upgrade": offer, "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAMAAABkAAQCAAAAAAIAAAAA"}
    with run_proxy(behind.root_url) as proxy:
        for _ in range(2):
            answer = send_signed(proxy, method, PING, headers=lines, body=body)
            assert answer.status_code == 200
            assert answer.json()["length"] == len(body or b"")
    assert not any(seen.header("Upgrade") or seen.header("HTTP2-Settings") for seen in behind.requests)


@pytest.mark.parametrize(
    ("method", "lines", "status", "code"),
    [
        ("TRACE", {}, 405, "MethodRefused"),
        ("CONNECT", {}, 405, "MethodRefused"),
        ("PUT", {"Transfer-Encoding": "gzip, chunked"}, 501, "EncodingRefused"),
    ],
)
def test_what_is_no_call_is_refused_clearly(
    method: str, lines: dict[str, str], status: int, code: str, behind: FakeDeployment
) -> None:
    with run_proxy(behind.root_url) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as raw:
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
    assert behind.requests == []


def test_what_hands_out_credentials_is_refused(behind: FakeDeployment) -> None:
    calls = [
        ("PUT", "/api/auth/v1/clients/other"),
        ("POST", "/auth/v1/clients/other/reset"),
        ("GET", "/api/auth/v1/aws/s3/read-only/b/p"),
        ("GET", "/api/hooks/v1/hooks/a/b/token"),
        ("POST", "/api/queue/v1/claim-work/a%2Fb"),
        ("GET", "/api/auth/v1/aws/s3/read-write/bucket/"),
        ("GET", "/auth/v1/aws/s3/read-write/bucket/?format=iam-role-compat"),
    ]
    with run_proxy(behind.root_url) as proxy, run_proxy(behind.root_url, read_only=True) as reading:
        for method, target in calls:
            if method == "GET":
                assert send_signed(reading, method, target).status_code == 403
                url = send_signed(proxy, "POST", "/bewit", body=(proxy.make_url("127.0.0.1") + target).encode())
                assert (url.status_code, url.json()["code"]) == (403, "RefusedByProxy")
            answer = send_signed(proxy, method, target)
            assert answer.status_code == 403
            assert "--allow-credentials" in answer.json()["message"]
            assert answer.json()["code"] != "InsufficientScopes"
    assert behind.requests == []
    with run_proxy(behind.root_url, allow_credentials=True) as proxy:
        assert {send_signed(proxy, method, target).status_code for method, target in calls} == {200}
        own = "/api/auth/v1/clients/" + CLIENT.replace("/", "%2F").replace("|", "%7C")
        for method, target in (("POST", own), ("POST", own + "/reset"), ("DELETE", own + "%402"), ("PUT", own)):
            assert send_signed(proxy, method, target).status_code == 403
    assert len(behind.requests) == len(calls)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_artifact_is_created_unless_that_returns_credentials(chunked: bool, behind: FakeDeployment) -> None:
    target = "/api/queue/v1/task/abc/runs/0/artifacts/public/x"

    def create(proxy: RunningProxy, body: bytes) -> int:
        sent: dict[str, Any] = {"chunks": [body[:9], body[9:]]} if chunked else {"body": body}
        return send_signed(proxy, "POST", target, **sent).status_code

    link, object_ = b'{"storageType": "s3", "contentType": "x"}', b'{"storageType": "object", "contentType": "x"}'
    with run_proxy(behind.root_url) as proxy:
        assert create(proxy, link) == 200
        assert behind.requests.pop().body == link
        for body in (object_, b"no JSON", link + b" " * 70_000):
            assert create(proxy, body) == 403
        assert behind.requests == []
    with run_proxy(behind.root_url, allow_credentials=True) as proxy:
        assert create(proxy, object_) == 200


def test_a_method_in_small_letters_is_the_same_method(behind: FakeDeployment) -> None:
    """Parsers of aiohttp before 3.14 pass it on as it is."""
    for parser in (HttpRequestParserPy, HttpRequestParser):
        with run_proxy(behind.root_url) as proxy, pytest.MonkeyPatch.context() as patched:
            patched.setattr(
                web_protocol, "HttpRequestParser", lambda *rest, made=parser, **more: Small(made(*rest, **more))
            )
            answer = send_signed(proxy, "POST", "/api/auth/v1/clients/other/reset")
            assert (answer.status_code, answer.json()["code"]) == (403, "RefusedByProxy")
            assert send_signed(proxy, "GET", PING).status_code == 200
        assert behind.requests.pop().target == PING
        assert behind.requests == []


class Small:
    """A parser that leaves the method in small letters."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def feed_data(self, data: bytes) -> Any:
        messages, *rest = self._parser.feed_data(data)
        return [(message._replace(method=message.method.lower()), body) for message, body in messages], *rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def test_a_run_that_only_reads(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, read_only=True) as proxy:
        for method in ("PUT", "POST", "DELETE", "PATCH", "OPTIONS"):
            answer = send_signed(proxy, method, PING, headers={"X-HTTP-Method-Override": "GET"})
            assert answer.status_code == 403
            assert "--read-only" in answer.json()["message"]
        assert send_signed(proxy, "GET", PING, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200
        assert send_signed(proxy, "HEAD", PING).status_code == 200
    assert [seen.method for seen in behind.requests] == ["GET", "HEAD"]
    assert behind.requests[0].header("X-HTTP-Method-Override") is None
