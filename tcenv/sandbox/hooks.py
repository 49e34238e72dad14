"""Serve the Hooks service. A hook fires when it is triggered, and by no schedule or binding. Its task is used without
JSON-e. The group `sandbox` has a hook of every name."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any
from uuid import uuid4

from tcenv.sandbox.api import Call, Service, describe_missing_scopes
from tcenv.sandbox.queue import QUEUE, TASK, complete_task, get_scope_values, store_task
from tcenv.sandbox.records import ApiError, format_timestamp, make_token
from tcenv.sandbox.schema import fill, find_errors, record, text
from tcenv.sandbox.scopes import Held, find_missing, render

HOOKS = Service("hooks", "Hooks Service")
_GROUP = "sandbox"
_ANY_OBJECT = {"type": "object", "additionalProperties": True}
_METADATA = record("name description owner", name=text(255), description=text(32_768), owner=text(255),
                   emailOnError={"type": "boolean", "default": True})  # fmt: skip
_HOOK = record(
    "metadata task",
    hookGroupId=text(1000),
    hookId=text(1000),
    metadata=_METADATA,
    task=_ANY_OBJECT,
    bindings={"type": "array", "uniqueItems": True, "items": record(
        "exchange routingKeyPattern", exchange={"type": "string"}, routingKeyPattern={"type": "string"})},
    schedule={"type": "array", "uniqueItems": True, "items": {"type": "string"}, "default": []},
    triggerSchema={**_ANY_OBJECT, "default": {"type": "object", "additionalProperties": False}},
)  # fmt: skip
_MODIFY = {"AllOf": ["hooks:modify-hook:<hookGroupId>/<hookId>", "assume:hook-id:<hookGroupId>/<hookId>"]}


@HOOKS.declare("GET", "listHookGroups", "/hooks", "hooks:list-hooks:")
def _list_hook_groups(call: Call) -> Any:
    """List the groups that have a hook"""
    return {"groups": sorted({hook["hookGroupId"] for hook in call.deployment.hooks.values()})}


@HOOKS.declare("GET", "listHooks", "/hooks/<hookGroupId>", "hooks:list-hooks:<hookGroupId>")
def _list_hooks(call: Call) -> Any:
    """List the hooks of a group"""
    group = call.params["hookGroupId"]
    found = [_get_definition(hook) for hook in call.deployment.hooks.values() if hook["hookGroupId"] == group]
    if not found and group != _GROUP:
        raise ApiError("ResourceNotFound", "No such group")
    return {"hooks": found}


@HOOKS.declare("GET", "hook", "/hooks/<hookGroupId>/<hookId>", "hooks:get:<hookGroupId>:<hookId>")
def _get_hook(call: Call) -> Any:
    """Get a hook"""
    return _get_definition(_find_hook(call))


@HOOKS.declare(
    "PUT", "createHook", "/hooks/<hookGroupId>/<hookId>", _MODIFY, body=_HOOK, body_name="create-hook-request"
)
def _create_hook(call: Call) -> Any:
    """Create a hook"""
    hook, name = _parse_hook(call), _get_name(call)
    existing = call.deployment.hooks.get(name)
    if existing is not None and _get_definition(existing) != _get_definition(hook):
        raise ApiError("RequestConflict", f"hook `{name}` already exists.")
    if existing is None:
        call.deployment.hooks[name] = {"triggerToken": make_token(), **hook}
    return hook


@HOOKS.declare(
    "POST", "updateHook", "/hooks/<hookGroupId>/<hookId>", _MODIFY, body=_HOOK, body_name="create-hook-request"
)
def _update_hook(call: Call) -> Any:
    """Update a hook"""
    hook = {**_find_hook(call), **_parse_hook(call)}
    call.deployment.hooks[_get_name(call)] = hook
    return _get_definition(hook)


@HOOKS.declare("DELETE", "removeHook", "/hooks/<hookGroupId>/<hookId>", "hooks:modify-hook:<hookGroupId>/<hookId>")
def _remove_hook(call: Call) -> Any:
    """Delete a hook, if there is one"""
    call.deployment.hooks.pop(_get_name(call), None)
    call.deployment.fires.pop(_get_name(call), None)
    return {}


@HOOKS.declare("GET", "getHookStatus", "/hooks/<hookGroupId>/<hookId>/status", "hooks:status:<hookGroupId>/<hookId>")
def _get_hook_status(call: Call) -> Any:
    """Get the result of the last time that a hook fired"""
    _find_hook(call)
    fires = call.deployment.fires.get(_get_name(call))
    if not fires:
        return {"lastFire": {"result": "no-fire"}}
    latest = fires[0]
    return {"lastFire": {"result": latest["result"], "taskId": latest["taskId"], "time": latest["taskCreateTime"]}}


@HOOKS.declare("GET", "listLastFires", "/hooks/<hookGroupId>/<hookId>/last-fires",
               "hooks:list-last-fires:<hookGroupId>/<hookId>", query=("continuationToken", "limit"))  # fmt: skip
def _list_last_fires(call: Call) -> Any:
    """List the results of each time that a hook fired"""
    _find_hook(call)
    return {"lastFires": call.deployment.fires.get(_get_name(call), [])}


@HOOKS.declare("POST", "triggerHook", "/hooks/<hookGroupId>/<hookId>/trigger",
               "hooks:trigger-hook:<hookGroupId>/<hookId>", body=_ANY_OBJECT, body_name="trigger-hook")  # fmt: skip
def _trigger_hook(call: Call) -> Any:
    """Trigger a hook, which creates its task if its role may do so"""
    return _fire(call, "triggerHook")


@HOOKS.declare("POST", "triggerHookWithToken", "/hooks/<hookGroupId>/<hookId>/trigger/<token>",
               body=_ANY_OBJECT, body_name="trigger-hook")  # fmt: skip
def _trigger_hook_with_token(call: Call) -> Any:
    """Trigger a hook with its token"""
    if call.params["token"] != _find_hook(call).get("triggerToken"):
        raise ApiError("AuthenticationFailed", "invalid hook token")
    return _fire(call, "triggerHookWithToken")


@HOOKS.declare("GET", "getTriggerToken", "/hooks/<hookGroupId>/<hookId>/token",
               "hooks:get-trigger-token:<hookGroupId>/<hookId>")  # fmt: skip
def _get_trigger_token(call: Call) -> Any:
    """Get the token that triggers a hook"""
    return {"token": _find_hook(call)["triggerToken"]}


@HOOKS.declare("POST", "resetTriggerToken", "/hooks/<hookGroupId>/<hookId>/token",
               "hooks:reset-trigger-token:<hookGroupId>/<hookId>")  # fmt: skip
def _reset_trigger_token(call: Call) -> Any:
    """Reset the token that triggers a hook"""
    hook = _find_hook(call)
    token = make_token()
    if _get_name(call) in call.deployment.hooks:
        hook["triggerToken"] = token
    return {"token": token}


def _get_name(call: Call) -> str:
    return f"{call.params['hookGroupId']}/{call.params['hookId']}"


def _parse_hook(call: Call) -> dict[str, Any]:
    """Return the hook that a body defines. Raises ApiError 400."""
    group, name = call.params["hookGroupId"], call.params["hookId"]
    for key, value, what in (("hookGroupId", group, "Hook Group Ids"), ("hookId", name, "Hook Ids")):
        if call.body.get(key, value) != value:
            raise ApiError("InputError", f"{what} do not match")
    hook = fill(call.body, _HOOK)
    return {**hook, "hookGroupId": group, "hookId": name, "metadata": fill(hook["metadata"], _METADATA)}


def _get_definition(hook: dict[str, Any]) -> dict[str, Any]:
    return {"bindings": [], **{key: value for key, value in hook.items() if key != "triggerToken"}}


def _find_hook(call: Call) -> dict[str, Any]:
    """Return the hook that the route names. Raises ApiError 404."""
    hook = call.deployment.hooks.get(_get_name(call))
    if hook is None and call.params["hookGroupId"] == _GROUP:
        hook = _make_example(call)
    if hook is None:
        raise ApiError("ResourceNotFound", "No such hook")
    return hook


def _make_example(call: Call) -> dict[str, Any]:
    about = {"name": _get_name(call), "description": "", "owner": "sandbox@localhost"}
    task = {
        "taskQueueId": "proj-sandbox/hooks",
        "priority": "highest",
        "payload": {},
        "metadata": {**about, "source": call.deployment.root_url},
    }
    return {
        "hookGroupId": call.params["hookGroupId"],
        "hookId": call.params["hookId"],
        "metadata": fill(about, _METADATA),
        "task": task,
        "schedule": [],
        "triggerSchema": _ANY_OBJECT,
        "triggerToken": "nothing-real",
    }


def _fire(call: Call, fired_by: str) -> Any:
    hook, deployment = _find_hook(call), call.deployment
    errors = list(find_errors(call.body, hook["triggerSchema"]))
    if errors:
        raise ApiError("InputError", "; ".join(errors))
    task_id, now = make_task_id(), deployment.now()
    body = {"created": format_timestamp(now), "deadline": format_timestamp(now + 86400), **hook["task"]}
    if _get_name(call) not in deployment.hooks:
        body["payload"] = call.body
    errors = list(find_errors(body, TASK))
    if errors:
        raise ApiError("InputError", "The hook's task is not valid:\n" + "\n".join(f" * {error}" for error in errors))
    task = complete_task(task_id, body)
    role = f"hook-id:{_get_name(call)}"
    create = next(method for method in QUEUE.methods if method.name == "createTask")
    required = render(create.scopes, get_scope_values(task))
    lacking = find_missing(required, Held(deployment.expand((f"assume:{role}",))))
    if lacking is not None:
        raise ApiError(
            "InsufficientScopes",
            f"The role `{role}` does not have sufficient scopes to create the task:\n\n"
            + describe_missing_scopes("static/taskcluster/hooks", lacking, required),
        )
    status = store_task(deployment, task_id, task)
    fire = {"hookGroupId": hook["hookGroupId"], "hookId": hook["hookId"], "taskId": task_id, "firedBy": fired_by,
            "taskCreateTime": format_timestamp(now), "result": "success", "error": ""}  # fmt: skip
    deployment.fires.setdefault(_get_name(call), []).insert(0, fire)
    return {"status": status}


def make_task_id() -> str:
    """Make a task ID, a slug."""
    return urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
