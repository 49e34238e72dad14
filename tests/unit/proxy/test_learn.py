"""Learning what a command needs: from refusals alone that speak of this caller and this call, and never more than that."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import taskcluster
from aiohttp import web

from tcenv.proxy import connections
from tcenv.proxy.learn import LearnResult, find_least, holds_random_id, list_scopes
from tests.calls import send_plain, send_signed
from tests.proxy import CLIENT, FakeDeployment, RunningProxy, SeenRequest, make_session, run_deployment, run_proxy

HELD = ("queue:*", "secrets:get:project/x", "secrets:get:project/y", "hooks:{odd}")
TASK = "/api/queue/v1/task/abc"


def text(missing: Any, client: str = CLIENT, required: Any = "whatever", method: str = "createTask") -> str:
    def shown(expression: Any) -> str:
        return expression if isinstance(expression, str) else json.dumps(expression, indent=2)

    return (
        f"Client ID {client} does not have sufficient scopes and is missing the following scopes:\n\n"
        f"```\n{shown(missing)}\n```\n\n"
        f"This request requires the client to satisfy the following scope expression:\n\n```\n{shown(required)}\n```\n\n---\n\n"
        f"* method:     {method}\n* errorCode:  InsufficientScopes\n* statusCode: 403"
    )


def refusal(missing: Any, method: str = "createTask", **more: Any) -> web.Response:
    info = {"method": method, "params": more.pop("params", {}), "payload": {}}
    message = more.pop("message", None) or text(missing, method=method, **more)
    body = {"code": "InsufficientScopes", "message": message, "requestInfo": info}
    return web.json_response(body, status=403)


def needing(behind: FakeDeployment, path: str, *expressions: Any, method: str = "createTask") -> None:
    """The calls of `path` need each of the expressions (scopes, or lists of alternatives), checked one after the other."""

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        have = set(seen.scopes or ())
        for expression in expressions:
            wanted = expression if isinstance(expression, list) else [expression]
            if not have & set(wanted):
                return refusal({"AnyOf": wanted} if len(wanted) > 1 else wanted[0], method)
        return web.json_response({"length": len(seen.body)})

    behind.handlers[path] = answer


def referring(behind: FakeDeployment, service: str, *entries: tuple[str, str, str]) -> None:
    """The deployment's reference of a service."""

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        found = [{"type": "function", "method": m, "route": r, "name": n} for m, r, n in entries]
        return web.json_response({"entries": found})

    behind.handlers[f"/references/{service}/v1/api.json"] = answer


@pytest.fixture
def behind() -> Iterator[FakeDeployment]:
    with run_deployment() as made:
        referring(
            made,
            "queue",
            ("put", "/task/<taskId>", "createTask"),
            ("get", "/task/<taskId>", "task"),
            ("get", "/task-group/<taskGroupId>/list", "listTaskGroup"),
        )
        yield made


def learning(behind: FakeDeployment, kept: tuple[str, ...] = (), **more: Any) -> Any:
    return run_proxy(behind.root_url, learn=kept, scopes=kept, first=make_session(behind.root_url, scopes=HELD), **more)


def learned(proxy: RunningProxy) -> LearnResult:
    assert proxy.proxy.learned is not None
    return proxy.proxy.learned


def calls(behind: FakeDeployment, method: str = "PUT") -> list[list[str] | None]:
    return [seen.scopes for seen in behind.requests if seen.client_id and seen.method == method]


# Through the proxy


def test_what_is_missing_is_added_unseen_by_the_program(behind: FakeDeployment) -> None:
    needing(behind, TASK, "queue:create-task:a", "queue:scheduler-id:b")
    with learning(behind) as proxy:
        answer = send_signed(proxy, "PUT", TASK, body=b"x" * 100_000)
        assert (answer.status_code, answer.json()["length"]) == (200, 100_000)
    assert calls(behind) == [[], ["queue:create-task:a"], ["queue:create-task:a", "queue:scheduler-id:b"]]
    assert learned(proxy).needed == {
        "queue:create-task:a": {"queue.createTask"},
        "queue:scheduler-id:b": {"queue.createTask"},
    }
    assert learned(proxy).scopes == ("queue:create-task:a", "queue:scheduler-id:b")
    assert (learned(proxy).refused, learned(proxy).depending) == ({}, set())


def test_each_call_carries_what_it_needs_itself(behind: FakeDeployment) -> None:
    for number in range(3):
        needing(behind, f"/api/queue/v1/task/{number}", f"queue:create-task:{number}")
    with learning(behind) as proxy:
        for number in range(3):
            assert send_signed(proxy, "PUT", f"/api/queue/v1/task/{number}").status_code == 200
    assert [scopes for scopes in calls(behind) if scopes] == [[f"queue:create-task:{number}"] for number in range(3)]
    assert learned(proxy).scopes == tuple(f"queue:create-task:{number}" for number in range(3))


def test_calls_that_come_at_once_are_known_by_the_same_reference(
    behind: FakeDeployment, made_connections: list[connections.Connection]
) -> None:
    told = behind.handlers["/references/queue/v1/api.json"]

    async def slowly(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        while sum(each._running for each in made_connections) < 8:
            await asyncio.sleep(0.01)
        return await told(request, seen)

    behind.handlers["/references/queue/v1/api.json"] = slowly
    needing(behind, "/api/queue/v1/task/", "queue:x")
    with learning(behind) as proxy, ThreadPoolExecutor(8) as pool:
        made = [pool.submit(send_signed, proxy, "PUT", f"/api/queue/v1/task/{number}") for number in range(8)]
        assert {call.result().status_code for call in made} == {200}
    assert learned(proxy).needed == {"queue:x": {"queue.createTask"}}
    assert len([seen for seen in behind.requests if seen.target.startswith("/references/")]) == 1


def test_a_purpose_is_extended(behind: FakeDeployment) -> None:
    needing(behind, TASK, "queue:create-task:a", "queue:scheduler-id:b")
    with learning(behind, ("queue:create-task:a",)) as proxy:
        assert send_signed(proxy, "PUT", TASK).status_code == 200
    assert calls(behind) == [["queue:create-task:a"], ["queue:create-task:a", "queue:scheduler-id:b"]]
    assert learned(proxy).scopes == ("queue:create-task:a", "queue:scheduler-id:b")


def test_what_is_not_held_is_never_asked_for(behind: FakeDeployment) -> None:
    needing(behind, TASK, "auth:create-role:x")
    with learning(behind) as proxy:
        answer = send_signed(proxy, "PUT", TASK)
        assert (answer.status_code, answer.json()["code"]) == (403, "InsufficientScopes")
    assert calls(behind) == [[]]
    assert learned(proxy).refused == {"auth:create-role:x": {"queue.createTask"}}
    assert learned(proxy).scopes == ()


def test_where_nobody_knows_what_is_held_the_first_refusal_is_handed_on(behind: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        if seen.scopes:
            return web.json_response({"code": "AuthenticationFailed", "message": "all that is held: …"}, status=401)
        return refusal("auth:create-role:x")

    behind.handlers[TASK] = answer
    with run_proxy(behind.root_url, learn=(), scopes=(), first=make_session(behind.root_url, scopes=None)) as proxy:
        got = send_signed(proxy, "PUT", TASK)
        assert (got.status_code, got.json()["code"]) == (403, "InsufficientScopes")
    assert calls(behind) == [[], ["auth:create-role:x"]]
    assert learned(proxy).refused == {"auth:create-role:x": {"queue.createTask"}}


@pytest.mark.parametrize(
    ("what", "more"),
    [
        ("somebody else's", {"client": "hook-id/a/b"}),
        ("another method", {"method": "claimWork"}),
        ("words around", {"message": "While firing the hook:\n" + text("queue:x")}),
        (
            "no credentials",
            {"message": "This request requires Taskcluster credentials that satisfy\n\n```\nqueue:x\n```"},
        ),
        ("one block", {"message": text("queue:x").partition("This request requires")[0]}),
        ("other end", {"message": text("queue:x").replace("This request requires", "The hook's role requires")}),
        ("wrong shape", {"message": text({"OneOf": ["queue:x"]})}),
        ("deep", {"message": text(json.loads('{"AllOf":[' * 60 + '"queue:x"' + "]}" * 60))}),
        ("number", {"message": text({"AllOf": [1]})}),
    ],
)
def test_another_refusal_is_handed_on_untouched(what: str, more: dict[str, Any], behind: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return refusal("queue:x", **more)

    behind.handlers[TASK] = answer
    with learning(behind) as proxy:
        got = send_signed(proxy, "PUT", TASK)
        assert got.status_code == 403
    assert calls(behind) == [[]], what
    assert learned(proxy) == LearnResult(failed={"queue.createTask": {403}})


def test_where_there_is_no_reference_the_parameters_have_to_be_the_calls(behind: FakeDeployment) -> None:
    parameters: dict[str, str] = {}

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return web.json_response({}) if seen.scopes else refusal("secrets:get:project/x", "get", params=parameters)

    behind.handlers["/api/secrets"] = answer
    with learning(behind) as proxy:
        parameters["name"] = "project/y"
        assert send_signed(proxy, "GET", "/api/secrets/v1/secret/project%2Fx").status_code == 403
        parameters["name"] = "project/x"
        assert send_signed(proxy, "GET", "/api/secrets/v1/secret/project%2Fx").status_code == 200
    assert learned(proxy).scopes == ("secrets:get:project/x",)


def test_a_deployment_that_is_never_content_is_not_asked_for_ever(behind: FakeDeployment) -> None:
    async def always(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return refusal("queue:x")

    async def another(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return refusal(f"queue:{len(behind.requests)}")

    async def more(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return refusal({"AllOf": ["queue:kept", *(f"queue:{n}" for n in range(2 + len(behind.requests)))]})

    with learning(behind) as proxy:
        for handler, most in ((always, 2), (another, 11), (more, 2)):
            behind.requests.clear()
            behind.handlers[TASK] = handler
            assert send_signed(proxy, "PUT", TASK).status_code == 403
            assert len(calls(behind)) <= most
    assert learned(proxy).failed == {"queue.createTask": {403}}


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_sent_again_up_to_16_mib(chunked: bool, behind: FakeDeployment) -> None:
    needing(behind, TASK, "queue:x")
    needing(behind, "/api/queue/v1/task/longer", "queue:y")
    body = b"x" * 2**24

    def call(proxy: RunningProxy, target: str, *pieces: bytes) -> int:
        if chunked:
            return send_signed(proxy, "PUT", target, chunks=list(pieces)).status_code
        return send_signed(proxy, "PUT", target, body=b"".join(pieces)).status_code

    with learning(behind) as proxy:
        assert call(proxy, TASK, body) == 200
        assert call(proxy, "/api/queue/v1/task/longer", body, b"x") == 403
    assert [len(seen.body) for seen in behind.requests if seen.method == "PUT"] == [2**24, 2**24, 2**24 + 1]
    assert learned(proxy).scopes == ("queue:x",)
    assert learned(proxy).unrepeated == {"queue.createTask"}


def test_a_call_that_needs_more_than_a_header_holds(behind: FakeDeployment) -> None:
    """The refusal is handed on, and the calls that fit are learned all the same."""
    many = [f"queue:route:{'x' * 40}{number}" for number in range(90)]

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        return refusal({"AllOf": many})

    behind.handlers[TASK] = answer
    needing(behind, "/api/queue/v1/task/other", "queue:x")
    with learning(behind) as proxy:
        got = send_signed(proxy, "PUT", TASK)
        assert (got.status_code, got.json()["code"]) == (403, "InsufficientScopes")
        assert send_signed(proxy, "PUT", "/api/queue/v1/task/other").status_code == 200
    assert len(calls(behind)) == 3
    assert learned(proxy).too_many == {"queue.createTask": set(many)}
    assert learned(proxy).scopes == ("queue:x",)


def test_what_is_refused_without_a_body_is_pointed_out(behind: FakeDeployment) -> None:
    needing(behind, TASK, "queue:x", method="task")
    with learning(behind) as proxy:
        assert send_signed(proxy, "HEAD", TASK).status_code == 403
        assert learned(proxy).untold == {"HEAD queue.task"}
        assert send_signed(proxy, "GET", TASK).status_code == 200
    assert learned(proxy).scopes == ("queue:x",)


def test_only_the_answer_of_current_scopes_depends_on_the_scopes(behind: FakeDeployment) -> None:
    """Lists need scopes of their own, and are listed once: as needing them."""
    needing(behind, "/api/secrets/v1/secrets", "secrets:list", method="list")
    referring(behind, "secrets", ("get", "/secrets", "list"))
    first = make_session(behind.root_url, scopes=(*HELD, "secrets:list"))
    with run_proxy(behind.root_url, learn=(), scopes=(), first=first) as proxy:
        for target in (
            "/api/queue/v1/task-group/x/list",
            TASK,
            "/api/auth/v1/scopes/current",
            "/api/secrets/v1/secrets",
            "/api/auth/v1/test-authenticate-get/",
        ):
            assert send_signed(proxy, "GET", target).status_code == 200
    assert learned(proxy).depending == {"GET /api/auth/v1/scopes/current"}
    assert learned(proxy).needed == {"secrets:list": {"secrets.list"}}


TRIGGER = "hooks:trigger-hook:sandbox/one"
TRIGGER_PATH = "/api/hooks/v1/hooks/sandbox/one/trigger"


def of_a_hooks_role(behind: FakeDeployment, *, then: int = 403, also: str = "") -> None:
    """Triggering the hook needs the caller's own scope (and `also`); then the deployment answers with an error of its own."""
    referring(behind, "hooks", ("post", "/hooks/<hookGroupId>/<hookId>/trigger", "triggerHook"))

    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        for scope in (TRIGGER, also):
            if scope and scope not in (seen.scopes or ()):
                return refusal(scope, "triggerHook")
        if then == 401:
            return web.json_response({"code": "AuthenticationFailed", "message": "Bad mac"}, status=401)
        if then == 403:
            return refusal("queue:create-task:x", "triggerHook", client="hook-id/sandbox/one")
        if request.transport is not None and not then:
            request.transport.abort()
        return web.json_response({"code": "InternalServerError", "message": "…"}, status=then or 500)

    behind.handlers[TRIGGER_PATH] = answer


@pytest.mark.parametrize("then", [403, 404, 500, 0])
def test_a_scope_that_was_added_counts_whatever_comes_after(then: int, behind: FakeDeployment) -> None:
    of_a_hooks_role(behind, then=then)
    first = make_session(behind.root_url, scopes=(*HELD, "hooks:trigger-hook:*"))
    with run_proxy(behind.root_url, learn=(), scopes=(), first=first) as proxy:
        assert send_signed(proxy, "POST", TRIGGER_PATH, body=b"{}").status_code == (then or 502)
    assert learned(proxy).needed == {TRIGGER: {"hooks.triggerHook"}}
    assert learned(proxy).refused == {}
    assert learned(proxy).failed == {"hooks.triggerHook": {then or 502}}


def test_of_what_was_added_in_turn_only_what_is_not_held_is_taken_back(behind: FakeDeployment) -> None:
    """Where nobody knows what the session holds, the deployment refuses the second scope with a 401."""
    of_a_hooks_role(behind, also="auth:not-held")
    answer = behind.handlers[TRIGGER_PATH]

    async def strict(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        if "auth:not-held" in (seen.scopes or ()):
            return web.json_response({"code": "AuthenticationFailed", "message": "all that is held: …"}, status=401)
        return await answer(request, seen)

    behind.handlers[TRIGGER_PATH] = strict
    with run_proxy(behind.root_url, learn=(), scopes=(), first=make_session(behind.root_url, scopes=None)) as proxy:
        assert send_signed(proxy, "POST", TRIGGER_PATH, body=b"{}").status_code == 403
    assert learned(proxy).needed == {TRIGGER: {"hooks.triggerHook"}}
    assert learned(proxy).refused == {"auth:not-held": {"hooks.triggerHook"}}


def test_a_call_that_fails_without_a_missing_scope_is_named(behind: FakeDeployment) -> None:
    of_a_hooks_role(behind)
    first = make_session(behind.root_url, scopes=(*HELD, TRIGGER))
    with run_proxy(behind.root_url, learn=(TRIGGER,), scopes=(TRIGGER,), first=first) as proxy:
        assert send_signed(proxy, "POST", TRIGGER_PATH, body=b"{}").status_code == 403
        # A program may well ask for what is not there.
        assert send_signed(proxy, "GET", "/api/queue/v1/nothing").status_code == 200
    assert (learned(proxy).needed, learned(proxy).failed) == ({}, {"hooks.triggerHook": {403}})


def test_a_program_that_narrows_itself_is_not_widened(behind: FakeDeployment) -> None:
    needing(behind, TASK, "queue:create-task:a")
    with learning(behind) as proxy:
        assert send_signed(proxy, "PUT", TASK, scopes=["queue:other"]).status_code == 403
        assert send_signed(proxy, "PUT", TASK, scopes=["queue:*"]).status_code == 200
    assert [scopes for scopes in calls(behind) if scopes] == [["queue:create-task:a"]]


def test_refusals_in_an_encoding_are_read(behind: FakeDeployment) -> None:
    async def answer(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        if seen.scopes:
            return web.json_response({})
        packed = gzip.compress(refusal("queue:x").body or b"")  # type: ignore[arg-type]
        assert "br" not in (seen.header("Accept-Encoding") or "")
        return web.Response(
            body=packed, status=403, headers={"Content-Encoding": "gzip", "Content-Type": "application/json"}
        )

    behind.handlers[TASK] = answer
    with learning(behind, unsigned=True) as proxy:
        got = send_plain(proxy, "PUT", f"/{proxy.run.secret}{TASK}", Accept_Encoding="gzip, br")
        assert got.status == 200
    assert learned(proxy).scopes == ("queue:x",)


SLUG = "fN1SbArXTPSVFNUvaOlinQ"


@pytest.mark.parametrize(
    ("alternatives", "known", "best"),
    [
        ([f"queue:cancel-task:ci/{SLUG}/{SLUG}", "queue:cancel-task-in-project:none"], (), 1),
        ([f"queue:cancel-task:ci/{SLUG}/{SLUG}", {"AllOf": ["queue:cancel-task", "queue:a", "queue:b"]}], (), 1),
        ([{"AllOf": [f"assume:scheduler-id:ci/{SLUG}", "queue:a"]}, "queue:create-task:highest:x"], (), 1),
        # Needed for another call already: even so.
        ([f"queue:x:{SLUG}", "queue:y:long-name"], (f"queue:x:{SLUG}",), 1),
        # A pattern that is needed anyway covers it: it costs nothing.
        ([f"queue:x:{SLUG}", "queue:y:long-name"], ("queue:x:*",), 0),
        # No other way.
        ([f"queue:x:{SLUG}"], (), 0),
        # Not an id, but 22 characters.
        (["queue:x:abcdefghijklmnopqrstuv", "queue:y"], (), 0),
    ],
)
def test_an_id_is_not_the_least_where_there_is_another_way(
    alternatives: list[Any], known: tuple[str, ...], best: int
) -> None:
    found = find_least({"AnyOf": alternatives}, ("*",), set(known))
    assert found == set(list_scopes(alternatives[best]))


def test_new_ids_are_known() -> None:
    for _ in range(1000):
        assert holds_random_id(f"queue:cancel-task:a/{taskcluster.slugId()}/{taskcluster.slugId()}")
    for scope in (
        "queue:*",
        "assume:login-identity:mozilla-auth0/ad|Mozilla-LDAP|sandbox",
        "secrets:get:project/releng/gecko/build/level-3",
    ):
        assert not holds_random_id(scope)
