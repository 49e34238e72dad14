"""Slices of the Secrets and Hooks services, and what no Taskcluster has: a service that takes and gives bodies of any size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from tcenv.sandbox.answers import Answer
from tcenv.sandbox.api import Call, Service, insufficient
from tcenv.sandbox.queue import QUEUE, keep_task, scope_values, whole_task
from tcenv.sandbox.records import ApiError, fields_of, invalid, new_token, parse_timestamp, timestamp, wrong
from tcenv.sandbox.scopes import Held, missing, render

SECRETS = Service("secrets", "Secrets Service")
HOOKS = Service("hooks", "Hooks Service")
TRAFFIC = Service("sandbox", "Bodies of any size, in the sandbox alone")
ANYTHING = Service("", "A service that the sandbox does not have")
_EXAMPLES = "project/sandbox/"
_HOOKS = "sandbox"
_PIECE = bytes(range(256)) * 256
_LARGEST = 1 << 42


@SECRETS.declare("GET", "ping", "/ping")
@HOOKS.declare("GET", "ping", "/ping")
@TRAFFIC.declare("GET", "ping", "/ping")
@ANYTHING.declare("GET", "ping", "/ping")
def _ping(call: Call) -> Any:
    """Ping the server"""
    return {"alive": True, "uptime": 1}


@SECRETS.declare("PUT", "set", "/secret/<name>", "secrets:set:<name>", body=True)
def _set_secret(call: Call) -> Any:
    """Set a secret"""
    fields = fields_of(call.body, secret=dict, expires=str)
    if fields.keys() != {"secret", "expires"}:
        raise invalid("the body must have secret and expires")
    parse_timestamp(fields["expires"])
    call.deployment.secrets[call.params["name"]] = dict(fields)
    return {}


@SECRETS.declare("GET", "get", "/secret/<name>", "secrets:get:<name>")
def _secret(call: Call) -> Any:
    """Get a secret; below project/sandbox/ there is one of any name"""
    name, now = call.params["name"], call.deployment.now()
    secret = call.deployment.secrets.get(name)
    if secret is None:
        if not name.startswith(_EXAMPLES):
            raise ApiError(404, "ResourceNotFound", "Secret not found")
        return {"secret": {"sandbox": "nothing here is real"}, "expires": timestamp(now + 86400)}
    if parse_timestamp(secret["expires"]) < now:
        raise ApiError(410, "ResourceExpired", "The requested resource has expired.")
    return secret


@SECRETS.declare("DELETE", "remove", "/secret/<name>", "secrets:set:<name>")
def _remove_secret(call: Call) -> Any:
    """Delete a secret"""
    if call.deployment.secrets.pop(call.params["name"], None) is None:
        raise ApiError(404, "ResourceNotFound", "Secret not found")
    return {}


@SECRETS.declare("GET", "list", "/secrets", "secrets:list-secrets", query=("continuationToken", "limit"))
def _list_secrets(call: Call) -> Any:
    """List the names of secrets"""
    return {"secrets": sorted(call.deployment.secrets)}


@HOOKS.declare("POST", "triggerHook", "/hooks/<hookGroupId>/<hookId>/trigger",
               "hooks:trigger-hook:<hookGroupId>/<hookId>", body=True)  # fmt: skip
def _trigger_hook(call: Call) -> Any:
    """Trigger a hook of the group sandbox: it creates a task, if its role may"""
    hook = _hook(call)
    role = f"hook-id:{hook}"
    deployment = call.deployment
    task_id, now = new_task_id(), deployment.now()
    body = {
        "taskQueueId": "proj-sandbox/hooks",
        "priority": "highest",
        "created": timestamp(now),
        "deadline": timestamp(now + 3600),
        "payload": fields_of(call.body),
        "metadata": {"name": hook, "description": "", "owner": "sandbox@localhost", "source": deployment.root_url},
    }
    task = whole_task(task_id, body, deployment)
    create = next(method for method in QUEUE.methods if method.name == "createTask")
    required = render(create.scopes, scope_values(task))
    lacking = missing(required, Held(deployment.expanded((f"assume:{role}",))))
    if lacking is not None:
        raise ApiError(
            403,
            "InsufficientScopes",
            f"The role `{role}` does not have sufficient scopes to create the task:\n\n"
            + insufficient("static/taskcluster/hooks", lacking, required),
        )
    return {"status": keep_task(deployment, task_id, task)}


@HOOKS.declare("GET", "getTriggerToken", "/hooks/<hookGroupId>/<hookId>/token",
               "hooks:get-trigger-token:<hookGroupId>/<hookId>")  # fmt: skip
def _get_trigger_token(call: Call) -> Any:
    """Get a token with which a hook can be triggered"""
    _hook(call)
    return {"token": "nothing-real"}


@HOOKS.declare("POST", "resetTriggerToken", "/hooks/<hookGroupId>/<hookId>/token",
               "hooks:reset-trigger-token:<hookGroupId>/<hookId>")  # fmt: skip
def _reset_trigger_token(call: Call) -> Any:
    """Reset that token"""
    _hook(call)
    return {"token": new_token()}


def _hook(call: Call) -> str:
    if call.params["hookGroupId"] != _HOOKS:
        raise ApiError(404, "ResourceNotFound", "No such hook")
    return f"{call.params['hookGroupId']}/{call.params['hookId']}"


def new_task_id() -> str:
    """Make a task ID, a slug."""
    from base64 import urlsafe_b64encode

    return urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")


@TRAFFIC.declare("GET", "download", "/download/<size>", query=("chunked",))
def _download(call: Call) -> Any:
    """Get as many bytes as one asks for"""
    size = call.params["size"]
    if not (size.isascii() and size.isdecimal() and int(size) <= _LARGEST):
        raise wrong("size must be a number of bytes")
    left = int(size)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(left // len(_PIECE)):
            yield _PIECE
        if left % len(_PIECE):
            yield _PIECE[: left % len(_PIECE)]

    return Answer(
        stream=pieces,
        length=None if "chunked" in call.query else left,
        head="Content-Type: application/octet-stream\r\n",
    )
