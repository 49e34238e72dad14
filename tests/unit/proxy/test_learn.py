"""Learn the scopes that a command needs, only from refusals of this caller and this call."""

from __future__ import annotations

import asyncio
import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from aiohttp import web

from tcenv.proxy import connections
from tcenv.proxy.learn import LearnResult
from tests.calls import send_plain, send_signed
from tests.proxy import CLIENT, FakeDeployment, RunningProxy, SeenRequest, make_session, run_proxy

HELD = ("queue:*", "secrets:get:project/x", "secrets:get:project/y", "hooks:{odd}")
TASK = "/api/queue/v1/task/abc"


def make_message(missing: Any, client: str = CLIENT, required: Any = "whatever", method: str = "createTask") -> str:
    def format_scopes(expression: Any) -> str:
        return expression if isinstance(expression, str) else json.dumps(expression, indent=2)

    return (
        f"Client ID {client} does not have sufficient scopes and is missing the following scopes:\n\n"
        f"```\n{format_scopes(missing)}\n```\n\n"
        "This request requires the client to satisfy the following scope expression:\n\n"
        f"```\n{format_scopes(required)}\n```\n\n---\n\n"
        f"* method:     {method}\n* errorCode:  InsufficientScopes\n* statusCode: 403"
    )


def make_403(missing: Any, method: str = "createTask", **more: Any) -> web.Response:
    info = {"method": method, "params": more.pop("params", {}), "payload": {}}
    message = more.pop("message", None) or make_message(missing, method=method, **more)
    body = {"code": "InsufficientScopes", "message": message, "requestInfo": info}
    return web.json_response(body, status=403)


def require_scopes(upstream: FakeDeployment, path: str, *expressions: Any, method: str = "createTask") -> None:
    """Let the calls of `path` need each of the expressions in turn: a scope, or a list of alternatives."""

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        have = set(seen.scopes or ())
        for expression in expressions:
            wanted = expression if isinstance(expression, list) else [expression]
            if not have & set(wanted):
                return make_403({"AnyOf": wanted} if len(wanted) > 1 else wanted[0], method)
        return web.json_response({"length": len(seen.body)})

    upstream.handlers[path] = answer


def add_reference(upstream: FakeDeployment, service: str, *entries: tuple[str, str, str]) -> None:
    """Let the deployment serve a reference of a service."""

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        found = [{"type": "function", "method": m, "route": r, "name": n} for m, r, n in entries]
        return web.json_response({"entries": found})

    upstream.handlers[f"/references/{service}/v1/api.json"] = answer


@pytest.fixture
def upstream(upstream: FakeDeployment) -> FakeDeployment:
    """Add the reference of the queue to the deployment."""
    add_reference(
        upstream,
        "queue",
        ("put", "/task/<taskId>", "createTask"),
        ("get", "/task/<taskId>", "task"),
        ("get", "/task-group/<taskGroupId>/list", "listTaskGroup"),
    )
    return upstream


def run_learning_proxy(upstream: FakeDeployment, kept: tuple[str, ...] = (), **more: Any) -> Any:
    return run_proxy(
        upstream.root_url,
        starting_scopes=kept,
        scopes=kept,
        session=make_session(upstream.root_url, scopes=HELD),
        **more,
    )


def get_result(proxy: RunningProxy) -> LearnResult:
    assert proxy.proxy.learn_result is not None
    return proxy.proxy.learn_result


def list_call_scopes(upstream: FakeDeployment, method: str = "PUT") -> list[list[str] | None]:
    return [seen.scopes for seen in upstream.requests if seen.client_id and seen.method == method]


def test_missing_scopes_are_added_without_the_programs_notice(upstream: FakeDeployment) -> None:
    require_scopes(upstream, TASK, "queue:create-task:a", "queue:scheduler-id:b")
    with run_learning_proxy(upstream) as proxy:
        answer = send_signed(proxy, "PUT", TASK, body=b"x" * 100_000)
        assert (answer.status_code, answer.json()["length"]) == (200, 100_000)
    assert list_call_scopes(upstream) == [[], ["queue:create-task:a"], ["queue:create-task:a", "queue:scheduler-id:b"]]
    assert get_result(proxy).needed == {
        "queue:create-task:a": {"queue.createTask"},
        "queue:scheduler-id:b": {"queue.createTask"},
    }
    assert get_result(proxy).scopes == ("queue:create-task:a", "queue:scheduler-id:b")
    assert (get_result(proxy).refused, get_result(proxy).scope_dependent) == ({}, set())


def test_each_call_carries_what_it_needs_itself(upstream: FakeDeployment) -> None:
    for number in range(3):
        require_scopes(upstream, f"/api/queue/v1/task/{number}", f"queue:create-task:{number}")
    with run_learning_proxy(upstream) as proxy:
        for number in range(3):
            assert send_signed(proxy, "PUT", f"/api/queue/v1/task/{number}").status_code == 200
    assert [scopes for scopes in list_call_scopes(upstream) if scopes] == [
        [f"queue:create-task:{number}"] for number in range(3)
    ]
    assert get_result(proxy).scopes == tuple(f"queue:create-task:{number}" for number in range(3))


def test_simultaneous_calls_load_the_reference_once(
    upstream: FakeDeployment, made_connections: list[connections.Connection]
) -> None:
    serve_reference = upstream.handlers["/references/queue/v1/api.json"]

    async def slowly(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        while sum(each._running for each in made_connections) < 8:
            await asyncio.sleep(0.01)
        return await serve_reference(request, seen)

    upstream.handlers["/references/queue/v1/api.json"] = slowly
    require_scopes(upstream, "/api/queue/v1/task/", "queue:x")
    with run_learning_proxy(upstream) as proxy, ThreadPoolExecutor(8) as pool:
        made = [pool.submit(send_signed, proxy, "PUT", f"/api/queue/v1/task/{number}") for number in range(8)]
        assert {call.result().status_code for call in made} == {200}
    assert get_result(proxy).needed == {"queue:x": {"queue.createTask"}}
    assert len([seen for seen in upstream.requests if seen.target.startswith("/references/")]) == 1


def test_a_purpose_is_extended(upstream: FakeDeployment) -> None:
    require_scopes(upstream, TASK, "queue:create-task:a", "queue:scheduler-id:b")
    with run_learning_proxy(upstream, ("queue:create-task:a",)) as proxy:
        assert send_signed(proxy, "PUT", TASK).status_code == 200
    assert list_call_scopes(upstream) == [["queue:create-task:a"], ["queue:create-task:a", "queue:scheduler-id:b"]]
    assert get_result(proxy).scopes == ("queue:create-task:a", "queue:scheduler-id:b")


def test_scopes_that_the_session_lacks_are_never_requested(upstream: FakeDeployment) -> None:
    require_scopes(upstream, TASK, "auth:create-role:x")
    with run_learning_proxy(upstream) as proxy:
        answer = send_signed(proxy, "PUT", TASK)
        assert (answer.status_code, answer.json()["code"]) == (403, "InsufficientScopes")
    assert list_call_scopes(upstream) == [[]]
    assert get_result(proxy).refused == {"auth:create-role:x": {"queue.createTask"}}
    assert get_result(proxy).scopes == ()


def test_with_unknown_scopes_the_first_refusal_is_returned(upstream: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        if seen.scopes:
            return web.json_response({"code": "AuthenticationFailed", "message": "all that is held: …"}, status=401)
        return make_403("auth:create-role:x")

    upstream.handlers[TASK] = answer
    with run_proxy(
        upstream.root_url, starting_scopes=(), scopes=(), session=make_session(upstream.root_url, scopes=None)
    ) as proxy:
        got = send_signed(proxy, "PUT", TASK)
        assert (got.status_code, got.json()["code"]) == (403, "InsufficientScopes")
    assert list_call_scopes(upstream) == [[], ["auth:create-role:x"]]
    assert get_result(proxy).refused == {"auth:create-role:x": {"queue.createTask"}}


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("somebody else's", {"client": "hook-id/a/b"}),
        ("another method", {"method": "claimWork"}),
        ("words around", {"message": "While firing the hook:\n" + make_message("queue:x")}),
        (
            "no credentials",
            {"message": "This request requires Taskcluster credentials that satisfy\n\n```\nqueue:x\n```"},
        ),
        ("one block", {"message": make_message("queue:x").partition("This request requires")[0]}),
        (
            "other end",
            {"message": make_message("queue:x").replace("This request requires", "The hook's role requires")},
        ),
        ("wrong shape", {"message": make_message({"OneOf": ["queue:x"]})}),
        ("deep", {"message": make_message(json.loads('{"AllOf":[' * 60 + '"queue:x"' + "]}" * 60))}),
        ("number", {"message": make_message({"AllOf": [1]})}),
    ],
)
def test_another_refusal_is_returned_unchanged(what: str, more: dict[str, Any], upstream: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return make_403("queue:x", **more)

    upstream.handlers[TASK] = answer
    with run_learning_proxy(upstream) as proxy:
        got = send_signed(proxy, "PUT", TASK)
        assert got.status_code == 403
    assert list_call_scopes(upstream) == [[]], what
    assert get_result(proxy) == LearnResult(failed={"queue.createTask": {403}})


def test_without_a_reference_the_parameters_must_match(upstream: FakeDeployment) -> None:
    parameters: dict[str, str] = {}

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.json_response({}) if seen.scopes else make_403("secrets:get:project/x", "get", params=parameters)

    upstream.handlers["/api/secrets"] = answer
    with run_learning_proxy(upstream) as proxy:
        parameters["name"] = "project/y"
        assert send_signed(proxy, "GET", "/api/secrets/v1/secret/project%2Fx").status_code == 403
        parameters["name"] = "project/x"
        assert send_signed(proxy, "GET", "/api/secrets/v1/secret/project%2Fx").status_code == 200
    assert get_result(proxy).scopes == ("secrets:get:project/x",)


def test_a_deployment_that_always_refuses_ends_the_attempts(upstream: FakeDeployment) -> None:
    async def always(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return make_403("queue:x")

    async def another(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return make_403(f"queue:{len(upstream.requests)}")

    async def more(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return make_403({"AllOf": ["queue:kept", *(f"queue:{n}" for n in range(2 + len(upstream.requests)))]})

    with run_learning_proxy(upstream) as proxy:
        for handler, most in ((always, 2), (another, 11), (more, 2)):
            upstream.requests.clear()
            upstream.handlers[TASK] = handler
            assert send_signed(proxy, "PUT", TASK).status_code == 403
            assert len(list_call_scopes(upstream)) <= most
    assert get_result(proxy).failed == {"queue.createTask": {403}}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_sent_again_up_to_16_mib(chunked: bool, upstream: FakeDeployment) -> None:
    require_scopes(upstream, TASK, "queue:x")
    require_scopes(upstream, "/api/queue/v1/task/longer", "queue:y")
    body = b"x" * 2**24

    def call(proxy: RunningProxy, target: str, *pieces: bytes) -> int:
        if chunked:
            return send_signed(proxy, "PUT", target, chunks=list(pieces)).status_code
        return send_signed(proxy, "PUT", target, body=b"".join(pieces)).status_code

    with run_learning_proxy(upstream) as proxy:
        assert call(proxy, TASK, body) == 200
        assert call(proxy, "/api/queue/v1/task/longer", body, b"x") == 403
    assert [len(seen.body) for seen in upstream.requests if seen.method == "PUT"] == [2**24, 2**24, 2**24 + 1]
    assert get_result(proxy).scopes == ("queue:x",)
    assert get_result(proxy).not_repeatable == {"queue.createTask"}


def test_a_call_may_need_more_scopes_than_a_header_holds(upstream: FakeDeployment) -> None:
    """The program gets the refusal, and the proxy learns from the calls that fit."""
    many = [f"queue:route:{'x' * 40}{number}" for number in range(90)]

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return make_403({"AllOf": many})

    upstream.handlers[TASK] = answer
    require_scopes(upstream, "/api/queue/v1/task/other", "queue:x")
    with run_learning_proxy(upstream) as proxy:
        got = send_signed(proxy, "PUT", TASK)
        assert (got.status_code, got.json()["code"]) == (403, "InsufficientScopes")
        assert send_signed(proxy, "PUT", "/api/queue/v1/task/other").status_code == 200
    assert len(list_call_scopes(upstream)) == 3
    assert get_result(proxy).too_many == {"queue.createTask": set(many)}
    assert get_result(proxy).scopes == ("queue:x",)


def test_a_refusal_without_a_body_is_reported(upstream: FakeDeployment) -> None:
    require_scopes(upstream, TASK, "queue:x", method="task")
    with run_learning_proxy(upstream) as proxy:
        assert send_signed(proxy, "HEAD", TASK).status_code == 403
        assert get_result(proxy).refused_without_reason == {"HEAD queue.task"}
        assert send_signed(proxy, "GET", TASK).status_code == 200
    assert get_result(proxy).scopes == ("queue:x",)


def test_only_the_answer_of_current_scopes_depends_on_the_scopes(upstream: FakeDeployment) -> None:
    """A list needs a scope of its own, so it counts as a call that needs it."""
    require_scopes(upstream, "/api/secrets/v1/secrets", "secrets:list", method="list")
    add_reference(upstream, "secrets", ("get", "/secrets", "list"))
    session = make_session(upstream.root_url, scopes=(*HELD, "secrets:list"))
    with run_proxy(upstream.root_url, starting_scopes=(), scopes=(), session=session) as proxy:
        for target in (
            "/api/queue/v1/task-group/x/list",
            TASK,
            "/api/auth/v1/scopes/current",
            "/api/secrets/v1/secrets",
            "/api/auth/v1/test-authenticate-get/",
        ):
            assert send_signed(proxy, "GET", target).status_code == 200
    assert get_result(proxy).scope_dependent == {"GET /api/auth/v1/scopes/current"}
    assert get_result(proxy).needed == {"secrets:list": {"secrets.list"}}


TRIGGER = "hooks:trigger-hook:sandbox/one"
TRIGGER_PATH = "/api/hooks/v1/hooks/sandbox/one/trigger"


def fail_by_role(upstream: FakeDeployment, *, then: int = 403, also: str = "") -> None:
    """Let a trigger need the caller's own scope (and `also`), and then fail for another reason."""
    add_reference(upstream, "hooks", ("post", "/hooks/<hookGroupId>/<hookId>/trigger", "triggerHook"))

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        for scope in (TRIGGER, also):
            if scope and scope not in (seen.scopes or ()):
                return make_403(scope, "triggerHook")
        if then == 401:
            return web.json_response({"code": "AuthenticationFailed", "message": "Bad mac"}, status=401)
        if then == 403:
            return make_403("queue:create-task:x", "triggerHook", client="hook-id/sandbox/one")
        if request.transport is not None and not then:
            request.transport.abort()
        return web.json_response({"code": "InternalServerError", "message": "…"}, status=then or 500)

    upstream.handlers[TRIGGER_PATH] = answer


@pytest.mark.parametrize("then", [403, 404, 500, 0])
def test_an_added_scope_counts_even_if_the_call_fails(then: int, upstream: FakeDeployment) -> None:
    fail_by_role(upstream, then=then)
    session = make_session(upstream.root_url, scopes=(*HELD, "hooks:trigger-hook:*"))
    with run_proxy(upstream.root_url, starting_scopes=(), scopes=(), session=session) as proxy:
        assert send_signed(proxy, "POST", TRIGGER_PATH, body=b"{}").status_code == (then or 502)
    assert get_result(proxy).needed == {TRIGGER: {"hooks.triggerHook"}}
    assert get_result(proxy).refused == {}
    assert get_result(proxy).failed == {"hooks.triggerHook": {then or 502}}


def test_only_the_scope_that_the_session_lacks_is_dropped(upstream: FakeDeployment) -> None:
    """The scopes of the session are unknown, so the deployment answers 401 to the second one."""
    fail_by_role(upstream, also="auth:not-held")
    answer = upstream.handlers[TRIGGER_PATH]

    async def strict(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        if "auth:not-held" in (seen.scopes or ()):
            return web.json_response({"code": "AuthenticationFailed", "message": "all that is held: …"}, status=401)
        return await answer(request, seen)

    upstream.handlers[TRIGGER_PATH] = strict
    with run_proxy(
        upstream.root_url, starting_scopes=(), scopes=(), session=make_session(upstream.root_url, scopes=None)
    ) as proxy:
        assert send_signed(proxy, "POST", TRIGGER_PATH, body=b"{}").status_code == 403
    assert get_result(proxy).needed == {TRIGGER: {"hooks.triggerHook"}}
    assert get_result(proxy).refused == {"auth:not-held": {"hooks.triggerHook"}}


def test_a_call_that_fails_for_another_reason_is_reported(upstream: FakeDeployment) -> None:
    fail_by_role(upstream)
    session = make_session(upstream.root_url, scopes=(*HELD, TRIGGER))
    with run_proxy(upstream.root_url, starting_scopes=(TRIGGER,), scopes=(TRIGGER,), session=session) as proxy:
        assert send_signed(proxy, "POST", TRIGGER_PATH, body=b"{}").status_code == 403
        # A missing task is no failure.
        assert send_signed(proxy, "GET", "/api/queue/v1/nothing").status_code == 200
    assert (get_result(proxy).needed, get_result(proxy).failed) == ({}, {"hooks.triggerHook": {403}})


def test_a_program_that_narrows_itself_is_not_widened(upstream: FakeDeployment) -> None:
    require_scopes(upstream, TASK, "queue:create-task:a")
    with run_learning_proxy(upstream) as proxy:
        assert send_signed(proxy, "PUT", TASK, scopes=["queue:other"]).status_code == 403
        assert send_signed(proxy, "PUT", TASK, scopes=["queue:*"]).status_code == 200
    assert [scopes for scopes in list_call_scopes(upstream) if scopes] == [["queue:create-task:a"]]


def test_compressed_refusals_are_read(upstream: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        if seen.scopes:
            return web.json_response({})
        packed = gzip.compress(make_403("queue:x").body or b"")  # type: ignore[arg-type]
        assert "br" not in (seen.header("Accept-Encoding") or "")
        return web.Response(
            body=packed, status=403, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
        )

    upstream.handlers[TASK] = answer
    with run_learning_proxy(upstream, unsigned=True) as proxy:
        got = send_plain(proxy, "PUT", f"/{proxy.run.secret}{TASK}", Accept_Encoding="gzip, br")
        assert got.status == 200
    assert get_result(proxy).scopes == ("queue:x",)
