"""Send calls to the deployment: through the proxies and with the certificates that users have configured."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tcenv.config.profile import Overrides, resolve
from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.network import find_proxy, make_ssl_context
from tcenv.errors import DeploymentError
from tcenv.sandbox import Sandbox
from tcenv.signin.preflight import Preflight
from tests.corporate_network import HOST, CorporateNetwork

CLIENT = {"clientId": "somebody/x", "expires": "2030-01-01T00:00:00.000Z", "disabled": False, "scopes": ["a"]}


@dataclass
class Served:
    """A deployment at HOST behind a proxy, and over https on loopback. Its certificate is for localhost and HOST."""

    network: CorporateNetwork
    headers: list[dict[str, str]]
    connections: set[tuple[str, int]]

    @property
    def root_url(self) -> str:
        return f"https://localhost:{self.network.tls_port}"

    @property
    def proxy(self) -> str:
        return f"127.0.0.1:{self.network.proxy_port}"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    headers: list[dict[str, str]] = []
    connections: set[tuple[str, int]] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers.append(dict(self.headers))
            connections.add(self.client_address)
            body = json.dumps({"alive": True} if self.path.endswith("/ping") else CLIENT).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", "who=me; Path=/")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    with CorporateNetwork(server.server_port, tmp_path) as network:
        yield Served(network, headers, connections)
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the variables by which this machine itself reaches the network."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def find_client(root_url: str) -> object:
    return Deployment(root_url, deadline=time.monotonic() + 60).find_client("somebody/x")


def test_certificates_are_verified(served: Served) -> None:
    with pytest.raises(DeploymentError, match="CERTIFICATE_VERIFY_FAILED"):
        find_client(served.root_url)
    assert served.headers == []


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_a_certificate_that_the_user_trusts_is_accepted(
    served: Served, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, str(served.network.certificate))
    assert find_client(served.root_url)
    assert abs(Deployment(served.root_url).ping() - time.time()) < 60


def test_preflight_explains_an_authority_unknown_to_python(served: Served) -> None:
    preflight = Preflight(resolve(None, Overrides(root_url=served.root_url)))
    preflight.check("tcenv", None)
    (news,) = preflight.take_warnings()
    assert "REQUESTS_CA_BUNDLE" in news
    assert "does not work" not in news


def test_a_certificate_of_another_host_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(served.network.certificate))
    with pytest.raises(DeploymentError, match=r"mismatch|doesn't match|not valid"):
        find_client(f"https://127.0.0.1:{served.network.tls_port}")


def test_a_missing_bundle_is_named(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/ca.pem")
    with pytest.raises(DeploymentError, match=r"/nowhere/ca\.pem"):
        find_client(served.root_url)


def test_https_proxy_and_no_proxy_are_obeyed(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pass@{served.proxy}")
    monkeypatch.setenv("SSL_CERT_FILE", str(served.network.certificate))
    assert find_client(f"https://{HOST}")
    assert served.network.requests[0].startswith(f"CONNECT {HOST}:443 ")
    assert "Proxy-Authorization: Basic dXNlcjpwYXNz" in served.network.requests[0]
    assert served.headers[0]["Host"] == HOST
    assert "Proxy-Authorization" not in served.headers[0]
    served.network.requests.clear()
    monkeypatch.setenv("NO_PROXY", "example.com")
    with pytest.raises(DeploymentError, match="cannot be reached"):
        find_client(f"https://{HOST}")
    assert served.network.requests == []


def test_a_proxy_does_not_change_the_trusted_authorities(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://{served.proxy}")
    with pytest.raises(DeploymentError, match="CERTIFICATE_VERIFY_FAILED"):
        find_client(f"https://{HOST}")
    make = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda: make(cafile=str(served.network.certificate)))
    assert find_client(f"https://{HOST}")


def test_the_error_of_a_proxy_hides_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:hunter2@127.0.0.1:1")
    with pytest.raises(DeploymentError, match="cannot be reached") as failure:
        find_client(f"https://{HOST}")
    assert "hunter2" not in failure.value.message


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_a_deployment_on_this_machine_never_goes_through_a_proxy(
    served: Served, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, f"http://{served.proxy}")
    monkeypatch.setenv("SSL_CERT_FILE", str(served.network.certificate))
    assert find_client(served.root_url)
    assert served.network.requests == []


def test_http_proxy_is_not_used_for_this_machine(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox() as tc:
        tc.create_client("somebody/x", ["a"])
        for variable in ("HTTP_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(variable, f"http://{served.proxy}")
        assert find_client(tc.root_url)
    assert served.network.requests == []


def test_netrc_does_not_replace_the_signature(home: Path, deployment: Sandbox) -> None:
    client = deployment.create_client("somebody/x", ["a"])
    netrc = home / ".netrc"
    netrc.write_text("machine localhost login other password hunter2\n")
    netrc.chmod(0o600)
    vouched = Deployment(deployment.root_url).confirm(Credentials("somebody/x", client.access_token))
    assert vouched.client is not None


def test_all_calls_share_a_connection_without_cookies(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(served.network.certificate))
    there = Deployment(served.root_url)
    for _ in range(3):
        assert there.find_client("somebody/x")
    there.ping()
    assert len(served.headers) == 4
    assert len(served.connections) == 1
    assert not any("Cookie" in headers for headers in served.headers)


def test_a_redirect_is_not_followed(deployment: Sandbox) -> None:
    with Sandbox() as tc:
        client = tc.create_client("somebody/x", ["a"])
        for fault in ("redirect", "redirect-307"):
            tc.fail(fault, location=f"{deployment.root_url}/api/auth/v1/scopes/current")
            with pytest.raises(DeploymentError, match="redirect"):
                Deployment(tc.root_url).confirm(Credentials("somebody/x", client.access_token))
            tc.heal()
        assert deployment.requests == []


def test_a_temporary_failure_is_retried(deployment: Sandbox) -> None:
    client = deployment.create_client("somebody/x", ["a"])
    me = Credentials("somebody/x", client.access_token)
    for fault in ("unavailable", "hang-up", "cut-off"):
        deployment.fail(fault, times=2)
        assert Deployment(deployment.root_url).confirm(me).client is not None


def test_a_call_imports_no_slow_library(deployment: Sandbox) -> None:
    """`taskcluster` takes as long to import as eleven interpreters take to start, `urllib3` as eight."""
    client = deployment.create_client("somebody/x", ["a"])
    program = (
        "import sys\nfrom tcenv.deployment.auth import Deployment\nfrom tcenv.deployment.credentials import Credentials\n"
        f"Deployment({deployment.root_url!r}).confirm(Credentials('somebody/x', sys.stdin.read()))\n"
        "print({'requests', 'urllib3', 'mohawk', 'taskcluster'} & set(sys.modules), len(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=client.access_token, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.startswith("set() ") and int(done.stdout.split()[1]) < 190


def test_only_the_documented_variables_name_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TCENV_PROXY", "my_proxy", "FTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:1 work https://tc.example.com")
    assert find_proxy("https://tc.example.com/api") is None
    monkeypatch.setenv("ALL_PROXY", "gate.example.com:3128")
    assert find_proxy("https://tc.example.com/api") == urlsplit("http://gate.example.com:3128")


@pytest.mark.parametrize(
    "address",
    ["socks5://me:hunter2@127.0.0.1:1080", "http://me:hunter2@gate:port", "http://", "https://me:hunter2@127.0.0.1:1"],
)
def test_an_unusable_proxy_is_an_error_without_its_password(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(DeploymentError, match=r"HTTPS_PROXY|https:// address") as failure:
        find_client(f"https://{HOST}")
    assert "hunter2" not in failure.value.message


def test_a_request_given_up_during_the_look_up_is_never_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look-up of the name takes longer than the command may, so a later request would surprise the user."""
    connect, looked_up, connected = socket.create_connection, threading.Event(), threading.Event()

    def slowly(*arguments: Any, **named: Any) -> socket.socket:
        looked_up.wait(60)
        made = connect(*arguments, **named)
        connected.set()
        return made

    with Sandbox() as tc:
        client = tc.create_client("somebody/x", ["auth:*"])
        monkeypatch.setattr(socket, "create_connection", slowly)
        there = Deployment(tc.root_url, deadline=time.monotonic() + 0.2)
        with pytest.raises(DeploymentError, match="in time"):
            there.reset_token(Credentials("somebody/x", client.access_token), "somebody/x")
        exchanges = [thread for thread in threading.enumerate() if type(thread).__name__ == "_Exchange"]
        looked_up.set()
        assert connected.wait(60)
        for thread in exchanges:
            thread.join(60)
        assert exchanges and tc.requests == []
        assert tc.clients["somebody/x"].access_token == client.access_token


def test_without_authorities_of_the_system_certifis_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system = ssl.get_default_verify_paths()
    for there in (system._replace(cafile=None, capath=None), system._replace(cafile=None, capath=str(tmp_path))):  # type: ignore[arg-type]
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda there=there: there)
        assert make_ssl_context().cert_store_stats()["x509_ca"] > 50
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert make_ssl_context().cert_store_stats()["x509_ca"] == 0
    assert make_ssl_context().check_hostname and make_ssl_context().verify_mode is ssl.CERT_REQUIRED
