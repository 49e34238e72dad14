"""What a proxy for an agent refuses, by whichever way it is asked: a call, a signed address, a look at the head alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.calls import send_signed
from tests.proxy import FakeDeployment, RunningProxy, run_deployment, run_proxy

SECRET = "/api/secrets/v1/secret/project%2Fx"
PRIVATE = "/api/queue/v1/task/T/runs/0/artifacts/private/key"
PUBLIC = "/api/queue/v1/task/T/runs/0/artifacts/public/log"


@pytest.fixture
def behind() -> Iterator[FakeDeployment]:
    with run_deployment() as made:
        yield made


@pytest.fixture
def proxy(behind: FakeDeployment) -> Iterator[RunningProxy]:
    with run_proxy(behind.root_url, read_only=True, no_secrets=True) as made:
        yield made


@pytest.mark.parametrize("target", [SECRET, PRIVATE, SECRET.removeprefix("/api"), PRIVATE + "?x=/public/"])
def test_no_way_leads_to_what_is_not_public(target: str, proxy: RunningProxy, behind: FakeDeployment) -> None:
    for method in ("GET", "HEAD"):
        assert send_signed(proxy, method, target).status_code == 403
    asked = send_signed(proxy, "POST", "/bewit", body=(behind.root_url + target).encode())
    assert (asked.status_code, asked.json()["code"]) == (403, "RefusedByProxy")
    for name in ("X-HTTP-Method-Override", "X-Method-Override"):
        assert send_signed(proxy, "GET", target, headers={name: "GET"}).status_code == 403
    assert behind.requests == []


def test_the_rest_is_read_and_nothing_is_written(proxy: RunningProxy, behind: FakeDeployment) -> None:
    assert send_signed(proxy, "GET", PUBLIC).status_code == 200
    assert send_signed(proxy, "POST", "/bewit", body=(behind.root_url + PUBLIC).encode()).status_code == 303
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert send_signed(proxy, method, "/api/queue/v1/task/T/cancel").status_code == 403
    assert len(behind.requests) == 1
