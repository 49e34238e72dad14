"""A deployment that fails and lies on demand: each fault is what its name says, and ends when it should."""

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


def raw(tc: Sandbox, path: str = CLIENT, most: int = 100_000, patience: float = 0.5) -> bytes:
    """What comes back on a connection, up to `most` bytes or until nothing more comes."""
    with socket.create_connection(("127.0.0.1", tc.port)) as connection:
        connection.settimeout(patience)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{tc.port}\r\n\r\n".encode())
        got = b""
        try:
            while len(got) < most:
                piece = connection.recv(65536)
                if not piece:
                    break
                got += piece
        except TimeoutError:
            return got + b"(waits)"
        return got


def body_of(tc: Sandbox) -> Any:
    """The JSON of an answer."""
    return requests.get(f"{tc.root_url}{CLIENT}").json()


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_nobody_else_is_disturbed_and_healing_helps(fault: str) -> None:
    with Sandbox() as tc:
        tc.create_client("me", ["a"])
        tc.fail(fault, path=CLIENT, pace=0.001, size=1 << 20)
        got = raw(tc, most=200, patience=0.2)
        assert make_auth(tc).ping()["alive"] is True
        tc.heal()
        assert make_auth(tc).client("me")["scopes"] == ["a"]
        assert FAULTS[fault].about
        assert got or fault == "hang-up"
        assert len(tc.requests) == 3


def test_for_some_calls_for_some_time_for_some_method() -> None:
    with Sandbox() as tc:
        url = f"{tc.root_url}/api/auth/v1/ping"
        tc.fail("unavailable", times=2)
        assert [requests.get(url).status_code for _ in range(3)] == [503, 503, 200]
        tc.fail("broken", seconds=100)
        assert requests.get(url).status_code == 500
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(faults, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + 101))
            assert requests.get(url).status_code == 200
        tc.fail("bad-gateway", method="PUT", path="/api/auth/v1/clients/")
        assert requests.get(url).status_code == 200
        assert requests.put(f"{tc.root_url}{CLIENT}").status_code == 502
        tc.fail("html", path="/", times=1)
        assert "<!doctype html>" in requests.get(tc.root_url).text
        with pytest.raises(KeyError):
            tc.fail("nothing of the kind")
        with pytest.raises(TypeError):
            tc.fail("drip", speed=1)


def test_what_never_answers() -> None:
    with Sandbox() as tc:
        tc.fail("silent")
        assert raw(tc) == b"(waits)"
        tc.heal()
        tc.fail("hang-up")
        assert raw(tc) == b""
        tc.heal()
        tc.fail("cut-off")
        head, _, body = raw(tc).partition(b"\r\n\r\n")
        assert b"Content-Length: 1000" in head
        assert body == b'{"clientId": "'


def test_what_never_ends() -> None:
    with Sandbox() as tc:
        for fault, begin in (
            ("endless", b"HTTP/1.1 200 OK"),
            ("endless-head", b"HTTP/1.1 200 OK\r\nX-More: a"),
            ("endless-continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100"),
        ):
            tc.fail(fault, pace=0.0001)
            got = raw(tc, most=20_000, patience=60)
            assert got.startswith(begin)
            assert len(got) >= 20_000
            tc.heal()
        tc.fail("drip", pace=0.01)
        got = raw(tc, most=400, patience=60)
        assert got.endswith(b"1\r\n \r\n")


def test_a_bomb_is_small_on_the_wire_and_large_inside() -> None:
    with Sandbox() as tc:
        tc.fail("bomb", size=64 << 20)
        answer = requests.get(f"{tc.root_url}{CLIENT}", stream=True)
        packed = b"".join(answer.raw.stream(65536, decode_content=False))
        assert len(packed) < 200_000
        assert zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed) == b" " * (64 << 20)
        assert answer.headers["Content-Encoding"] == "gzip"
        tc.heal()
        tc.fail("not-gzip")
        with pytest.raises(gzip.BadGzipFile):
            gzip.decompress(raw(tc).split(b"\r\n\r\n")[1])


def test_lies_are_made_of_the_truth() -> None:
    with Sandbox() as tc:
        tc.create_client("me", ["a"])

        def lie(fault: str, **options: Any) -> Any:
            tc.heal()
            tc.fail(fault, **options)
            return body_of(tc)

        assert lie("other-client", client_id="you")["clientId"] == "you"
        assert "clientId" not in lie("missing-fields")
        assert "scopes" in lie("missing-fields", fields=("expires",))
        assert (lie("wrong-types")["clientId"], lie("wrong-types")["scopes"]) == (["me"], {"0": ["a"]})
        assert lie("no-time")["expires"] == "tomorrow"
        assert "\x1b" in lie("odd-characters")["clientId"]
        assert len(lie("many-scopes")["scopes"]) == 100_000
        assert lie("disabled")["disabled"] is True
        assert lie("null-fields")["clientId"] is None
        tc.heal()
        assert body_of(tc)["clientId"] == "me"


def test_what_is_asked_for_happens_where_only_the_answer_is_a_lie() -> None:
    with Sandbox() as tc:
        creator = tc.create_client("c", ["auth:create-client:*"])
        tc.fail("no-token", times=1)
        made = make_auth(tc, creator).createClient("new", {"description": "", "expires": "2100-01-01T00:00:00Z"})
        assert made["accessToken"] == ""
        assert len(tc.clients["new"].access_token) == 44


def test_the_clock() -> None:
    with Sandbox() as tc:

        def ahead() -> float:
            answer = requests.get(f"{tc.root_url}/api/auth/v1/ping")
            return round(parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time(), -1)

        assert ahead() == 0
        tc.fail("clock", ahead=-7200)
        assert ahead() == -7200
        tc.heal()
        tc.fail("stale")
        assert ahead() == 3600
        assert "Stale timestamp" in requests.get(f"{tc.root_url}/api/auth/v1/ping").json()["message"]


def test_a_sandbox_ends_while_somebody_waits() -> None:
    waiting: list[bytes] = []
    with Sandbox() as tc:
        tc.fail("silent")
        thread = threading.Thread(target=lambda: waiting.append(raw(tc, patience=60)))
        thread.start()
        wait_until(lambda: tc.requests)
    thread.join(60)
    assert waiting == [b""]
