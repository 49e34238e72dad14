"""Stream bodies and answers through a running proxy, sign URLs, and log the calls."""

from __future__ import annotations

import http.client
import json
import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import taskcluster
from aiohttp import web

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint, PayloadHash
from tests.calls import LOOPBACK, PING, send_plain, send_signed
from tests.proxy import CLIENT, TOKEN, FakeDeployment, RunningProxy, SeenRequest, run_proxy


@pytest.mark.parametrize("size", [0, 1, 1000, 64 * 2**10, 64 * 2**10 + 1, 3 * 2**20])
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("hashed", [False, True])
def test_bodies_are_forwarded_unchanged(
    size: int, chunked: bool, hashed: bool, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    body = os.urandom(size)
    payload = PayloadHash("application/json")
    payload.update(body)
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    endpoint = Endpoint("127.0.0.1", proxy.port, "/api/x/v1/y")
    authorization = hawk.make_header(
        CLIENT, proxy.run.token, "PUT", endpoint, now=time.time(), payload_hash=payload.digest() if hashed else ""
    )
    sent: Any = iter([body[:100], body[100:]]) if chunked else body
    connection.request(
        "PUT",
        "/api/x/v1/y",
        sent,
        {"Authorization": authorization, "Content-Type": "application/json; x"},
        encode_chunked=chunked,
    )
    answer = connection.getresponse()
    assert (answer.status, json.load(answer)["length"]) == (200, size)
    (seen,) = upstream.requests
    assert (seen.body == body, seen.hashed) == (True, hashed)
    # The proxy may or may not know yet that an empty chunked body has ended.
    assert (seen.header("Content-Length") is None) == chunked or (chunked and size == 0)


@pytest.mark.parametrize("size", [1, 70_000, 3 * 2**20])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_with_a_wrong_hash_never_completes(
    size: int, chunked: bool, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    body = os.urandom(size)
    payload = PayloadHash()
    payload.update(body + b"x")
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=60)
    endpoint = Endpoint("127.0.0.1", proxy.port, "/api/x/v1/y")
    authorization = hawk.make_header(
        CLIENT, proxy.run.token, "PUT", endpoint, now=time.time(), payload_hash=payload.digest()
    )
    sent: Any = iter([body]) if chunked else body
    connection.request("PUT", "/api/x/v1/y", sent, {"Authorization": authorization}, encode_chunked=chunked)
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (401, b"")
    # The deployment answers bodies that are whole alone.
    assert upstream.requests == []


def test_curl_gets_100_continue(upstream: FakeDeployment, tmp_path: Path) -> None:
    big = tmp_path / "big"
    big.write_bytes(os.urandom(3 * 2**20))
    with run_proxy(upstream.root_url, unsigned=True) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/{proxy.run.secret}/queue/v1/x"
        command = ["curl", "-sS", "--expect100-timeout", "20", "-H", "Expect: 100-continue", "-T", str(big), url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert json.loads(done.stdout.splitlines()[0])["length"] == 3 * 2**20, done.stderr
    assert upstream.requests[0].header("Expect") is None


def test_an_incomplete_answer_stays_incomplete(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "200000"} if "length" in seen.target else {})
        await response.prepare(request)
        await response.write(b"x" * 100000)
        assert request.transport
        request.transport.abort()
        return response

    upstream.handlers["/api/x"] = answer
    for target in ("/api/x/v1/length", "/api/x/v1/chunked"):
        with pytest.raises((requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)):
            send_signed(proxy, "GET", target)


def test_an_unreachable_deployment_is_a_502(upstream: FakeDeployment) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with run_proxy(f"http://127.0.0.1:{nobody.getsockname()[1]}") as proxy:
            answer = send_signed(proxy, "GET", PING)
            assert (answer.status_code, answer.json()["code"]) == (502, "DeploymentUnreachable")


def test_no_redirect_is_followed_and_no_netrc_read(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    (Path(os.environ["HOME"]) / ".netrc").write_text("machine 127.0.0.1 login x password y\n")

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": f"{upstream.root_url}{PING}"})

    upstream.handlers["/api/x"] = answer
    got = send_signed(proxy, "GET", "/api/x/v1/y")
    assert (got.status_code, got.headers["Location"]) == (302, f"{upstream.root_url}{PING}")
    (seen,) = upstream.requests
    assert seen.client_id == CLIENT


def test_a_signed_url_has_the_callers_scopes(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, scopes=("queue:a",)) as proxy:
        for url in (f"{upstream.root_url}{PING}?x=%20", f"{proxy.make_url('localhost')}{PING}?x=%20"):
            answer = send_signed(proxy, "POST", "/bewit", body=url.encode())
            assert (answer.status_code, answer.text) == (303, answer.headers["Location"])
            endpoint = Endpoint.from_url(answer.text)
            parts = hawk.split_bewit(endpoint.resource)
            assert parts is not None
            assert answer.text.startswith(f"{upstream.root_url}{PING}?x=%20&bewit=")
            bewit = hawk.parse_bewit(parts[1])
            hawk.check_bewit(bewit, TOKEN, Endpoint(endpoint.host, endpoint.port, parts[0]), now=time.time())
            assert 890 <= bewit.exp - time.time() <= 900
            assert hawk.parse_extension(bewit.ext) == {"authorizedScopes": ["queue:a"]}
        for url in (
            "https://elsewhere.example.com/api/queue/v1/ping",
            f"{upstream.root_url}.example.com{PING}",
            upstream.root_url,
            "x",
            f"{upstream.root_url}/tasks",
            f"{upstream.root_url}/api/hooks/v1/hooks/a/b/token",
        ):
            assert send_signed(proxy, "POST", "/bewit", body=url.encode()).status_code == 403
        chunked = send_signed(proxy, "POST", "/bewit", chunks=[upstream.root_url.encode(), PING.encode()])
        assert chunked.text.startswith(f"{upstream.root_url}{PING}?bewit=")
        for body in (f"{upstream.root_url}{PING}?bewit=x", f"{upstream.root_url}{PING}?{'x' * 9000}"):
            assert send_signed(proxy, "POST", "/bewit", body=body.encode()).status_code == 400
        line = next(line for line in proxy.read_log() if line["path"] == "/bewit")
        assert line["note"] == f"signed GET {PING}"
        assert "bewit=" not in proxy.log.read_text()
    assert upstream.requests == []


@pytest.mark.parametrize("host", LOOPBACK)
def test_a_url_signed_by_a_program_works(host: str, upstream: FakeDeployment, proxy: RunningProxy) -> None:
    options = {"rootUrl": proxy.make_url(host), "credentials": proxy.credentials(), "authorizedScopes": ["queue:a"]}
    for number in range(8):
        url = taskcluster.Index(options).buildSignedUrl("findArtifactFromTask", f"x{number}", "public/y z")
        answer = requests.get(url, allow_redirects=False)
        assert answer.status_code == 200, answer.text
        assert upstream.requests[-1].target == f"/api/index/v1/task/x{number}/artifacts/public%2Fy%20z"
        assert upstream.requests[-1].scopes == ["queue:a"]
    assert requests.get(url + "x").status_code == 401
    assert requests.get(url.replace("task/x", "task/y")).status_code == 401
    assert requests.put(url).status_code == 401
    assert "bewit" not in proxy.log.read_text()


def test_the_log_names_calls_and_holds_no_secret(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, scopes=("queue:a",)) as proxy:
        send_signed(proxy, "GET", f"{PING}?secret=value")
        send_signed(proxy, "PUT", "/api/secrets/v1/secret/x%0Ay", body=b"body-secret")
        send_signed(proxy, "POST", "/api/hooks/v1/hooks/a/b/trigger/TriggerTokenSecret")
        send_plain(proxy, "GET", f"/api/queue/v1/{proxy.run.token}")
        lines = proxy.read_log()
        text = proxy.log.read_text()
    assert [(line["method"], line["path"], line["status"], line["scopes"]) for line in lines] == [
        ("GET", PING, 200, ["queue:a"]),
        ("PUT", "/api/secrets/v1/secret/x%0Ay", 200, ["queue:a"]),
        ("POST", "/api/hooks/v1/hooks/a/b/trigger/…", 200, ["queue:a"]),
        ("GET", "/api/queue/v1/…", 401, None),
    ]
    assert all(line["ms"] >= 0 and line["time"].endswith("Z") for line in lines)
    for secret in ("value", "body-secret", "TriggerTokenSecret", proxy.run.token, TOKEN):
        assert secret not in text
    assert stat.S_IMODE(proxy.log.stat().st_mode) == 0o600


def test_the_port_is_closed_after_the_run(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 200
    for host in ("127.0.0.1", "::1"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((host, proxy.port)).close()


def test_the_real_client_works_through_the_proxy(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    queue = taskcluster.Queue({"rootUrl": proxy.root_url, "credentials": proxy.credentials(), "maxRetries": 0})
    assert queue.ping()["target"] == PING
    assert queue.createTask("abc", {"x": "y"})["length"] == 9
    assert [seen.client_id for seen in upstream.requests] == [CLIENT, CLIENT]
    assert sys.version_info >= (3, 11)
