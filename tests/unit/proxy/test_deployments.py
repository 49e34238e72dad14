"""Forward calls to deployments below a path, on IPv6, with certificates, and to one that answers too early."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tcenv.proxy.upstream import _choose_proxy
from tests.calls import PING, run_as_nobody, send_plain, send_signed
from tests.certificates import make_certificate
from tests.proxy import CLIENT, TOKEN, SeenRequest, run_deployment, run_proxy


def test_a_root_url_with_a_path() -> None:
    with run_deployment() as upstream, run_proxy(f"{upstream.root_url}/team-a") as proxy:
        assert send_signed(proxy, "GET", f"{PING}?x=y").json()["target"] == f"/team-a{PING}?x=y"
        assert upstream.requests[0].client_id == CLIENT
        assert send_plain(proxy, "GET", "/tasks/x").getheader("Location") == f"{upstream.root_url}/team-a/tasks/x"
        signed_url = send_signed(proxy, "POST", "/bewit", body=f"{upstream.root_url}/team-a{PING}".encode())
        assert signed_url.text.startswith(f"{upstream.root_url}/team-a{PING}?bewit=")
        assert send_signed(proxy, "POST", "/bewit", body=f"{upstream.root_url}{PING}".encode()).status_code == 403


def test_a_deployment_on_ipv6() -> None:
    with run_deployment("::1") as upstream, run_proxy(upstream.root_url) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 200
    assert upstream.requests[0].client_id == CLIENT


def test_a_deployment_may_answer_before_it_has_the_body() -> None:
    """The proxy drops the rest of the body, and the next call works."""
    answered = threading.Semaphore(0)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
                    # An end with unread bytes resets the connection, and the proxy would lose the answer.
                    answered.acquire(timeout=60)

        threading.Thread(target=serve, daemon=True).start()
        with run_proxy(f"http://127.0.0.1:{server.getsockname()[1]}") as proxy:
            for _ in range(2):
                answer = send_signed(proxy, "PUT", PING, body=b"x" * 3_000_000)
                assert (answer.status_code, answer.text) == (413, "much")
                answered.release()


def test_long_addresses_and_redirects() -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(status=303, headers={"Location": f"https://storage.example.com/?{'s' * 20_000}"})

    with run_deployment() as upstream, run_proxy(upstream.root_url) as proxy:
        upstream.handlers["/api/x"] = answer
        got = send_signed(proxy, "GET", f"/api/x/v1/{'y' * 8000}")
        assert (got.status_code, len(got.headers["Location"])) == (303, 20_029)


def test_connections_of_other_users_are_closed() -> None:
    program = (
        "import socket, sys\n"
        "made = [socket.create_connection(('127.0.0.1', int(sys.argv[1]))) for _ in range(20)]\n"
        "for connection in made:\n"
        "    try:\n"
        "        assert connection.recv(1) == b''\n"
        "    except ConnectionResetError:\n"
        "        pass\n"
        "print('all gone')\n"
    )
    with run_deployment() as upstream, run_proxy(upstream.root_url) as proxy:
        done = run_as_nobody(program, str(proxy.port))
        assert done.stdout == "all gone\n", done.stderr
        assert send_signed(proxy, "GET", PING).status_code == 200


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        endpoint = Endpoint.from_url(f"https://{self.headers['Host']}{self.path}")
        hawk.check_header(hawk.parse_header(self.headers["Authorization"]), TOKEN, "GET", endpoint, now=time.time())
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *arguments: object) -> None:
        return


@contextmanager
def run_https_deployment(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run a deployment over https. Yield its root URL and the certificate of its authority."""
    certificate, key = make_certificate(folder, "localhost")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://localhost:{server.server_address[1]}", certificate
    finally:
        server.shutdown()
        server.server_close()


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    with run_https_deployment(tmp_path) as (root_url, authority):
        with run_proxy(root_url) as proxy:
            answer = send_signed(proxy, "GET", PING)
            assert (answer.status_code, "Certificate" in answer.json()["message"]) == (502, True)
        for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.setenv(name, str(authority))
            with run_proxy(root_url) as proxy:
                assert send_signed(proxy, "GET", PING).text == "ok"
            monkeypatch.delenv(name)


def test_an_http_proxy_is_used_for_remote_deployments_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert _choose_proxy("https://tc.example.com") is None
    monkeypatch.setenv("HTTPS_PROXY", "http://gate.example.com:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://gate.example.com:3128")
    assert _choose_proxy("https://tc.example.com") == URL("http://gate.example.com:3128")
    for near in ("http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"):
        assert _choose_proxy(near) is None
    monkeypatch.setenv("NO_PROXY", "tc.example.com")
    assert _choose_proxy("https://tc.example.com") is None
