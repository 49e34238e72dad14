"""Compare the sandbox's server with the web server of a real deployment, and check that it serves this machine only."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from taskcluster.exceptions import TaskclusterConnectionError, TaskclusterRestFailure

from tcenv.sandbox import Sandbox
from tests.clients import get_rejection, make_auth, make_client_body

NAME = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv"


def test_the_server_listens_on_loopback_only(deployment: Sandbox) -> None:
    for host in ("127.0.0.1", "[::1]", "localhost"):
        assert requests.get(f"http://{host}:{deployment.port}/api/auth/v1/ping").status_code == 200
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        local, state = line.split()[1], line.split()[3]
        if state == "0A" and local.endswith(f":{deployment.port:04X}"):
            assert local.startswith("0100007F:")


def test_another_host_name_is_a_421(deployment: Sandbox) -> None:
    for host in ("evil.example", f"evil.example:{deployment.port}", "localhost:1", "localhost"):
        answer = requests.get(f"{deployment.root_url}/api/auth/v1/ping", headers={"Host": host})
        assert answer.status_code == 421


def test_a_page_of_another_origin_cannot_press_the_buttons(deployment: Sandbox) -> None:
    save = {**make_client_body([]), "clientId": f"{deployment.user}/x", "loaded": 0.0}
    url = f"{deployment.root_url}/sandbox/create"
    answer = requests.post(url, data=json.dumps(save), headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert not deployment.clients
    assert requests.post(url, json=save).status_code == 200


def test_a_given_port_is_used_unless_it_is_in_use() -> None:
    with Sandbox() as tc:
        with pytest.raises(OSError, match="in use"), Sandbox(port=tc.port):
            pass
        port = tc.port
    with Sandbox(port=port) as tc:
        assert tc.root_url == f"http://localhost:{port}"


def test_a_stopped_server_closes_its_port_and_its_connections() -> None:
    with requests.Session() as session:
        with Sandbox() as tc:
            session.get(f"{tc.root_url}/api/auth/v1/ping")
        with pytest.raises(requests.ConnectionError):
            session.get(f"{tc.root_url}/api/auth/v1/ping")
    with pytest.raises(TaskclusterConnectionError):
        make_auth(tc).ping()


def test_garbage_gets_an_error_and_the_server_goes_on(deployment: Sandbox) -> None:
    for garbage in (b"", b"\0" * 100, b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"PUT /\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", deployment.port)) as connection:
            connection.sendall(garbage)
    large = {"Content-Length": str(1 << 30)}
    assert requests.post(f"{deployment.root_url}/api/auth/v1/scopes/expand", headers=large).status_code == 413
    assert requests.post(f"{deployment.root_url}/api/auth/v1/scopes/expand", data="{").status_code == 403
    assert requests.get(f"{deployment.root_url}/api/auth/v1/nothing").status_code == 404
    assert make_auth(deployment).ping()["alive"] is True


def test_the_recorded_requests_have_no_token(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME)
    make_auth(deployment, client).currentScopes()
    get_rejection(make_auth(deployment, {"clientId": NAME, "accessToken": "x" * 44}).currentScopes)
    signed, rejected = deployment.requests
    assert (signed.method, signed.path) == ("GET", "/api/auth/v1/scopes/current")
    assert (signed.client_id, signed.status) == (NAME, 200)
    assert (rejected.client_id, rejected.status) == (None, 401)
    assert client.access_token not in repr(deployment.requests) + repr(deployment.clients)


def test_many_calls_at_once(deployment: Sandbox) -> None:
    admin = make_auth(deployment, deployment.create_client("admin", ["*"]))

    def create(number: int) -> bool:
        try:
            return bool(admin.createClient(f"c{number % 8}", make_client_body([], description=str(number))))
        except TaskclusterRestFailure:
            return False

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(create, range(64))) == 8
    assert len(deployment.requests) == 64


def test_the_clock_moves_on_by_itself(deployment: Sandbox) -> None:
    deployment.clock_offset = 86400
    assert abs(deployment.now() - time.time() - 86400) < 60


@pytest.mark.parametrize(("length", "status"), [(8177, 200), (8178, 414), (100_000, 414)])
@pytest.mark.parametrize("path", ["/auth/clients/create?name=", "/api/auth/v1/ping?x="])
def test_an_address_has_at_most_8177_characters(path: str, length: int, status: int, deployment: Sandbox) -> None:
    answer = requests.get(deployment.root_url + path + "x" * (length - len(path)))
    assert answer.status_code == status
    if status == 414:
        assert "414 Request-URI Too Large" in answer.text


def test_an_endless_address_is_refused_early(deployment: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", deployment.port)) as connection:
        connection.sendall(b"GET /" + b"x" * 9000)
        assert connection.recv(100).startswith(b"HTTP/1.1 414 ")


def test_a_port_can_be_used_again_at_once() -> None:
    with requests.Session() as session:
        port = 0
        for _ in range(3):
            with Sandbox(port=port) as tc:
                port = tc.port
                # The server hangs up on this one, whose port lingers then.
                assert session.get(f"{tc.root_url}/api/auth/v1/ping").ok
                lingering = socket.create_connection(("127.0.0.1", port))
                lingering.sendall(b"GET /")
            lingering.close()


def test_pipelined_requests_are_answered_in_order(deployment: Sandbox) -> None:
    with socket.create_connection(("::1", deployment.port)) as connection:
        host = f"Host: localhost:{deployment.port}\r\n".encode()
        piped = b"".join(
            b"GET /api/auth/v1/%b HTTP/1.1\r\n%b%b\r\n" % (name, host, b"Connection: close\r\n" if last else b"")
            for name, last in ((b"ping", False), (b"nothing", False), (b"__version__", True))
        )
        for byte in piped[:40]:
            connection.sendall(bytes((byte,)))
        connection.sendall(piped[40:])
        got = b""
        while piece := connection.recv(65536):
            got += piece
        assert re.findall(rb"HTTP/1\.1 (\d+)", got) == [b"200", b"404", b"200"]
        assert b"v106" in got.rpartition(b"\r\n\r\n")[2]


def test_a_body_may_come_in_chunks_and_after_100_continue(deployment: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", deployment.port)) as connection:
        head = f"PUT /api/auth/v1/clients/x HTTP/1.1\r\nHost: localhost:{deployment.port}\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        body = json.dumps(make_client_body(["b", "a"])).encode()
        for piece in (body[:7], body[7:]):
            connection.sendall(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
        connection.sendall(b"0\r\nTrailer: x\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 403 ")  # read, and understood


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/2\r\n\r\n", b"get / HTTP/1.1\r\n\r\n", b"GET / x HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nnothing\r\n\r\n",
     b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", b"\x16\x03\x01\x02\r\n\r\n"],
)  # fmt: skip
def test_a_malformed_request_is_a_400(garbage: bytes, deployment: Sandbox) -> None:
    with socket.create_connection(("127.0.0.1", deployment.port)) as connection:
        connection.sendall(garbage)
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")
