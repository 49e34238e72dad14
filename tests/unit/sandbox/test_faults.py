"""Check that each fault of the sandbox does what its name says, and ends when it should."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import zlib
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from tcenv.sandbox import FAULTS, Sandbox, faults
from tests.clients import make_auth
from tests.portholder import wait_until

CLIENT = "/api/auth/v1/clients/me"


def receive(deployment: Sandbox, most: int = 100_000, seconds: float = 0.5) -> bytes:
    """Request a client, and return up to `most` bytes, or all until nothing more comes for some seconds."""
    with socket.create_connection(("127.0.0.1", deployment.port)) as connection:
        connection.settimeout(seconds)
        connection.sendall(f"GET {CLIENT} HTTP/1.1\r\nHost: localhost:{deployment.port}\r\n\r\n".encode())
        got = b""
        try:
            while len(got) < most:
                piece = connection.recv(65536)
                if not piece:
                    break
                got += piece
        except TimeoutError:
            return got + b"(timeout)"
        return got


def fetch_client(deployment: Sandbox) -> Any:
    return requests.get(f"{deployment.root_url}{CLIENT}").json()


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_a_fault_affects_its_path_only_and_heal_ends_it(fault: str, deployment: Sandbox) -> None:
    deployment.create_client("me", ["a"])
    deployment.fail(fault, path=CLIENT, pace=0.001, size=1 << 20)
    got = receive(deployment, most=200, seconds=0.2)
    assert make_auth(deployment).ping()["alive"] is True
    deployment.heal()
    assert make_auth(deployment).client("me")["scopes"] == ["a"]
    assert FAULTS[fault].about
    assert got or fault == "hang-up"
    assert len(deployment.requests) == 3


def test_a_fault_may_have_a_count_a_duration_and_a_method(deployment: Sandbox) -> None:
    url = f"{deployment.root_url}/api/auth/v1/ping"
    deployment.fail("unavailable", times=2)
    assert [requests.get(url).status_code for _ in range(3)] == [503, 503, 200]
    deployment.fail("broken", seconds=100)
    assert requests.get(url).status_code == 500
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(faults, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 101))
        assert requests.get(url).status_code == 200
    deployment.fail("bad-gateway", method="PUT", path="/api/auth/v1/clients/")
    assert requests.get(url).status_code == 200
    assert requests.put(f"{deployment.root_url}{CLIENT}").status_code == 502
    deployment.fail("html", path="/", times=1)
    assert "<!doctype html>" in requests.get(deployment.root_url).text
    with pytest.raises(KeyError):
        deployment.fail("nothing of the kind")
    with pytest.raises(TypeError):
        deployment.fail("drip", speed=1)


def test_faults_without_a_complete_answer(deployment: Sandbox) -> None:
    deployment.fail("silent")
    assert receive(deployment) == b"(timeout)"
    deployment.heal()
    deployment.fail("hang-up")
    assert receive(deployment) == b""
    deployment.heal()
    deployment.fail("cut-off")
    head, _, body = receive(deployment).partition(b"\r\n\r\n")
    assert b"Content-Length: 1000" in head
    assert body == b'{"clientId": "'


def test_faults_without_an_end(deployment: Sandbox) -> None:
    for fault, begin in (
        ("endless", b"HTTP/1.1 200 OK"),
        ("endless-head", b"HTTP/1.1 200 OK\r\nX-More: a"),
        ("endless-continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100"),
    ):
        deployment.fail(fault, pace=0.0001)
        got = receive(deployment, most=20_000, seconds=60)
        assert got.startswith(begin)
        assert len(got) >= 20_000
        deployment.heal()
    deployment.fail("drip", pace=0.01)
    got = receive(deployment, most=400, seconds=60)
    assert got.endswith(b"1\r\n \r\n")


def test_a_compression_bomb_is_small_on_the_wire(deployment: Sandbox) -> None:
    deployment.fail("bomb", size=64 << 20)
    answer = requests.get(f"{deployment.root_url}{CLIENT}", stream=True)
    packed = b"".join(answer.raw.stream(65536, decode_content=False))
    assert len(packed) < 200_000
    assert zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed) == b" " * (64 << 20)
    assert answer.headers["Content-Encoding"] == "gzip"
    deployment.heal()
    deployment.fail("not-gzip")
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(receive(deployment).split(b"\r\n\r\n")[1])


def test_a_lie_changes_one_part_of_the_true_answer(deployment: Sandbox) -> None:
    deployment.create_client("me", ["a"])

    def lie(fault: str, **options: Any) -> Any:
        deployment.heal()
        deployment.fail(fault, **options)
        return fetch_client(deployment)

    assert lie("other-client", client_id="you")["clientId"] == "you"
    assert "clientId" not in lie("missing-fields")
    assert "scopes" in lie("missing-fields", fields=("expires",))
    assert (lie("wrong-types")["clientId"], lie("wrong-types")["scopes"]) == (["me"], {"0": ["a"]})
    assert lie("no-time")["expires"] == "tomorrow"
    assert "\x1b" in lie("odd-characters")["clientId"]
    assert len(lie("many-scopes")["scopes"]) == 100_000
    assert lie("disabled")["disabled"] is True
    assert lie("null-fields")["clientId"] is None
    deployment.heal()
    assert fetch_client(deployment)["clientId"] == "me"


def test_a_call_with_a_false_answer_takes_effect(deployment: Sandbox) -> None:
    creator = deployment.create_client("c", ["auth:create-client:*"])
    deployment.fail("no-token", times=1)
    made = make_auth(deployment, creator).createClient("new", {"description": "", "expires": "2100-01-01T00:00:00Z"})
    assert made["accessToken"] == ""
    assert len(deployment.clients["new"].access_token) == 44


def test_faults_of_the_clock(deployment: Sandbox) -> None:

    def measure() -> float:
        answer = requests.get(f"{deployment.root_url}/api/auth/v1/ping")
        return round(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time(), -1)

    assert measure() == 0
    deployment.fail("clock", ahead=-7200)
    assert measure() == -7200
    deployment.heal()
    deployment.fail("stale")
    assert measure() == 3600
    assert "Stale timestamp" in requests.get(f"{deployment.root_url}/api/auth/v1/ping").json()["message"]


def test_a_sandbox_ends_while_a_client_waits() -> None:
    waiting: list[bytes] = []
    with Sandbox() as deployment:
        deployment.fail("silent")
        thread = threading.Thread(target=lambda: waiting.append(receive(deployment, seconds=60)))
        thread.start()
        wait_until(lambda: deployment.requests)
    thread.join(60)
    assert waiting == [b""]
