"""Change the session while a proxy runs: resets, renewals, new sign-ins and its end reach running programs."""

from __future__ import annotations

import dataclasses
import gzip
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from tcenv.deployment.credentials import Credentials
from tcenv.proxy import body as bodies
from tcenv.proxy import server
from tcenv.proxy import signer as module
from tcenv.sessions.lock import hold_sign_in_lock
from tests.calls import PING, send_signed
from tests.portholder import wait_until
from tests.proxy import CLIENT, PROFILE, TOKEN, FakeDeployment, RunningProxy, SeenRequest, make_session, run_proxy
from tests.reliability.record import scale

NEWER = "NewerTokenThatNoProgramMayEverSee_-123456789"


def reset(
    upstream: FakeDeployment, proxy: RunningProxy, token: str = NEWER, may_save: Callable[[], bool] = lambda: True
) -> None:
    """Reset the token as `login --reset` does: at the deployment, and in the store once `may_save` returns true."""
    with hold_sign_in_lock(PROFILE, 10, lambda: None):
        upstream.tokens[CLIENT] = token
        wait_until(may_save)
        proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(CLIENT, token)))


def test_the_next_call_uses_the_new_token(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    assert send_signed(proxy, "GET", PING).status_code == 200
    reset(upstream, proxy)
    assert send_signed(proxy, "GET", PING).status_code == 200
    assert len(upstream.requests) == 2


@pytest.mark.parametrize(
    ("size", "chunked"), [(0, False), (10, False), (70_000, False), (2**24, False), (10, True), (2**24, True)]
)
def test_a_call_during_a_reset_waits_and_is_sent_again(
    size: int, chunked: bool, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    sent: dict[str, Any] = {"chunks": [b"x" * size]} if chunked else {"body": b"x" * size}
    with ThreadPoolExecutor() as pool:
        # The deployment refuses the call before the new token is stored.
        resetting = pool.submit(reset, upstream, proxy, NEWER, lambda: bool(upstream.requests))
        wait_until(lambda: upstream.tokens[CLIENT] != TOKEN)
        answer = send_signed(proxy, "PUT", PING, **sent)
        resetting.result()
    assert (answer.status_code, answer.json()["length"]) == (200, size)
    assert [seen.client_id for seen in upstream.requests] == [None, CLIENT]


def test_no_call_fails_across_resets(upstream: FakeDeployment) -> None:
    count = max(300, scale(1000))

    def count_refused() -> int:
        return len([seen for seen in upstream.requests if not seen.client_id])

    answers: list[int] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            answers.append(send_signed(proxy, "PUT", PING, body=b"x" * 100).status_code)

    with run_proxy(upstream.root_url) as proxy, ThreadPoolExecutor(4) as pool:
        calling = [pool.submit(call) for _ in range(4)]
        try:
            for number in range(3):
                wait_until(lambda: len(answers) >= count // 4 * (number + 1))  # noqa: B023
                refused = count_refused()
                reset(upstream, proxy, f"{NEWER[:-1]}{number}", lambda: count_refused() > refused)  # noqa: B023
            wait_until(lambda: len(answers) >= count)
        finally:
            over.set()
        for each in calling:
            each.result()
    assert set(answers) == {200}
    assert len([seen for seen in upstream.requests if seen.client_id]) == len(answers)


def test_a_refusal_without_a_reset_is_returned_at_once(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    upstream.tokens.clear()
    answer = send_signed(proxy, "GET", PING)
    assert (answer.status_code, "not found" in answer.json()["message"]) == (401, True)
    assert len(upstream.requests) == 1


def test_a_call_waits_only_so_long_for_a_reset(upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.RESET_TIMEOUT == 10
    monkeypatch.setattr(module, "RESET_TIMEOUT", 0.2)
    with run_proxy(upstream.root_url) as proxy, hold_sign_in_lock(PROFILE, 10, lambda: None):
        upstream.tokens[CLIENT] = NEWER
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert len(upstream.requests) == 1


def test_a_body_too_long_to_keep_is_not_sent_again(upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bodies.KEPT == 16 * 2**20
    monkeypatch.setattr(bodies, "KEPT", 80_000)
    with run_proxy(upstream.root_url) as proxy:
        upstream.tokens[CLIENT] = NEWER
        proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(CLIENT, "Wrong" * 8)))
        with ThreadPoolExecutor() as pool:
            waiting = threading.Event()

            async def late(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
                waiting.set()
                return web.json_response({})

            upstream.handlers["/api/queue"] = late
            call = pool.submit(send_signed, proxy, "PUT", PING, body=b"x" * 80_001)
            assert call.result().status_code == 401
            assert not waiting.is_set()
        reset(upstream, proxy)
        assert send_signed(proxy, "PUT", PING, body=b"x" * 80_001).status_code == 200


def test_a_new_sign_in_may_have_another_client(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    other = f"{CLIENT}@2"
    upstream.tokens[other] = NEWER
    proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(other, NEWER)))
    assert send_signed(proxy, "GET", PING).status_code == 200
    assert upstream.requests[0].client_id == other


def test_calls_cannot_change_the_client_of_a_new_sign_in(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    other = "github/1|jo/other"
    upstream.tokens[other] = NEWER
    target = "/api/auth/v1/clients/github%2F1%7Cjo%2Fother"
    assert send_signed(proxy, "DELETE", target).status_code == 200
    proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(other, NEWER)))
    assert send_signed(proxy, "DELETE", target).status_code == 403
    # The first client of the run is protected as well.
    assert send_signed(proxy, "DELETE", f"/api/auth/v1/clients/{quote(CLIENT, safe='')}").status_code == 403
    assert [seen.client_id for seen in upstream.requests] == [CLIENT]


def test_after_a_logout_the_401_says_how_to_sign_in(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    proxy.store.forget(PROFILE)
    answer = send_signed(proxy, "GET", PING)
    assert answer.status_code == 401
    assert f"tcenv login {PROFILE}" in answer.json()["message"]
    assert send_signed(proxy, "POST", "/bewit", body=f"{upstream.root_url}{PING}".encode()).status_code == 401
    proxy.store.save(proxy.session)
    assert send_signed(proxy, "GET", PING).status_code == 200
    assert len(upstream.requests) == 1


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the clock of a proxy, as a list of one number. The proxy reads it every 10 ms."""
    monkeypatch.setattr(server, "_CLOCK_INTERVAL", 0.01)
    return [int(time.time())]


def test_the_end_of_the_session_is_announced(now: list[int], upstream: FakeDeployment) -> None:
    ending = make_session(upstream.root_url, created=now[0] - 3600, expires=now[0] + 2)
    with run_proxy(upstream.root_url, session=ending, clock=lambda: now[0]) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 200
        wait_until(lambda: len(proxy.messages) == 1)
        now[0] += 2
        wait_until(lambda: len(proxy.messages) == 2)
        answer = send_signed(proxy, "GET", PING)
        assert answer.status_code == 401
        assert "has expired" in answer.json()["message"]
    soon, end = proxy.messages
    assert f"{PROFILE} expires in " in soon
    assert "has expired" in end
    assert all(f"tcenv login {PROFILE}" in text for text in proxy.messages)


def test_the_end_of_the_run_is_announced(now: list[int], upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, until=now[0] + 100, clock=lambda: now[0]) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 200
        now[0] += 91
        wait_until(lambda: len(proxy.messages) == 1)
        assert send_signed(proxy, "GET", PING).status_code == 200
        now[0] += 9
        wait_until(lambda: len(proxy.messages) == 2)
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert [text.partition("This run ")[2].partition(" ")[0] for text in proxy.messages] == ["expires", "has"]


def test_a_session_of_another_deployment_is_not_used(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    proxy.store.save(make_session("https://elsewhere.example.com", credentials=Credentials(CLIENT, NEWER)))
    assert send_signed(proxy, "GET", PING).status_code == 401
    assert upstream.requests == []


def test_no_call_is_answered_after_the_end_of_the_run(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, until=time.time() - 1) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("message", "announced"),
    [
        (
            "Client with clientId 'x' not found",
            "The client no longer exists ({}). Sign in again: tcenv login work --reset",
        ),
        ("Client with clientId 'x' is disabled", "The client is disabled: its owner may have lost scopes ({})."),
        ("Unauthorized: Bad mac", "The token was reset elsewhere, or is not the client's ({})."),
        (
            "Unauthorized: Stale timestamp",
            "This machine's clock is wrong, so the deployment refuses its signatures ({}). Set",
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_reason_for_a_rejected_session_is_announced_once(
    message: str, announced: str, encoding: str, upstream: FakeDeployment, proxy: RunningProxy
) -> None:
    async def reject(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        content = json.dumps({"code": "AuthenticationFailed", "message": message}).encode()
        content = gzip.compress(content) if encoding == "gzip" else content
        return web.Response(status=401, body=content, headers={"Content-Encoding": encoding})

    upstream.handlers[PING] = reject
    for _ in range(3):
        answer = send_signed(proxy, "GET", PING)
        assert (answer.status_code, answer.json()["message"]) == (401, message)
    assert len(proxy.messages) == 1
    assert proxy.messages[0].startswith(announced.format(upstream.root_url))
    # The message comes again after a new sign-in.
    reset(upstream, proxy)
    assert send_signed(proxy, "GET", PING).status_code == 401
    assert len(proxy.messages) == 2


def test_another_401_is_not_announced(upstream: FakeDeployment, proxy: RunningProxy) -> None:
    async def reject(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(status=401, body=b"\x1f\x8b no JSON")

    upstream.handlers[PING] = reject
    assert send_signed(proxy, "GET", PING).content == b"\x1f\x8b no JSON"
    assert proxy.messages == []
