"""Serve the Queue service's tasks and task groups. Nothing runs by itself; workers.py has the methods that a worker
calls."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from tcenv.sandbox.api import Call, Service
from tcenv.sandbox.deployment import Deployment, sort_scopes
from tcenv.sandbox.records import SLUG, ApiError, format_timestamp, parse_timestamp
from tcenv.sandbox.schema import SCOPES, TIME, fill, record, text
from tcenv.sandbox.scopes import Expression

QUEUE = Service("queue", "Queue Service")
PRIORITIES = ("highest", "very-high", "high", "medium", "low", "very-low", "lowest")
_WEEK = 7 * 86400
_IDENTIFIER = text(38, "^[a-zA-Z0-9-_]{1,38}$")
_TASK_ID = {"type": "string", "pattern": f"^{SLUG.pattern}$"}
TASK = record(
    "created deadline payload metadata",
    taskQueueId=text(77, "^[a-zA-Z0-9-_]{1,38}/[a-z]([-a-z0-9]{0,36}[a-z0-9])?$"),
    provisionerId=_IDENTIFIER,
    workerType=text(38, "^[a-z]([-a-z0-9]{0,36}[a-z0-9])?$"),
    schedulerId={**_IDENTIFIER, "default": "-"},
    projectId={**text(500, "^([a-zA-Z0-9._/-]*)$"), "default": "none"},
    taskGroupId=_TASK_ID,
    dependencies={"type": "array", "items": _TASK_ID, "maxItems": 10_000, "uniqueItems": True, "default": []},
    requires={"type": "string", "enum": ["all-completed", "all-resolved"], "default": "all-completed"},
    routes={"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 249}, "maxItems": 64,
            "uniqueItems": True, "default": []},
    priority={"type": "string", "enum": [*PRIORITIES, "normal"], "default": "lowest"},
    retries={"type": "integer", "minimum": 0, "maximum": 49, "default": 5},
    created=TIME,
    deadline=TIME,
    expires=TIME,
    scopes={**SCOPES, "default": []},
    payload={"type": "object"},
    metadata=record("name description owner source", name=text(255), description=text(32_768), owner=text(255),
                    source=text(4096, "^https?://|^ssh://")),
    tags={"type": "object", "additionalProperties": text(4096), "default": {}},
    extra={"type": "object", "default": {}},
)  # fmt: skip
_CREATE_TASK = {
    "AllOf": [
        {"for": "scope", "in": "scopes", "each": "<scope>"},
        {"for": "route", "in": "routes", "each": "queue:route:<route>"},
        "queue:create-task:project:<projectId>",
        "queue:scheduler-id:<schedulerId>",
        {"AnyOf": [{"for": "priority", "in": "priorities", "each": "queue:create-task:<priority>:<taskQueueId>"}]},
    ]
}
_RESOLVED = ("completed", "failed", "exception")


def _make_task_scopes(verb: str) -> Expression:
    """Return the scopes that a caller needs to change an existing task."""
    return {
        "AnyOf": [
            f"queue:{verb}-task:<schedulerId>/<taskGroupId>/<taskId>",
            f"queue:{verb}-task-in-project:<projectId>",
            {"AllOf": [f"queue:{verb}-task", "assume:scheduler-id:<schedulerId>/<taskGroupId>"]},
        ]
    }


@QUEUE.declare("GET", "task", "/task/<taskId>", "queue:get-task:<taskId>")
def _get_task(call: Call) -> Any:
    """Get a task's definition"""
    return get_definition(find_task(call, "Are you sure this task has already been submitted?"))


@QUEUE.declare("GET", "status", "/task/<taskId>/status", "queue:status:<taskId>")
def _get_status(call: Call) -> Any:
    """Get a task's status"""
    return {"status": find_task(call)["status"]}


@QUEUE.declare("PUT", "createTask", "/task/<taskId>", _CREATE_TASK, body=TASK, body_name="create-task-request")
def _create_task(call: Call) -> Any:
    """Create a task"""
    task = complete_task(call.params["taskId"], call.body)
    call.authorize(**get_scope_values(task))
    check_times(task, call.deployment)
    sort_scopes(task["scopes"])
    return {"status": store_task(call.deployment, call.params["taskId"], task)}


@QUEUE.declare("POST", "cancelTask", "/task/<taskId>/cancel", _make_task_scopes("cancel"))
def _cancel_task(call: Call) -> Any:
    """Cancel a task"""
    task = _find_task_to_change(call)
    if task["status"]["state"] not in _RESOLVED:
        resolve(task, call.deployment, "exception", "canceled")
    return {"status": task["status"]}


@QUEUE.declare("POST", "scheduleTask", "/task/<taskId>/schedule", _make_task_scopes("schedule"))
def _schedule_task(call: Call) -> Any:
    """Schedule a task, whatever it waits for"""
    return {"status": _find_task_to_change(call)["status"]}


@QUEUE.declare("POST", "rerunTask", "/task/<taskId>/rerun", _make_task_scopes("rerun"))
def _rerun_task(call: Call) -> Any:
    """Run a resolved task once more"""
    task = _find_task_to_change(call)
    status = task["status"]
    if status["state"] in _RESOLVED:
        status["runs"].append(_make_run(call.deployment, len(status["runs"]), "rerun"))
        status.update(state="pending", retriesLeft=task["retries"])
    return {"status": status}


_GROUP = "queue:list-task-group:<taskGroupId>"


@QUEUE.declare("GET", "getTaskGroup", "/task-group/<taskGroupId>", _GROUP)
def _get_task_group(call: Call) -> Any:
    """Get a task group"""
    return _describe_group(call, _find_group(call))


@QUEUE.declare("GET", "listTaskGroup", "/task-group/<taskGroupId>/list", _GROUP, query=("continuationToken", "limit"))
def _list_task_group(call: Call) -> Any:
    """List the tasks of a task group"""
    tasks = _find_group(call)
    page, more = call.paginate(tasks)
    listed = [{"status": task["status"], "task": get_definition(task)} for task in page]
    return {**_describe_group(call, tasks), "tasks": listed, **more}


@QUEUE.declare(
    "GET", "listProvisioners", "/provisioners", "queue:list-provisioners", query=("continuationToken", "limit")
)
def _list_provisioners(call: Call) -> Any:
    """List the provisioners of all tasks"""
    names = {task["provisionerId"] for task in call.deployment.tasks.values()}
    rest = {
        "stability": "experimental",
        "description": "",
        "actions": [],
        "expires": format_timestamp(call.deployment.now() + _WEEK),
    }
    return {
        "provisioners": [
            {"provisionerId": name, "lastDateActive": format_timestamp(0), **rest} for name in sorted(names)
        ]
    }


def find_task(call: Call, question: str = "Are you sure this task exists?") -> dict[str, Any]:
    """Return the task that the route names. Raises ApiError 404 with `question`, as the service words it."""
    task_id = call.params["taskId"]
    task = call.deployment.tasks.get(task_id)
    if task is None:
        raise ApiError("ResourceNotFound", f"`{task_id}` does not correspond to a task that exists.\n{question}")
    return task


def _find_task_to_change(call: Call) -> dict[str, Any]:
    """Return the task that the route names, if the caller may change it. Raises ApiError."""
    task = call.deployment.tasks.get(call.params["taskId"])
    if task is None:
        raise ApiError("ResourceNotFound", f"Task `{call.params['taskId']}` not found. Are you sure it was created?")
    call.authorize(**{name: task[name] for name in ("schedulerId", "taskGroupId", "projectId")})
    return task


def _find_group(call: Call) -> list[dict[str, Any]]:
    group_id = call.params["taskGroupId"]
    tasks = [task for task in call.deployment.tasks.values() if task["taskGroupId"] == group_id]
    if not tasks:
        raise ApiError("ResourceNotFound", f"No task-group with taskGroupId: `{group_id}`")
    return tasks


def _describe_group(call: Call, tasks: list[dict[str, Any]]) -> dict[str, Any]:
    expires = max(task["expires"] for task in tasks)
    return {"taskGroupId": call.params["taskGroupId"], "schedulerId": tasks[0]["schedulerId"], "expires": expires}


def get_definition(task: dict[str, Any]) -> dict[str, Any]:
    """Return a task as it was defined."""
    return {name: value for name, value in task.items() if name != "status"}


def complete_task(task_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the task that a valid body defines, with its default values. Raises ApiError 400."""
    task = copy.deepcopy(fill(body, TASK))
    queue_id = task.get("taskQueueId") or "/".join(task.get(key, "") for key in ("provisionerId", "workerType"))
    provisioner, _, worker_type = queue_id.partition("/")
    if not provisioner or not worker_type:
        raise ApiError("InputError", "at least a provisionerId and a workerType or a taskQueueId must be provided")
    task.setdefault("expires", format_timestamp(parse_timestamp(task["deadline"]) + 365 * 86400))
    times = {name: format_timestamp(parse_timestamp(task[name])) for name in ("created", "deadline", "expires")}
    if task["priority"] == "normal":
        task["priority"] = "lowest"
    task.setdefault("taskGroupId", task_id)
    return {**task, **times, "taskQueueId": queue_id, "provisionerId": provisioner, "workerType": worker_type}


def check_times(task: Mapping[str, Any], deployment: Deployment) -> None:
    """Raise ApiError 400 if a task's times contradict each other, or its deadline has passed.

    A deployment also rejects a `created` that is not about now, and a deadline after more than five days. The sandbox
    accepts them, because tests use fixed times."""
    created, deadline, expires = (parse_timestamp(task[name]) for name in ("created", "deadline", "expires"))
    problems = {
        "`deadline` cannot be later than `created`": created > deadline,
        "`deadline` cannot be in the past": deadline < deployment.now(),
        "`expires` cannot be before `deadline`": deadline > expires,
    }
    for problem, is_there in problems.items():
        if is_there:
            raise ApiError("InputError", problem)


def get_scope_values(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a task that createTask's scope expression needs."""
    names = ("scopes", "routes", "projectId", "schedulerId", "taskQueueId")
    return {
        **{name: task[name] for name in names},
        "priorities": list(PRIORITIES[: PRIORITIES.index(task["priority"]) + 1]),
    }


def store_task(deployment: Deployment, task_id: str, task: dict[str, Any]) -> dict[str, Any]:
    """Store a task, with two artifacts to try. Return its status. Raises ApiError 409 for another task with that ID."""
    existing = deployment.tasks.get(task_id)
    if existing is not None:
        if get_definition(existing) != task:
            raise ApiError(
                "RequestConflict",
                f"taskId `{task_id}` already used by another task.\nThis could be the result of faulty idempotency!",
            )
        return dict(existing["status"])
    names = ("provisionerId", "workerType", "taskQueueId", "schedulerId", "projectId", "taskGroupId", "deadline")
    status = {
        "taskId": task_id,
        **{name: task[name] for name in (*names, "expires", "priority")},
        "retriesLeft": task["retries"],
        "state": "pending",
        "runs": [_make_run(deployment, 0, "scheduled")],
    }
    deployment.tasks[task_id] = {**task, "status": status}
    for name in ("public/sandbox.txt", "private/sandbox/sandbox.txt"):
        deployment.artifacts[task_id, name] = {"storageType": "s3", "contentType": "text/plain"}
        deployment.contents[task_id, name] = b"Nothing here is real.\n"
    return status


def _make_run(deployment: Deployment, run_id: int, reason: str) -> dict[str, Any]:
    return {
        "runId": run_id,
        "state": "pending",
        "reasonCreated": reason,
        "scheduled": format_timestamp(deployment.now()),
    }


def resolve(task: dict[str, Any], deployment: Deployment, state: str, reason: str) -> None:
    """End the latest run of a task."""
    task["status"]["state"] = state
    task["status"]["runs"][-1].update(state=state, reasonResolved=reason, resolved=format_timestamp(deployment.now()))
