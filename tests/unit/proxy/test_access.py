"""Answer the run's own programs through a running proxy, and nobody else."""

from __future__ import annotations

import socket

import pytest
from aiohttp import web

from tests.calls import LOOPBACK, PING, run_as_nobody, send_plain, send_signed
from tests.proxy import CLIENT, FakeDeployment, RunningProxy, SeenRequest, run_proxy


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_signed_call_is_signed_anew_with_the_session(
    host: str, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    answer = send_signed(proxy, "GET", f"{PING}?x=%20+&y", host=host)
    assert answer.json()["target"] == f"{PING}?x=%20+&y"
    (seen,) = upstream.requests
    assert (seen.client_id, seen.scopes) == (CLIENT, None)
    assert proxy.run.token not in str(seen.headers)


def test_unsigned_requests_are_a_401(upstream: FakeDeployment, proxy: RunningProxy) -> None:
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
    assert upstream.requests == []


@pytest.mark.parametrize(
    "host", ["evil.example.com", "127.0.0.1:1", "localhost.evil.example.com:{port}", "", "127.0.0.1:{port}x", "[::1"]
)
def test_another_host_name_is_a_403(host: str, upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, unsigned=True) as proxy:
        for target in (PING, "/", f"/{proxy.run.secret}{PING}"):
            answer = send_plain(proxy, "GET", target, Host=host.format(port=proxy.port))
            assert (answer.status, answer.read()) == (403, b"")
            assert answer.getheader("Location") is None
        with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
            raw.sendall(f"GET {PING} HTTP/1.1\r\nHost: localhost:{proxy.port}\r\nHost: evil\r\n\r\n".encode())
            assert raw.recv(1000).split()[1] in (b"400", b"403")
    assert upstream.requests == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_another_user_is_refused(host: str, upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, unsigned=True) as proxy:
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
    assert len(upstream.requests) == 1


def test_malformed_requests_get_an_empty_400(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, unsigned=True) as proxy:
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


def test_the_secret_path_needs_no_signature_and_never_shows(upstream: FakeDeployment) -> None:
    async def redirect(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": f"{upstream.root_url}/elsewhere"})

    upstream.handlers["/api/queue/v1/redirect"] = redirect
    with run_proxy(upstream.root_url, unsigned=True) as proxy:
        base = f"/{proxy.run.secret}"
        referer = f"http://127.0.0.1:{proxy.port}{base}/x"
        assert send_plain(proxy, "GET", f"{base}/queue/v1/ping", Referer=referer).status == 200
        answers = [
            send_plain(proxy, "GET", f"{base}/api/queue/v1/redirect"),
            send_plain(proxy, "GET", f"{base}/tasks/abc"),
            send_plain(proxy, "GET", f"{base}/api/queue/v1/../x"),
            send_plain(proxy, "PUT", f"{base}/nothing"),
            send_plain(proxy, "GET", f"{base}x/api/queue/v1/ping"),
            send_plain(proxy, "GET", f"/x{base}"),
            send_plain(proxy, "GET", f"/x?{base}"),
        ]
        texts = [f"{answer.getheaders()} {answer.read()!r}" for answer in answers]
        texts += [proxy.log.read_text(), *map(str, upstream.requests)]
        assert [answer.status for answer in answers] == [303, 302, 400, 401, 401, 401, 401]
        assert not any(str(proxy.run.secret) in text for text in texts)
    assert [seen.target for seen in upstream.requests] == [PING, "/api/queue/v1/redirect"]


def test_a_program_can_narrow_its_scopes_but_never_widen_them(upstream: FakeDeployment) -> None:
    def seen(wanted: list[str] | None, scopes: tuple[str, ...] | None) -> list[str] | None:
        with run_proxy(upstream.root_url, scopes=scopes) as proxy:
            assert send_signed(proxy, "GET", PING, scopes=wanted).status_code == 200
        return upstream.requests[-1].scopes

    assert seen(None, ("queue:a:*",)) == ["queue:a:*"]
    assert seen(["queue:a:b", "secrets:get:project/x"], ("queue:a:*",)) == ["queue:a:b"]
    assert seen(["*"], ("queue:a:*",)) == ["queue:a:*"]
    assert seen([], ("queue:a:*",)) == []
    assert seen(["queue:a"], None) == ["queue:a"]
    # The session lacks hooks:x, and a request for it would fail with a list of its scopes.
    assert seen(None, ("queue:a:*", "hooks:x")) == ["queue:a:*"]


def test_the_scopes_header_narrows_unsigned_calls(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, unsigned=True, scopes=("queue:a:*",)) as proxy:
        target = f"/{proxy.run.secret}{PING}"
        assert send_plain(proxy, "GET", target, X_Taskcluster_Authorized_Scopes='["queue:a:b", "*"]').status == 200
        assert upstream.requests[-1].scopes == ["queue:a:b", "queue:a:*"]
        assert upstream.requests[-1].header("X-Taskcluster-Authorized-Scopes") is None
        for text in ("x", "{}", '["a", 1]', "[" * 9000):
            assert send_plain(proxy, "GET", target, X_Taskcluster_Authorized_Scopes=text).status == 400
        # Two such headers are ambiguous.
        with socket.create_connection(("127.0.0.1", proxy.port)) as raw:
            line = 'X-Taskcluster-Authorized-Scopes: ["queue:a:b"]\r\n'
            raw.sendall(f"GET {target} HTTP/1.1\r\nHost: localhost:{proxy.port}\r\n{line}{line}\r\n".encode())
            assert raw.recv(1000).split()[1] == b"400"
    assert len(upstream.requests) == 1


def test_too_many_scopes_for_the_header_are_a_400(upstream: FakeDeployment) -> None:
    scopes = tuple(f"queue:{'x' * 40}:{number}" for number in range(80))
    with run_proxy(upstream.root_url, scopes=scopes) as proxy:
        answer = send_signed(proxy, "GET", PING)
        assert (answer.status_code, answer.json()["code"]) == (400, "HeaderTooLong")
    assert upstream.requests == []
