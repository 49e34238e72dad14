"""Use the real clients as a user does: Python's, and JavaScript's in Node."""

from __future__ import annotations

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import mohawk
import pytest
import requests
import taskcluster
import taskcluster.aio
from taskcluster.exceptions import TaskclusterAuthFailure, TaskclusterRestFailure

from tcenv.sandbox import Client, Sandbox
from tests.programs import require

TASK_ID = "fN1SbArXTPSVFNUvaOlinQ"
MAY_CREATE = [
    "queue:create-task:high:proj-sandbox/*", "queue:create-task:project:none", "queue:scheduler-id:-", "queue:get-task:*",
]  # fmt: skip
MISSING = re.compile(r"Client ID \S+ .*missing the following scopes:\n\n```\n(.*?)\n```\n\nThis request requires", re.S)
MODULES = Path(__file__).parent.parent / ".tools" / "node_modules"
FORBIDDEN = (403, "InsufficientScopes")
NOT_FOUND = (404, "ResourceNotFound")
CONFLICT = (409, "RequestConflict")
Credentials = Client | dict[str, Any] | None


def make_options(tc: Sandbox, client: Credentials = None, **more: Any) -> dict[str, Any]:
    """Return the options of a Python client that signs as `client` or with temporary credentials."""
    if isinstance(client, Client):
        client = {"clientId": client.client_id, "accessToken": client.access_token}
    credentials = {} if client is None else {"credentials": dict(client)}
    return {"rootUrl": tc.root_url, "maxRetries": 0, **credentials, **more}


def make_auth(tc: Sandbox, client: Credentials = None, **more: Any) -> taskcluster.Auth:
    """Return a client of the Auth service."""
    return taskcluster.Auth(make_options(tc, client, **more))


def make_queue(tc: Sandbox, client: Credentials = None, **more: Any) -> taskcluster.Queue:
    """Return a client of the Queue service."""
    return taskcluster.Queue(make_options(tc, client, **more))


def make_secrets(tc: Sandbox, client: Credentials = None, **more: Any) -> taskcluster.Secrets:
    """Return a client of the Secrets service."""
    return taskcluster.Secrets(make_options(tc, client, **more))


def make_client_body(scopes: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a body for createClient and updateClient. Without `scopes`, an update keeps those of the client."""
    chosen = {} if scopes is None else {"scopes": scopes}
    return {"description": "d", "expires": "2100-01-01T00:00:00.000Z", **chosen, **more}


def send_unhashed(
    tc: Sandbox, client: Client, method: str, path: str, body: Any = None, kind: str = ""
) -> requests.Response:
    """Send a request signed as JavaScript's client does it: without a hash of the body."""
    url = f"{tc.root_url}/api/{path}"
    credentials = {"id": client.client_id, "key": client.access_token, "algorithm": "sha256"}
    header = mohawk.Sender(credentials, url, method, always_hash_content=False).request_header
    headers = {"Content-Type": kind} if kind else {}
    return requests.request(method, url, data=body, headers={"Authorization": header, **headers})


def get_rejection(call: Any, *arguments: Any) -> str:
    """Return the first line of the 401 that `call` raises."""
    with pytest.raises(TaskclusterAuthFailure) as caught:
        call(*arguments)
    assert caught.value.status_code == 401
    assert caught.value.body["code"] == "AuthenticationFailed"
    return str(caught.value.body["message"]).splitlines()[0]


def get_failure(call: Any, *arguments: Any) -> tuple[int, str, str]:
    """Return status, code and message of the failure that `call` raises. A 401 does not count."""
    with pytest.raises(TaskclusterRestFailure) as caught:
        call(*arguments)
    return caught.value.status_code, caught.value.body["code"], caught.value.body["message"]


def get_failure_code(call: Any, *arguments: Any) -> tuple[int, str]:
    """Return status and code of that failure."""
    return get_failure(call, *arguments)[:2]


def run_node(script: str, tc: Sandbox, client: Client) -> Any:
    """Return what `script` returns: the body of an asynchronous function with `taskcluster` in its scope. The client's
    options come from the environment, as in a program that tcenv runs."""
    program = (
        "const taskcluster = require('taskcluster-client');"
        f"(async () => {{ {script} }})().then(result => console.log(JSON.stringify(result)),"
        "  error => { console.error(error); process.exit(1); });"
    )
    done = subprocess.run(
        [require("node"), "-e", program],
        env={
            "PATH": os.environ["PATH"],
            "NODE_PATH": str(MODULES),
            "TASKCLUSTER_ROOT_URL": tc.root_url,
            "TASKCLUSTER_CLIENT_ID": client.client_id,
            "TASKCLUSTER_ACCESS_TOKEN": client.access_token,
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def make_task(**more: Any) -> dict[str, Any]:
    """Return a task's definition."""
    now = datetime.now(UTC)
    return {
        "taskQueueId": "proj-sandbox/ci",
        "created": taskcluster.stringDate(now),
        "deadline": taskcluster.stringDate(now + timedelta(hours=1)),
        "priority": "low",
        "payload": {"command": ["true"]},
        "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com/"},
        **more,
    }
