"""The session is followed: resets, renewals and new sign-ins reach running programs, and so does the end."""

from __future__ import annotations

import asyncio
import dataclasses
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from tcenv.deployment.credentials import Credentials
from tcenv.proxy import body as bodies
from tcenv.proxy import server
from tcenv.proxy import signer as module
from tcenv.sessions.lock import sign_in_lock
from tcenv.sessions.no_store import NoStore
from tcenv.sessions.session import Session
from tests.calls import PING, send_signed
from tests.proxy import (
    CLIENT,
    PROFILE,
    TOKEN,
    FakeDeployment,
    RunningProxy,
    SeenRequest,
    make_session,
    run_deployment,
    run_proxy,
)
from tests.reliability.record import scale

NEWER = "NewerTokenThatNoProgramMayEverSee_-123456789"


@pytest.fixture
def behind() -> Iterator[FakeDeployment]:
    with run_deployment() as made:
        yield made


def reset(
    behind: FakeDeployment, proxy: RunningProxy, token: str = NEWER, goes_on: Callable[[], bool] = lambda: True
) -> None:
    """Do what `login --reset` does, and wait for `goes_on` between the two moments that matter."""
    with sign_in_lock(PROFILE, 10, lambda: None):
        behind.tokens[CLIENT] = token
        wait_until(goes_on)
        proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(CLIENT, token)))


def wait_until(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_the_next_call_uses_the_new_token(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 200
        reset(behind, proxy)
        assert send_signed(proxy, "GET", PING).status_code == 200
    assert len(behind.requests) == 2


@pytest.mark.parametrize(
    ("size", "chunked"), [(0, False), (10, False), (70_000, False), (2**24, False), (10, True), (2**24, True)]
)
def test_a_call_that_meets_a_reset_waits_for_it_and_is_sent_again(
    size: int, chunked: bool, behind: FakeDeployment
) -> None:
    sent: dict[str, Any] = {"chunks": [b"x" * size]} if chunked else {"body": b"x" * size}
    with run_proxy(behind.root_url) as proxy, ThreadPoolExecutor() as pool:
        # The deployment refuses the call while the new token is on its way.
        resetting = pool.submit(reset, behind, proxy, NEWER, lambda: bool(behind.requests))
        wait_until(lambda: behind.tokens[CLIENT] != TOKEN)
        answer = send_signed(proxy, "PUT", PING, **sent)
        resetting.result()
    assert (answer.status_code, answer.json()["length"]) == (200, size)
    assert [seen.client_id for seen in behind.requests] == [None, CLIENT]


def test_as_many_answers_as_calls_across_some_resets(behind: FakeDeployment) -> None:
    count = max(300, scale(1000))

    def count_refused() -> int:
        return len([seen for seen in behind.requests if not seen.client_id])

    answers: list[int] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            answers.append(send_signed(proxy, "PUT", PING, body=b"x" * 100).status_code)

    with run_proxy(behind.root_url) as proxy, ThreadPoolExecutor(4) as pool:
        calling = [pool.submit(call) for _ in range(4)]
        try:
            for number in range(3):
                wait_until(lambda: len(answers) >= count // 4 * (number + 1))  # noqa: B023
                refused = count_refused()
                reset(behind, proxy, f"{NEWER[:-1]}{number}", lambda: count_refused() > refused)  # noqa: B023
            wait_until(lambda: len(answers) >= count)
        finally:
            over.set()
        for each in calling:
            each.result()
    assert set(answers) == {200}
    assert len([seen for seen in behind.requests if seen.client_id]) == len(answers)


def test_a_refusal_without_a_reset_is_handed_on_at_once(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        behind.tokens.clear()
        answer = send_signed(proxy, "GET", PING)
        assert (answer.status_code, "not found" in answer.json()["message"]) == (401, True)
    assert len(behind.requests) == 1


def test_a_reset_that_takes_too_long_is_not_waited_for(behind: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    assert module.RESET_TIMEOUT == 10
    monkeypatch.setattr(module, "RESET_TIMEOUT", 0.2)
    with run_proxy(behind.root_url) as proxy, sign_in_lock(PROFILE, 10, lambda: None):
        behind.tokens[CLIENT] = NEWER
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert len(behind.requests) == 1


def test_a_body_that_was_too_long_to_keep_gets_the_refusal(
    behind: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bodies.KEPT == 16 * 2**20
    monkeypatch.setattr(bodies, "KEPT", 80_000)
    with run_proxy(behind.root_url) as proxy:
        behind.tokens[CLIENT] = NEWER
        proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(CLIENT, "Wrong" * 8)))
        with ThreadPoolExecutor() as pool:
            waiting = threading.Event()

            async def late(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
                waiting.set()
                return web.json_response({})

            behind.handlers["/api/queue"] = late
            call = pool.submit(send_signed, proxy, "PUT", PING, body=b"x" * 80_001)
            assert call.result().status_code == 401
            assert not waiting.is_set()
        reset(behind, proxy)
        assert send_signed(proxy, "PUT", PING, body=b"x" * 80_001).status_code == 200


def test_another_client_after_a_new_sign_in(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        other = f"{CLIENT}@2"
        behind.tokens[other] = NEWER
        proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(other, NEWER)))
        assert send_signed(proxy, "GET", PING).status_code == 200
    assert behind.requests[0].client_id == other


def test_the_client_of_a_new_sign_in_is_left_alone_too(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        other = "github/1|jo/other"
        behind.tokens[other] = NEWER
        target = "/api/auth/v1/clients/github%2F1%7Cjo%2Fother"
        assert send_signed(proxy, "DELETE", target).status_code == 200
        proxy.store.save(dataclasses.replace(proxy.session, credentials=Credentials(other, NEWER)))
        assert send_signed(proxy, "DELETE", target).status_code == 403
        # Nor is the one that the run began with changed by now.
        assert send_signed(proxy, "DELETE", f"/api/auth/v1/clients/{quote(CLIENT, safe='')}").status_code == 403
    assert [seen.client_id for seen in behind.requests] == [CLIENT]


def test_signed_out_is_said_with_what_to_type(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        proxy.store.forget(PROFILE)
        answer = send_signed(proxy, "GET", PING)
        assert answer.status_code == 401
        assert f"tcenv login {PROFILE}" in answer.json()["message"]
        assert send_signed(proxy, "POST", "/bewit", body=f"{behind.root_url}{PING}".encode()).status_code == 401
        proxy.store.save(proxy.session)
        assert send_signed(proxy, "GET", PING).status_code == 200
    assert len(behind.requests) == 1


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time of a proxy whose clock is this list's only number. It looks at it often."""
    monkeypatch.setattr(server, "_CLOCK_INTERVAL", 0.01)
    return [int(time.time())]


def test_the_end_is_announced_and_said(now: list[int], behind: FakeDeployment) -> None:
    ending = make_session(behind.root_url, created=now[0] - 3600, expires=now[0] + 2)
    with run_proxy(behind.root_url, first=ending, clock=lambda: now[0]) as proxy:
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


def test_the_end_of_the_runs_own_time_is_announced_too(now: list[int], behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, until=now[0] + 100, clock=lambda: now[0]) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 200
        now[0] += 91
        wait_until(lambda: len(proxy.messages) == 1)
        assert send_signed(proxy, "GET", PING).status_code == 200
        now[0] += 9
        wait_until(lambda: len(proxy.messages) == 2)
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert [text.partition("This run ")[2].partition(" ")[0] for text in proxy.messages] == ["expires", "has"]


def test_a_session_of_another_deployment_is_not_used(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url) as proxy:
        proxy.store.save(make_session("https://elsewhere.example.com", credentials=Credentials(CLIENT, NEWER)))
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert behind.requests == []


def test_the_runs_own_time_ends(behind: FakeDeployment) -> None:
    with run_proxy(behind.root_url, until=time.time() - 1) as proxy:
        assert send_signed(proxy, "GET", PING).status_code == 401
    assert behind.requests == []


class Keyring:
    """A store whose tokens are not in files, but whose generations are."""

    name = "keyring"
    where = "keyring"
    keeps = True
    reason = ""
    is_file_based = False

    def __init__(self, session: Session | None) -> None:
        self.session = session
        self.loads = 0

    def get_path(self, profile: str) -> str:
        return ""

    def read_generation(self, profile: str) -> str | None:
        return self.session.generation if self.session else None

    def load(self, profile: str) -> Session | None:
        self.loads += 1
        return self.session

    def save(self, session: Session) -> None:
        self.session = session

    def forget(self, profile: str) -> bool:
        return False

    def list_profiles(self) -> list[str]:
        return []

    def clear(self) -> None:
        return None


def test_a_keyring_is_asked_when_the_generation_changes_and_after_a_refusal() -> None:
    first = make_session("https://tc.example.com")
    newer = dataclasses.replace(first, credentials=Credentials(CLIENT, NEWER))

    async def story() -> None:
        store = Keyring(first)
        source = module.Signer(store, first)
        authority = await source.get_authority()
        for _ in range(100):
            assert await source.get_authority() is authority
        assert store.loads <= 1
        assert await source.find_newer(authority) is None
        store.session = newer
        again = await source.find_newer(authority)
        assert again is not None
        assert again.credentials.access_token == NEWER
        # After the refusal the generation was not looked at: the next call reads it once more.
        assert (await source.get_authority()).credentials == newer.credentials
        store.session = None
        with pytest.raises(module.SessionEnded):
            await source.get_authority()

    asyncio.run(story())


def test_where_nothing_is_kept_the_loaded_session_is_the_one() -> None:
    first = make_session("https://tc.example.com")

    async def story() -> None:
        source = module.Signer(NoStore(), first, scopes=("queue:a", "hooks:x"))
        authority = await source.get_authority()
        assert authority.scopes == ("queue:a",)
        assert await source.find_newer(authority) is None

    asyncio.run(story())


def test_the_right_to_end_its_own_client_is_not_passed_on() -> None:
    """tcenv asks for it beside what the user wants, and no program is given it."""
    own = f"auth:delete-client:{CLIENT}"
    asked = ("queue:a", own)
    first = make_session("https://tc.example.com", scopes=asked, asked=asked)

    async def story() -> None:
        assert (await module.Signer(NoStore(), first).get_authority()).scopes == ("queue:a",)
        wide = dataclasses.replace(first, asked=("*",))
        assert (await module.Signer(NoStore(), wide).get_authority()).scopes is None

    asyncio.run(story())


@pytest.mark.parametrize(
    ("message", "told"),
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
def test_why_the_deployment_rejects_the_session_is_said_once(
    message: str, told: str, encoding: str, behind: FakeDeployment
) -> None:
    async def reject(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        content = json.dumps({"code": "AuthenticationFailed", "message": message}).encode()
        content = gzip.compress(content) if encoding == "gzip" else content
        return web.Response(status=401, body=content, headers={"Content-Encoding": encoding})

    behind.handlers[PING] = reject
    with run_proxy(behind.root_url) as proxy:
        for _ in range(3):
            answer = send_signed(proxy, "GET", PING)
            assert (answer.status_code, answer.json()["message"]) == (401, message)
        assert len(proxy.messages) == 1
        assert proxy.messages[0].startswith(told.format(behind.root_url))
        # After a new sign-in it may happen again.
        reset(behind, proxy)
        assert send_signed(proxy, "GET", PING).status_code == 401
        assert len(proxy.messages) == 2


def test_a_rejection_of_another_kind_is_the_programs_alone(behind: FakeDeployment) -> None:
    async def reject(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.Response(status=401, body=b"\x1f\x8b no JSON")

    behind.handlers[PING] = reject
    with run_proxy(behind.root_url) as proxy:
        assert send_signed(proxy, "GET", PING).content == b"\x1f\x8b no JSON"
        assert proxy.messages == []
