"""Calls whose answers were measured on a real deployment (version 106), public and private: status, code, keys, and the scope
expressions and texts that a client reads. Each row is one call, in the order in which they were sent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import mohawk
import pytest
import requests

from tcenv.sandbox import Client, Sandbox

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


def stamp(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def client(**more: Any) -> dict[str, Any]:
    return {"description": "d", "expires": "2100-01-01T00:00:00.000Z", "scopes": [], **more}


TASK = {
    "taskQueueId": "proj-narrow/w",
    "schedulerId": "narrow",
    "taskGroupId": T,
    "created": stamp(),
    "deadline": stamp(hours=1),
    "payload": {},
    "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com/"},
}
WORKER = {"workerGroup": "a", "workerId": "b", "tasks": 1}
ABOUT = {"name": "n", "description": "d", "owner": "o@example.com"}
HOOK = {
    "metadata": ABOUT,
    "task": {name: TASK[name] for name in ("taskQueueId", "schedulerId", "payload", "metadata")},
}


def without(body: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


def over(verb: str) -> dict[str, Any]:
    """The scopes for doing something with the task."""
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
    """A call by each of `callers` (n: narrow, a: anonymous, w: wide) on `kinds` of deployments, and what came of it: `keys` of a
    good answer; `code` and `text` of an error (after the schema's address: its errors); `scopes` that a 403 requires, and
    `lacking` what of them it says is missing."""

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


def refused(kinds: str, callers: str, call: str, scopes: Any, body: Any = None, lacking: Any = None) -> Row:
    return Row(kinds, callers, call, body, 403, "InsufficientScopes", scopes=scopes, lacking=lacking)


def broken(call: str, body: Any, *errors: str) -> Row:
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
    broken(MADE, without(client(), "expires"), "data must have required property 'expires'"),
    broken(MADE, client(expires="banana"), 'data/expires must match format "date-time"'),
    broken(MADE, client(expires="2100-01-01"), 'data/expires must match format "date-time"'),
    broken(MADE, client(description="x" * 10241), "data/description must NOT have more than 10240 characters"),
    broken(MADE, client(foo=1), 'data must NOT have additional properties: "foo"'),
    broken(MADE, client(scopes=["a", "a"]), "data/scopes must NOT have duplicate items (items ## 1 and 0 are identical)"),
    broken(MADE, client(deleteOnExpiration="yes"), "data/deleteOnExpiration must be boolean"),
    Row(BOTH, "w", MADE, "{a}", 400, "MalformedPayload",
        "Failed to parse JSON: Expected property name or '}' in JSON at position 1 (line 1 column 2)"),
    Row(BOTH, "w", MADE, client(), 400, "MalformedPayload", kind=""),
    Row(BOTH, "w", MADE, client(expires="2100-01-01T00:00:00"), keys=CLIENT_KEYS),
    # The queue.
    Row(BOTH, "w", f"PUT queue task/{T}", TASK, keys={"status": STATUS_KEYS}),
    Row(BOTH, "w", f"PUT queue task/{T}", {**TASK, "retries": 1}, 409, "RequestConflict",
        f"taskId `{T}` already used by another task.\nThis could be the result of faulty idempotency!"),
    broken(f"PUT queue task/{OTHER}", without(TASK, "metadata"), "data must have required property 'metadata'"),
    Row(BOTH, "w", "PUT queue task/x", TASK, 400, "InvalidRequestArguments",
        "Invalid URL patterns:\nURL parameter 'taskId' given as 'x' must match regular expression: "
        "'/^[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]$/'"),
    Row(BOTH, "w", f"PUT queue task/{OTHER}", {**TASK, "deadline": stamp(hours=-1)}, 400, "InputError",
        "`deadline` cannot be later than `created`"),
    Row("public", "anw", f"GET queue task/{T}/status", keys={"status": STATUS_KEYS}),
    Row("private", "w", f"GET queue task/{T}/status", keys={"status": STATUS_KEYS}),
    refused("private", "an", f"GET queue task/{T}/status", f"queue:status:{T}"),
    Row("public", "anw", f"GET queue task/{T}/artifacts", keys={"artifacts"}),
    Row("private", "w", f"GET queue task/{T}/artifacts", keys={"artifacts"}),
    refused("private", "an", f"GET queue task/{T}/artifacts", f"queue:list-artifacts:{T}"),
    Row("public", "anw", f"GET queue task/{T}/artifacts/public%2Fx", status=404, code="ResourceNotFound"),
    refused("private", "anw", f"GET queue task/{T}/artifacts/public%2Fx", {"AllOf": ["queue:get-artifact:public/x"]},
            lacking="queue:get-artifact:public/x"),
    refused(BOTH, "anw", f"GET queue task/{T}/artifacts/private%2Fx", {"AllOf": ["queue:get-artifact:private/x"]},
            lacking="queue:get-artifact:private/x"),
    refused(BOTH, "anw", f"GET queue task-group/{T}", f"queue:list-task-group:{T}"),
    refused(BOTH, "anw", f"GET queue task-group/{T}/list", f"queue:list-task-group:{T}"),
    refused(BOTH, "anw", f"POST queue task/{T}/schedule", over("schedule")),
    refused(BOTH, "an", f"POST queue task/{T}/rerun", over("rerun")),
    refused(BOTH, "an", f"POST queue task/{T}/cancel", over("cancel")),
    Row(BOTH, "w", f"POST queue task/{T}/cancel", keys={"status": STATUS_KEYS}),
    Row(BOTH, "w", f"POST queue task/{T}/rerun", keys={"status": STATUS_KEYS}),
    Row("public", "anw", f"GET queue task/{NO_SUCH}", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.{SUBMITTED}"),
    Row("private", "w", f"GET queue task/{NO_SUCH}", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.{SUBMITTED}"),
    refused("private", "an", f"GET queue task/{NO_SUCH}/status", f"queue:status:{NO_SUCH}"),
    Row("public", "anw", f"GET queue task/{NO_SUCH}/status", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.\nAre you sure this task exists?"),
    Row("private", "w", f"GET queue task/{NO_SUCH}/status", status=404, code="ResourceNotFound",
        text=f"`{NO_SUCH}` does not correspond to a task that exists.\nAre you sure this task exists?"),
    Row(BOTH, "anw", f"POST queue task/{NO_SUCH}/cancel", status=404, code="ResourceNotFound",
        text=f"Task `{NO_SUCH}` not found. Are you sure it was created?"),
    refused(BOTH, "anw", "POST queue claim-work/proj-narrow%2Fw", CLAIM, WORKER),
    refused(BOTH, "anw", "GET queue provisioners", "queue:list-provisioners"),
    Row("public", "anw", f"GET queue task/{T}/runs/0/artifacts", keys={"artifacts"}),
    Row("private", "w", f"GET queue task/{T}/runs/0/artifacts", keys={"artifacts"}),
    refused("private", "an", f"GET queue task/{T}/runs/0/artifacts", f"queue:list-artifacts:{T}:0"),
    # Secrets and hooks.
    broken("PUT secrets secret/project%2Fnarrow%2Fb", {"secret": "x"}, "data must have required property 'expires'",
           "data/secret must be object"),
    Row(BOTH, "w", "DELETE secrets secret/project%2Fnarrow%2Fa", keys=set()),
    refused(BOTH, "an", "PUT hooks hooks/narrow/h", MODIFY, HOOK),
    Row(BOTH, "w", "PUT hooks hooks/narrow/h", HOOK, keys=HOOK_KEYS),
    Row(BOTH, "w", "PUT hooks hooks/narrow/h", {**HOOK, "schedule": ["@daily"]}, 409, "RequestConflict",
        "hook `narrow/h` already exists."),
    refused(BOTH, "an", "GET hooks hooks/narrow/h", "hooks:get:narrow:h"),
    Row(BOTH, "w", "GET hooks hooks/narrow/h", keys={"bindings", *HOOK_KEYS}),
    refused(BOTH, "an", "GET hooks hooks", "hooks:list-hooks:"),
    Row(BOTH, "w", "GET hooks hooks", keys={"groups"}),
    refused(BOTH, "an", "GET hooks hooks/narrow", "hooks:list-hooks:narrow"),
    Row(BOTH, "w", "GET hooks hooks/narrow", keys={"hooks"}),
    Row(BOTH, "w", "POST hooks hooks/narrow/h/trigger", {}, 403, "InsufficientScopes",
        "The role `hook-id:narrow/h` does not have sufficient scopes to create the task:\n\nClient ID "
        "static/taskcluster/hooks does not have sufficient scopes and is missing the following scopes:\n\n"
        f"```\n{json.dumps(CREATE_BY_HOOK, indent=2)}\n```"),
    refused(BOTH, "anw", "GET hooks hooks/narrow/h/status", "hooks:status:narrow/h"),
    refused(BOTH, "an", "GET hooks hooks/narrow/none", "hooks:get:narrow:none"),
    Row(BOTH, "w", "GET hooks hooks/narrow/none", status=404, code="ResourceNotFound", text="No such hook"),
    refused(BOTH, "an", "DELETE hooks hooks/narrow/h", "hooks:modify-hook:narrow/h"),
    Row(BOTH, "w", "DELETE hooks hooks/narrow/h", keys=set()),
]  # fmt: skip


@pytest.fixture(scope="module", params=["public", "private"])
def answers(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[tuple[int, str], requests.Response]]]:
    """Every answer, by the row and the caller."""
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


def send(tc: Sandbox, who: Client | None, row: Row) -> requests.Response:
    verb, service, path = row.call.split()
    url = f"{tc.root_url}/api/{service}/v1/{path}"
    body = row.body if row.body is None or isinstance(row.body, str) else json.dumps(row.body)
    headers = {} if body is None or not row.kind else {"Content-Type": row.kind}
    if who is not None:
        credentials = {"id": who.client_id, "key": who.access_token, "algorithm": "sha256"}
        headers["Authorization"] = mohawk.Sender(credentials, url, verb, always_hash_content=False).request_header
    return requests.request(verb, url, data=body, headers=headers, timeout=60)


@pytest.mark.parametrize("number", range(len(ROWS)), ids=lambda number: f"{ROWS[number].status} {ROWS[number].call}")
def test_it_answers_as_a_deployment_does(
    number: int, answers: tuple[str, dict[tuple[int, str], requests.Response]]
) -> None:
    kind, got = answers
    row = ROWS[number]
    for caller in row.callers if kind in row.kinds.split() else "":
        answer = got[number, caller]
        told = answer.json()
        assert answer.status_code == row.status, (caller, told)
        if row.status == 200:
            check_keys(told, row.keys)
            continue
        assert set(told) == {"code", "message", "requestInfo"}
        assert told["code"] == row.code
        message = told["message"].split("\n\n---\n\n")[0]
        assert (row.text if row.scopes is None else describe(caller, row)) in message
        if row.code == "InputValidationError":
            assert message.endswith(row.text)
            assert re.match(
                r"\nSchema Validation Failed!\nRejecting Schema: http://localhost:\d+/schemas/\S+\.json#\n", message
            )


def check_keys(told: Any, keys: Any) -> None:
    if isinstance(keys, dict):
        assert set(told) == set(keys)
        for name, inner in keys.items():
            check_keys(told[name], inner)
    else:
        assert set(told) == keys


def describe(caller: str, row: Row) -> str:
    """The text of a 403."""

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


def test_a_method_is_named_and_its_arguments_are_told(
    answers: tuple[str, dict[tuple[int, str], requests.Response]],
) -> None:
    _, got = answers
    first = got[0, "w"].json()["requestInfo"]
    assert (first["method"], first["params"]) == ("client", {"clientId": "a b"})
    (malformed,) = [n for n, row in enumerate(ROWS) if row.body == "{a}"]
    assert got[malformed, "w"].json()["requestInfo"]["payload"] == "{a}"


@pytest.mark.parametrize("header", ["Basic dXNlcjpwYXNz", "garbage"])
def test_what_is_not_hawk_is_unauthorized(header: str) -> None:
    with Sandbox() as tc:
        answer = requests.get(f"{tc.root_url}/api/auth/v1/scopes/current", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "hawk"
        assert answer.json()["message"].split("\n\n---")[0] == "Unauthorized: Unauthorized"
