"""A slice of the Queue service: tasks that are created and looked at, and artifacts that are got by redirect. Nothing runs."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tcenv.sandbox.answers import redirect
from tcenv.sandbox.api import Call, Service
from tcenv.sandbox.deployment import Deployment, checked_scopes
from tcenv.sandbox.records import ApiError, fields_of, invalid, parse_timestamp, timestamp, wrong

QUEUE = Service("queue", "Queue Service")
STORAGE = "/sandbox/storage/"
_PRIORITIES = ("highest", "very-high", "high", "medium", "low", "very-low", "lowest")
_TYPES: dict[str, type] = {
    "taskQueueId": str, "provisionerId": str, "workerType": str, "schedulerId": str, "projectId": str, "taskGroupId": str,
    "created": str, "deadline": str, "expires": str, "priority": str, "scopes": list, "routes": list, "dependencies": list,
    "payload": dict, "metadata": dict, "tags": dict, "extra": dict, "retries": int, "requires": str,
}  # fmt: skip
_CREATE_TASK = {
    "AllOf": [
        {"for": "scope", "in": "scopes", "each": "<scope>"},
        {"for": "route", "in": "routes", "each": "queue:route:<route>"},
        "queue:create-task:project:<projectId>",
        "queue:scheduler-id:<schedulerId>",
        {"AnyOf": [{"for": "priority", "in": "priorities", "each": "queue:create-task:<priority>:<taskQueueId>"}]},
    ]
}
_SCHEDULE = {"AllOf": ["queue:schedule-task:<schedulerId>/<taskGroupId>/<taskId>"]}
_GET_ARTIFACT = {"if": "private", "then": "queue:get-artifact:<name>"}


@QUEUE.declare("GET", "ping", "/ping")
def _ping(call: Call) -> Any:
    """Ping the server"""
    return {"alive": True, "uptime": 1}


@QUEUE.declare("GET", "task", "/task/<taskId>", "queue:get-task:<taskId>")
def _task(call: Call) -> Any:
    """Get a task's definition"""
    return _definition(_existing(call))


@QUEUE.declare("GET", "status", "/task/<taskId>/status")
def _status(call: Call) -> Any:
    """Get a task's status"""
    return {"status": _existing(call)["status"]}


@QUEUE.declare("PUT", "createTask", "/task/<taskId>", _CREATE_TASK, body=True)
def _create_task(call: Call) -> Any:
    """Create a task"""
    task = whole_task(call.params["taskId"], call.body, call.deployment)
    call.authorize(**scope_values(task))
    return {"status": keep_task(call.deployment, call.params["taskId"], task)}


@QUEUE.declare("POST", "cancelTask", "/task/<taskId>/cancel", {
    "AnyOf": ["queue:cancel-task:<schedulerId>/<taskGroupId>/<taskId>", "queue:cancel-task-in-project:<projectId>"]
})  # fmt: skip
def _cancel_task(call: Call) -> Any:
    """Cancel a task"""
    task = _existing(call)
    call.authorize(**{name: task[name] for name in ("schedulerId", "taskGroupId", "projectId")})
    task["status"]["state"] = "exception"
    task["status"]["runs"][-1].update(state="exception", reasonResolved="canceled")
    return {"status": task["status"]}


@QUEUE.declare("POST", "scheduleTask", "/task/<taskId>/schedule", _SCHEDULE)
def _schedule_task(call: Call) -> Any:
    """Schedule a task whatever it waits for"""
    task = _existing(call)
    call.authorize(**{name: task[name] for name in ("schedulerId", "taskGroupId")})
    return {"status": task["status"]}


@QUEUE.declare("POST", "createArtifact", "/task/<taskId>/runs/<runId>/artifacts/<name>",
               "queue:create-artifact:<taskId>/<runId>", body=True)  # fmt: skip
def _create_artifact(call: Call) -> Any:
    """Create an artifact"""
    task_id, name = call.params["taskId"], call.params["name"]
    _existing(call)
    fields = fields_of(call.body, storageType=str, expires=str, contentType=str, url=str)
    kind = fields.get("storageType")
    if kind not in ("s3", "redirect"):
        raise wrong("the sandbox keeps artifacts of the storageType s3 or redirect")
    call.deployment.artifacts[task_id, name] = fields
    if kind == "redirect":
        return {"storageType": kind}
    put_url = f"{call.deployment.root_url}{STORAGE}{task_id}/{quote(name)}"
    return {
        "storageType": kind,
        "putUrl": put_url,
        "contentType": fields.get("contentType", "application/binary"),
        "expires": fields.get("expires", timestamp(call.deployment.now() + 86400)),
    }


@QUEUE.declare("GET", "listLatestArtifacts", "/task/<taskId>/artifacts")
def _list_latest_artifacts(call: Call) -> Any:
    """List a task's artifacts"""
    _existing(call)
    names = [name for task_id, name in call.deployment.artifacts if task_id == call.params["taskId"]]
    return {"artifacts": [_told(call, name) for name in names]}


@QUEUE.declare("GET", "getArtifact", "/task/<taskId>/runs/<runId>/artifacts/<name>", _GET_ARTIFACT)
def _get_artifact(call: Call) -> Any:
    """Get an artifact, by a redirect to where it is stored"""
    return _redirected(call)


@QUEUE.declare("GET", "getLatestArtifact", "/task/<taskId>/artifacts/<name>", _GET_ARTIFACT)
def _get_latest_artifact(call: Call) -> Any:
    """Get an artifact of the latest run, by a redirect to where it is stored"""
    return _redirected(call)


@QUEUE.declare("GET", "latestArtifact", "/task/<taskId>/artifact-content/<name>", _GET_ARTIFACT)
def _latest_artifact(call: Call) -> Any:
    """Get where an artifact's content is stored"""
    url = _located(call)
    kind = "s3" if url.startswith(call.deployment.root_url) else "reference"
    return {"storageType": kind, "url": url}


def _existing(call: Call) -> dict[str, Any]:
    task = call.deployment.tasks.get(call.params["taskId"])
    if task is None:
        raise ApiError(404, "ResourceNotFound", f"`{call.params['taskId']}` does not correspond to a task that exists.")
    return task


def _definition(task: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in task.items() if name != "status"}


def whole_task(task_id: str, body: Any, deployment: Deployment) -> dict[str, Any]:
    """Return the task that a body defines, with its default values. Raises ApiError 400."""
    fields = dict(fields_of(body, **_TYPES))
    queue_id = fields.get("taskQueueId") or "/".join(fields.get(key, "") for key in ("provisionerId", "workerType"))
    if queue_id.count("/") != 1 or queue_id.startswith("/") or queue_id.endswith("/"):
        raise invalid("the body must have taskQueueId, or provisionerId and workerType")
    needed = {"created", "deadline", "payload", "metadata"} - fields.keys()
    if needed:
        raise invalid(f"the body must have {', '.join(sorted(needed))}")
    unknown = fields.keys() - _TYPES.keys()
    if unknown:
        raise invalid(f"the body must not have {', '.join(sorted(unknown))}")
    for name in ("created", "deadline", "expires"):
        if name in fields:
            parse_timestamp(fields[name])
    if fields.get("priority", "lowest") not in ("normal", *_PRIORITIES):
        raise invalid(f"priority must be one of {', '.join(_PRIORITIES)}")
    checked_scopes(fields.get("scopes", []))
    provisioner, _, worker_type = queue_id.partition("/")
    return {
        "schedulerId": "-", "projectId": "none", "taskGroupId": task_id, "priority": "lowest", "scopes": [], "routes": [],
        "dependencies": [], "requires": "all-completed", "retries": 5, "tags": {}, "extra": {},
        "expires": timestamp(deployment.now() + 365 * 86400),
        **fields,
        "taskQueueId": queue_id, "provisionerId": provisioner, "workerType": worker_type,
    }  # fmt: skip


def scope_values(task: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a task that createTask's scope expression needs."""
    priority = "lowest" if task["priority"] == "normal" else task["priority"]
    names = ("scopes", "routes", "projectId", "schedulerId", "taskQueueId")
    return {
        **{name: task[name] for name in names},
        "priorities": list(_PRIORITIES[: _PRIORITIES.index(priority) + 1]),
    }


def keep_task(deployment: Deployment, task_id: str, task: dict[str, Any]) -> dict[str, Any]:
    """Keep a task, with two artifacts to try; its status. Raises ApiError 409 for another task of that ID."""
    there = deployment.tasks.get(task_id)
    if there is not None:
        if {**_definition(there), "expires": ""} != {**task, "expires": ""}:
            raise ApiError(409, "RequestConflict", f"taskId {task_id} already used by another task.")
        return dict(there["status"])
    names = ("provisionerId", "workerType", "taskQueueId", "schedulerId", "projectId", "taskGroupId", "deadline")
    run = {"runId": 0, "state": "pending", "reasonCreated": "scheduled", "scheduled": timestamp(deployment.now())}
    status = {
        "taskId": task_id,
        **{name: task[name] for name in (*names, "expires", "priority")},
        "retriesLeft": task["retries"],
        "state": "pending",
        "runs": [run],
    }
    deployment.tasks[task_id] = {**task, "status": status}
    for name in ("public/sandbox.txt", "private/sandbox/sandbox.txt"):
        deployment.artifacts[task_id, name] = {"storageType": "s3", "contentType": "text/plain"}
        deployment.contents[task_id, name] = b"Nothing here is real.\n"
    return status


def _told(call: Call, name: str) -> dict[str, Any]:
    said = call.deployment.artifacts[call.params["taskId"], name]
    return {
        "name": name,
        "storageType": said["storageType"],
        "contentType": said.get("contentType", "application/binary"),
        "expires": said.get("expires", timestamp(call.deployment.now() + 86400)),
    }


def _located(call: Call) -> str:
    task_id, name = call.params["taskId"], call.params["name"]
    call.authorize(private=not name.startswith("public/"))
    said = call.deployment.artifacts.get((task_id, name))
    if said is None:
        raise ApiError(404, "ResourceNotFound", "Artifact not found")
    if said["storageType"] == "redirect":
        return str(said.get("url", ""))
    return f"{call.deployment.root_url}{STORAGE}{task_id}/{quote(name)}"


def _redirected(call: Call) -> Any:
    url = _located(call)
    return redirect(url, b"{}", "Content-Type: application/json; charset=utf-8\r\n")
