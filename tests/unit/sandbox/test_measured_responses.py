"""Compare the sandbox's answers with those of a real deployment (version 106), public and private.

Each row is one call, in the order in which they were sent: status, code, keys, and the scope expressions and texts that a
client reads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tcenv.sandbox import Client, Sandbox
from tests.clients import make_client_body, send_unhashed

USER = "github/1005|diff"
NO_SUCH = "VuNG7ZZOSLqYifD3qRBjvg"
T = "fN1SbArXTPSVFNUvaOlinQ"
OTHER = "NH8VPCuxRnix-aiFEoD-gg"
EVERYBODY = ["auth:current-scopes", "auth:get-client:*", "auth:list-clients", "queue:get-task:*"]
WIDE = [
    "auth:create-client:*", "auth:update-client:*", "queue:create-task:*", "queue:scheduler-id:*", "queue:get-task:*",
    "queue:status:*", "queue:list-artifacts:*", "queue:rerun-task:*", "queue:cancel-task:*", "secrets:*",
    "hooks:modify-hook:*", "assume:hook-id:narrow/*", "hooks:get:*", "hooks:list-hooks:*", "hooks:trigger-hook:*",
]  # fmt: skip


def make_time(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


TASK = {
    "taskQueueId": "proj-narrow/w",
    "schedulerId": "narrow",
    "taskGroupId": T,
    "created": make_time(),
    "deadline": make_time(hours=1),
    "payload": {},
    "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com/"},
}
WORKER = {"workerGroup": "a", "workerId": "b", "tasks": 1}
ABOUT = {"name": "n", "description": "d", "owner": "o@example.com"}
HOOK = {"metadata": ABOUT, "task": {name: TASK[name] for name in ("taskQueueId", "schedulerId", "payload", "metadata")}}


def drop_key(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def list_scopes(verb: str) -> dict[str, Any]:
    """Return the scopes that allow `verb` on the task."""
    alone = {"AllOf": [f"queue:{verb}-task", f"assume:scheduler-id:narrow/{T}"]}
    return {"AnyOf": [f"queue:{verb}-task:narrow/{T}/{T}", f"queue:{verb}-task-in-project:none", alone]}


STATUS_KEYS = {
    "deadline", "expires", "priority", "projectId", "provisionerId", "retriesLeft", "runs", "schedulerId", "state",
    "taskGroupId", "taskId", "taskQueueId", "workerType",
}  # fmt: skip
HOOK_KEYS = {"hookGroupId", "hookId", "metadata", "schedule", "task", "triggerSchema"}
CLIENT_KEYS = {
    "accessToken", "clientId", "created", "deleteOnExpiration", "description", "disabled", "expandedScopes", "expires",
    "lastDateUsed", "lastModified", "lastRotated", "scopes",
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A call by each of `callers` (n: narrow, a: anonymous, w: wide) on `kinds` of deployments, and its answer. A good one has
    `keys`; an error has `code` and `text`; a 403 requires `scopes`, and names those of them that are `lacking`."""

    kinds: str
    callers: str
    call: str
    body: Any = None
    status: int = 200
    code: str = ""
    text: str = ""
    keys: Any = None
    scopes: Any = None
    lacking: Any = None
    kind: str = "application/json"


def forbidden(kinds: str, callers: str, call: str, scopes: Any, body: Any = None, lacking: Any = None) -> Row:
    return Row(kinds, callers, call, body, 403, "InsufficientScopes", scopes=scopes, lacking=lacking)


def invalid(call: str, body: Any, *errors: str) -> Row:
    text = "".join(f"\n  * {error}" for error in errors)
    return Row("public private", "w", call, body, 400, "InputValidationError", f"\nErrors:{text}")


MADE = f"PUT auth clients/{quote(USER, safe='')}%2Fmade"
BOTH = "public private"
MODIFY = {"AllOf": ["hooks:modify-hook:narrow/h", "assume:hook-id:narrow/h"]}
CLAIM = {"AllOf": ["queue:claim-work:proj-narrow/w", "queue:worker-id:a/b"]}
CREATE_BY_HOOK = {
    "AllOf": [
        "queue:create-task:project:none",
        "queue:scheduler-id:narrow",
        {
            "AnyOf": [
                f"queue:create-task:{priority}:proj-narrow/w"
                for priority in ("highest", "very-high", "high", "medium", "low", "very-low", "lowest")
            ]
        },
    ]
}
SUBMITTED = "\nAre you sure this task has already been submitted?"
ROWS = [
    Row(BOTH, "aw", "GET auth clients/a%20b", status=400, code="InvalidRequestArguments",
        text="Invalid URL patterns:\nURL parameter 'clientId' given as 'a b' must match regular expression: "
        "'/^[A-Za-z0-9!@/:.+|_-]+$/'"),
    invalid(MADE, drop_key(make_client_body([]), "expires"), "data must have required property 'expires'"),
    invalid(MADE, make_client_body([], expires="banana"), 'data/expires must match format "date-time"'),
    invalid(MADE, make_client_body([], expires="2100-01-01"), 'data/expires must match format "date-time"'),
    invalid(MADE, make_client_body([], description="x" * 10241), "data/description must NOT have more than 10240 characters"),
    invalid(MADE, make_client_body([], foo=1), 'data must NOT have additional properties: "foo"'),
    invalid(MADE, make_client_body(["a", "a"]), "data/scopes must NOT have duplicate items (items ## 1 and 0 are identical)"),
    invalid(MADE, make_client_body([], deleteOnExpiration="yes"), "data/deleteOnExpiration must be boolean"),
    Row(BOTH, "w", MADE, "{a}", 400, "MalformedPayload",
        "Failed to parse JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)"),
    Row(BOTH, "w", MADE, make_client_body([]), 400, "MalformedPayload", kind=""),
    Row(BOTH, "w", MADE, make_client_body([], expires="2100-01-01T00:00:00"), keys=CLIENT_KEYS),
    # The queue.
    Row(BOTH, "w", f"PUT queue task/{T}", TASK, keys={"status": STATUS_KEYS}),
    Row(BOTH, "w", f"PUT queue task/{T}", {**TASK, "retries": 1}, 409, "RequestConflict",
        f"taskId `{T}` already used by another task.\nThis could be the result of faulty idempotency!"),
    invalid(f"PUT queue task/{OTHER}", drop_key(TASK, "metadata"), "data must have required property 'metadata'"),
    Row(BOTH, "w", "PUT queue task/x", TASK, 400, "InvalidRequestArguments",
        "Invalid URL patterns:\nURL parameter 'taskId' given as 'x' must match regular expression: "
        "'/^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$/'"),
    Row(BOTH, "w", f"PUT queue task/{OTHER}", {**TASK, "deadline": make_time(hours=-1)}, 400, "InputError",
        "`deadline` cannot be later than `created`"),
    Row("public", "anw", f"GET queue task/{T}/status", keys={"status": STATUS_KEYS}),
    Row("private", "w", f"GET queue task/{T}/status", keys={"status": STATUS_KEYS}),
    forbidden("private", "an", f"GET queue task/{T}/status", f"queue:status:{T}"),
    Row("public", "anw", f"GET queue task/{T}/artifacts", keys={"artifacts"}),
    Row("private", "w", f"GET queue task/{T}/artifacts", keys={"artifacts"}),
    forbidden("private", "an", f"GET queue task/{T}/artifacts", f"queue:list-artifacts:{T}"),
    Row("public", "anw", f"GET queue task/{T}/artifacts/public%2Fx", status=404, code="ResourceNotFound"),
    forbidden("private", "anw", f"GET queue task/{T}/artifacts/public%2Fx", {"AllOf": ["queue:get-artifact:public/x"]},
            lacking="queue:get-artifact:public/x"),
    forbidden(BOTH, "anw", f"GET queue task/{T}/artifacts/private%2Fx", {"AllOf": ["queue:get-artifact:private/x"]},
            lacking="queue:get-artifact:private/x"),
    forbidden(BOTH, "anw", f"GET queue task-group/{T}", f"queue:list-task-group:{T}"),
    forbidden(BOTH, "anw", f"GET queue task-group/{T}/list", f"queue:list-task-group:{T}"),
    forbidden(BOTH, "anw", f"POST queue task/{T}/schedule", list_scopes("schedule")),
    forbidden(BOTH, "an", f"POST queue task/{T}/rerun", list_scopes("rerun")),
    forbidden(BOTH, "an", f"POST queue task/{T}/cancel", list_scopes("cancel")),
    Row(BOTH, "w", f"POST queue task/{T}/cancel", keys={"status": STATUS_KEYS}),
    Row(BOTH, "w", f"POST queue task/{T}/rerun", keys={"status": STATUS_KEYS}),
    Row("public", "anw", f"GET queue task/{NO_SUCH}", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.{SUBMITTED}"),
    Row("private", "w", f"GET queue task/{NO_SUCH}", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.{SUBMITTED}"),
    forbidden("private", "an", f"GET queue task/{NO_SUCH}/status", f"queue:status:{NO_SUCH}"),
    Row("public", "anw", f"GET queue task/{NO_SUCH}/status", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.\nAre you sure this task exists?"),
    Row("private", "w", f"GET queue task/{NO_SUCH}/status", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.\nAre you sure this task exists?"),
    Row(BOTH, "anw", f"POST queue task/{NO_SUCH}/cancel", status=404, code="ResourceNotFound",
        text=f"Task `{NO_SUCH}` not found. Are you sure it was created?"),
    forbidden(BOTH, "anw", "POST queue claim-work/proj-narrow%2Fw", CLAIM, WORKER),
    forbidden(BOTH, "anw", "GET queue provisioners", "queue:list-provisioners"),
    Row("public", "anw", f"GET queue task/{T}/runs/0/artifacts", keys={"artifacts"}),
    Row("private", "w", f"GET queue task/{T}/runs/0/artifacts", keys={"artifacts"}),
    forbidden("private", "an", f"GET queue task/{T}/runs/0/artifacts", f"queue:list-artifacts:{T}:0"),
    # Secrets and hooks.
    invalid("PUT secrets secret/project%2Fnarrow%2Fb", {"secret": "x"}, "data must have required property 'expires'",
           "data/secret must be object"),
    Row(BOTH, "w", "DELETE secrets secret/project%2Fnarrow%2Fa", keys=set()),
    forbidden(BOTH, "an", "PUT hooks hooks/narrow/h", MODIFY, HOOK),
    Row(BOTH, "w", "PUT hooks hooks/narrow/h", HOOK, keys=HOOK_KEYS),
    Row(BOTH, "w", "PUT hooks hooks/narrow/h", {**HOOK, "schedule": ["@daily"]}, 409, "RequestConflict",
        "hook `narrow/h` already exists."),
    forbidden(BOTH, "an", "GET hooks hooks/narrow/h", "hooks:get:narrow:h"),
    Row(BOTH, "w", "GET hooks hooks/narrow/h", keys={"bindings", *HOOK_KEYS}),
    forbidden(BOTH, "an", "GET hooks hooks", "hooks:list-hooks:"),
    Row(BOTH, "w", "GET hooks hooks", keys={"groups"}),
    forbidden(BOTH, "an", "GET hooks hooks/narrow", "hooks:list-hooks:narrow"),
    Row(BOTH, "w", "GET hooks hooks/narrow", keys={"hooks"}),
    Row(BOTH, "w", "POST hooks hooks/narrow/h/trigger", {}, 403, "InsufficientScopes",
        "The role `hook-id:narrow/h` does not have sufficient scopes to create the task:\n\nClient ID "
        "static/taskcluster/hooks does not have sufficient scopes and is missing the following scopes:\n\n"
        f"```\n{json.dumps(CREATE_BY_HOOK, indent=2)}\n```"),
    forbidden(BOTH, "anw", "GET hooks hooks/narrow/h/status", "hooks:status:narrow/h"),
    forbidden(BOTH, "an", "GET hooks hooks/narrow/none", "hooks:get:narrow:none"),
    Row(BOTH, "w", "GET hooks hooks/narrow/none", status=404, code="ResourceNotFound", text="No such hook"),
    forbidden(BOTH, "an", "DELETE hooks hooks/narrow/h", "hooks:modify-hook:narrow/h"),
    Row(BOTH, "w", "DELETE hooks hooks/narrow/h", keys=set()),
]  # fmt: skip


@pytest.fixture(scope="module", params=["public", "private"])
def answers(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[tuple[int, str], requests.Response]]]:
    """Send every row. Return the kind of the deployment, and the answers by row and caller."""
    kind = request.param
    roles = {"anonymous": EVERYBODY} if kind == "public" else {}
    with Sandbox(public=kind == "public", user=USER, roles=roles) as tc:
        callers = {
            "a": None,
            "n": tc.create_client(f"{USER}/narrow", ["queue:create-task:project:none"]),
            "w": tc.create_client(f"{USER}/wide", WIDE),
        }
        yield (
            kind,
            {
                (number, caller): send(tc, callers[caller], row)
                for number, row in enumerate(ROWS)
                if kind in row.kinds.split()
                for caller in row.callers
            },
        )


def send(deployment: Sandbox, client: Client | None, row: Row) -> requests.Response:
    method, service, path = row.call.split()
    path = f"{service}/v1/{path}"
    body = row.body if row.body is None or isinstance(row.body, str) else json.dumps(row.body)
    kind = "" if body is None else row.kind
    if client is not None:
        return send_unhashed(deployment, client, method, path, body, kind)
    headers = {"Content-Type": kind} if kind else {}
    return requests.request(method, f"{deployment.root_url}/api/{path}", data=body, headers=headers, timeout=60)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"{ROWS[number].status} {ROWS[number].call}")
def test_the_answer_is_that_of_a_deployment(
    number: int, answers: tuple[str, dict[tuple[int, str], requests.Response]]
) -> None:
    kind, got = answers
    row = ROWS[number]
    for caller in row.callers if kind in row.kinds.split() else "":
        answer = got[number, caller]
        content = answer.json()
        assert answer.status_code == row.status, (caller, content)
        if row.status == 200:
            assert_keys(content, row.keys)
            continue
        assert set(content) == {"code", "message", "requestInfo"}
        assert content["code"] == row.code
        message = content["message"].split("\n\n---\n\n")[0]
        assert (row.text if row.scopes is None else describe_403(caller, row)) in message
        if row.code == "InputValidationError":
            assert message.endswith(row.text)
            assert re.match(
                r"\nSchema Validation Failed!\nRejecting Schema: http://localhost:\d+/schemas/\S+\.json#\n", message
            )


def assert_keys(content: Any, keys: Any) -> None:
    if isinstance(keys, dict):
        assert set(content) == set(keys)
        for name, inner in keys.items():
            assert_keys(content[name], inner)
    else:
        assert set(content) == keys


def describe_403(caller: str, row: Row) -> str:
    """Return the text of a 403."""

    def show(scopes: Any) -> str:
        return f"```\n{scopes if isinstance(scopes, str) else json.dumps(scopes, indent=2)}\n```"

    required = show(row.scopes)
    if caller == "a":
        return (
            f"This request requires Taskcluster credentials that satisfy the following scope expression:\n\n{required}"
        )
    who = {"n": "narrow", "w": "wide"}[caller]
    return (
        f"Client ID {USER}/{who} does not have sufficient scopes and is missing the following scopes:\n\n"
        f"{show(row.lacking or row.scopes)}\n\n"
        f"This request requires the client to satisfy the following scope expression:\n\n{required}"
    )


def test_an_error_repeats_method_and_arguments(answers: tuple[str, dict[tuple[int, str], requests.Response]]) -> None:
    _, got = answers
    first = got[0, "w"].json()["requestInfo"]
    assert (first["method"], first["params"]) == ("client", {"clientId": "a b"})
    (malformed,) = [n for n, row in enumerate(ROWS) if row.body == "{a}"]
    assert got[malformed, "w"].json()["requestInfo"]["payload"] == "{a}"


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "garbage"])
def test_another_authorization_is_unauthorized(header: str, deployment: Sandbox) -> None:
    answer = requests.get(f"{deployment.root_url}/api/auth/v1/scopes/current", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "hawk"
    assert answer.json()["message"].split("\n\n---")[0] == "Unauthorized: Unauthorized"
