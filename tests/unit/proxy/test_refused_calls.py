"""Refuse calls that hand out credentials, and those that a read-only proxy or a proxy for an agent does not allow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web_protocol
from aiohttp.http_parser import HttpRequestParser, HttpRequestParserPy

from tests.calls import PING, send_signed
from tests.proxy import CLIENT, FakeDeployment, RunningProxy, run_proxy

SECRET = "/api/secrets/v1/secret/project%2Fx"
PRIVATE = "/api/queue/v1/task/T/runs/0/artifacts/private/key"
PUBLIC = "/api/queue/v1/task/T/runs/0/artifacts/public/log"


@pytest.fixture
def agent_proxy(upstream: FakeDeployment) -> Iterator[RunningProxy]:
    with run_proxy(upstream.root_url, read_only=True, refuse_secrets=True) as made:
        yield made


@pytest.mark.parametrize("target", [SECRET, PRIVATE, SECRET.removeprefix("/api"), PRIVATE + "?x=/public/"])
def test_an_agent_cannot_read_secrets_and_private_artifacts(
    target: str, agent_proxy: RunningProxy, upstream: FakeDeployment
) -> None:
    for method in ("GET", "HEAD"):
        assert send_signed(agent_proxy, method, target).status_code == 403
    asked = send_signed(agent_proxy, "POST", "/bewit", body=(upstream.root_url + target).encode())
    assert (asked.status_code, asked.json()["code"]) == (403, "RefusedByProxy")
    for name in ("X-HTTP-Method-Override", "X-Method-Override"):
        assert send_signed(agent_proxy, "GET", target, headers={name: "GET"}).status_code == 403
    assert upstream.requests == []


def test_an_agent_reads_public_artifacts_and_writes_nothing(
    agent_proxy: RunningProxy, upstream: FakeDeployment
) -> None:
    assert send_signed(agent_proxy, "GET", PUBLIC).status_code == 200
    assert send_signed(agent_proxy, "POST", "/bewit", body=(upstream.root_url + PUBLIC).encode()).status_code == 303
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert send_signed(agent_proxy, method, "/api/queue/v1/task/T/cancel").status_code == 403
    assert len(upstream.requests) == 1


def test_calls_that_hand_out_credentials_are_refused(upstream: FakeDeployment) -> None:
    calls = [
        ("PUT", "/api/auth/v1/clients/other"),
        ("POST", "/auth/v1/clients/other/reset"),
        ("GET", "/api/auth/v1/aws/s3/read-only/b/p"),
        ("GET", "/api/hooks/v1/hooks/a/b/token"),
        ("POST", "/api/queue/v1/claim-work/a%2Fb"),
        ("GET", "/api/auth/v1/aws/s3/read-write/bucket/"),
        ("GET", "/auth/v1/aws/s3/read-write/bucket/?format=iam-role-compat"),
    ]
    with run_proxy(upstream.root_url) as proxy, run_proxy(upstream.root_url, read_only=True) as reading:
        for method, target in calls:
            if method == "GET":
                assert send_signed(reading, method, target).status_code == 403
                url = send_signed(proxy, "POST", "/bewit", body=(proxy.make_url("127.0.0.1") + target).encode())
                assert (url.status_code, url.json()["code"]) == (403, "RefusedByProxy")
            answer = send_signed(proxy, method, target)
            assert answer.status_code == 403
            assert "--allow-credentials" in answer.json()["message"]
            assert answer.json()["code"] != "InsufficientScopes"
    assert upstream.requests == []
    with run_proxy(upstream.root_url, allow_credentials=True) as proxy:
        assert {send_signed(proxy, method, target).status_code for method, target in calls} == {200}
        own = "/api/auth/v1/clients/" + CLIENT.replace("/", "%2F").replace("|", "%7C")
        for method, target in (("POST", own), ("POST", own + "/reset"), ("DELETE", own + "%402"), ("PUT", own)):
            assert send_signed(proxy, method, target).status_code == 403
    assert len(upstream.requests) == len(calls)


@pytest.mark.parametrize("chunked", [False, True])
def test_creating_an_artifact_is_refused_if_it_returns_credentials(chunked: bool, upstream: FakeDeployment) -> None:
    target = "/api/queue/v1/task/abc/runs/0/artifacts/public/x"

    def create(proxy: RunningProxy, body: bytes) -> int:
        sent: dict[str, Any] = {"chunks": [body[:9], body[9:]]} if chunked else {"body": body}
        return send_signed(proxy, "POST", target, **sent).status_code

    link, object_ = b'{"storageType": "s3", "contentType": "x"}', b'{"storageType": "object", "contentType": "x"}'
    with run_proxy(upstream.root_url) as proxy:
        assert create(proxy, link) == 200
        assert upstream.requests.pop().body == link
        for body in (object_, b"no JSON", link + b" " * 70_000):
            assert create(proxy, body) == 403
        assert upstream.requests == []
    with run_proxy(upstream.root_url, allow_credentials=True) as proxy:
        assert create(proxy, object_) == 200


class Small:
    """A parser that returns the method in lowercase."""

    def __init__(self, parser: Any) -> None:
        self._parser = parser

    def feed_data(self, data: bytes) -> Any:
        messages, *rest = self._parser.feed_data(data)
        return [(message._replace(method=message.method.lower()), body) for message, body in messages], *rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)


def test_a_method_in_lowercase_is_refused_alike(upstream: FakeDeployment) -> None:
    """Parsers of aiohttp before 3.14 pass it on as it is."""
    for parser in (HttpRequestParserPy, HttpRequestParser):
        with run_proxy(upstream.root_url) as proxy, pytest.MonkeyPatch.context() as patched:
            patched.setattr(
                web_protocol, "HttpRequestParser", lambda *rest, made=parser, **more: Small(made(*rest, **more))
            )
            answer = send_signed(proxy, "POST", "/api/auth/v1/clients/other/reset")
            assert (answer.status_code, answer.json()["code"]) == (403, "RefusedByProxy")
            assert send_signed(proxy, "GET", PING).status_code == 200
        assert upstream.requests.pop().target == PING
        assert upstream.requests == []


def test_read_only_allows_get_and_head_alone(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, read_only=True) as proxy:
        for method in ("PUT", "POST", "DELETE", "PATCH", "OPTIONS"):
            answer = send_signed(proxy, method, PING, headers={"X-HTTP-Method-Override": "GET"})
            assert answer.status_code == 403
            assert "--read-only" in answer.json()["message"]
        assert send_signed(proxy, "GET", PING, headers={"X-HTTP-Method-Override": "DELETE"}).status_code == 200
        assert send_signed(proxy, "HEAD", PING).status_code == 200
    assert [seen.method for seen in upstream.requests] == ["GET", "HEAD"]
    assert upstream.requests[0].header("X-HTTP-Method-Override") is None
