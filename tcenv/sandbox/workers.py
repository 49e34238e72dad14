"""Serve the Queue methods that a worker calls: it claims tasks and reports how they ended. It gets real credentials of
this deployment, with the task's scopes."""

from __future__ import annotations

from typing import Any

from tcenv.sandbox.api import Call
from tcenv.sandbox.callers import mint
from tcenv.sandbox.queue import QUEUE, find_task, get_definition, resolve
from tcenv.sandbox.records import ApiError, Client, format_timestamp, make_token
from tcenv.sandbox.schema import record, text

# Seconds until a worker must claim a task again.
_CLAIM = 20 * 60
_ISSUER = "static/taskcluster/queue"
_NAME = text(38, "^([a-zA-Z0-9-_]*)$")
_CLAIM_WORK = record(
    "workerGroup workerId",
    workerGroup=_NAME,
    workerId=_NAME,
    tasks={"type": "integer", "minimum": 1, "maximum": 32, "default": 1},
)
_EXCEPTION = record("reason", reason={
    "type": "string",
    "enum": ["worker-shutdown", "malformed-payload", "resource-unavailable", "internal-error", "superseded", "intermittent-task"],
})  # fmt: skip
_RESOLVE = "queue:resolve-task:<taskId>/<runId>"


@QUEUE.declare("POST", "claimWork", "/claim-work/<taskQueueId>", {
    "AllOf": ["queue:claim-work:<taskQueueId>", "queue:worker-id:<workerGroup>/<workerId>"]
}, body=_CLAIM_WORK, body_name="claim-work-request")  # fmt: skip
def _claim_work(call: Call) -> Any:
    """Claim pending tasks of a queue; answer at once if there are none"""
    worker = {name: call.body[name] for name in ("workerGroup", "workerId")}
    call.authorize(**worker)
    pending = [
        task
        for task in call.deployment.tasks.values()
        if task["taskQueueId"] == call.params["taskQueueId"] and task["status"]["state"] == "pending"
    ]
    return {"tasks": [_claim(call, task, worker) for task in pending[: call.body.get("tasks", 1)]]}


@QUEUE.declare("POST", "reclaimTask", "/task/<taskId>/runs/<runId>/reclaim", "queue:reclaim-task:<taskId>/<runId>")
def _reclaim_task(call: Call) -> Any:
    """Claim a running task for longer"""
    task = _find_running(call)
    run = task["status"]["runs"][-1]
    claim = _claim(call, task, {name: run[name] for name in ("workerGroup", "workerId")})
    return {name: value for name, value in claim.items() if name != "task"}


@QUEUE.declare("POST", "reportCompleted", "/task/<taskId>/runs/<runId>/completed", _RESOLVE)
def _report_completed(call: Call) -> Any:
    """Report that a run has succeeded"""
    return _report(call, "completed", "completed")


@QUEUE.declare("POST", "reportFailed", "/task/<taskId>/runs/<runId>/failed", _RESOLVE)
def _report_failed(call: Call) -> Any:
    """Report that a run has failed"""
    return _report(call, "failed", "failed")


@QUEUE.declare("POST", "reportException", "/task/<taskId>/runs/<runId>/exception", _RESOLVE,
               body=_EXCEPTION, body_name="task-exception-request")  # fmt: skip
def _report_exception(call: Call) -> Any:
    """Report that a run could not be carried out"""
    return _report(call, "exception", call.body["reason"])


def _claim(call: Call, task: dict[str, Any], worker: dict[str, str]) -> dict[str, Any]:
    deployment, status = call.deployment, task["status"]
    now, run = deployment.now(), status["runs"][-1]
    until = now + _CLAIM
    run.setdefault("started", format_timestamp(now))
    run.update(state="running", takenUntil=format_timestamp(until), **worker)
    status["state"] = "running"
    task_id, run_id = status["taskId"], run["runId"]
    issuer = deployment.clients.get(_ISSUER)
    if issuer is None:
        issuer = deployment.clients[_ISSUER] = Client(_ISSUER, make_token(), 2**33, ["*"], created=now)
    name = f"task-client/{task_id}/{run_id}/on/{worker['workerGroup']}/{worker['workerId']}/until/{until:.0f}"
    own = [f"queue:{verb}:{task_id}/{run_id}" for verb in ("reclaim-task", "resolve-task", "create-artifact")]
    return {
        "status": status,
        "runId": run_id,
        **worker,
        "takenUntil": run["takenUntil"],
        "task": get_definition(task),
        "credentials": mint(issuer, name, [*own, *task["scopes"]], now, until),
    }


def _find_running(call: Call) -> dict[str, Any]:
    task = find_task(call)
    run = task["status"]["runs"][-1]
    if (str(run["runId"]), run["state"]) != (call.params["runId"], "running"):
        raise ApiError(
            "RequestConflict", f"Run {call.params['runId']} on task `{call.params['taskId']}` is not running."
        )
    return task


def _report(call: Call, state: str, reason: str) -> Any:
    task = _find_running(call)
    resolve(task, call.deployment, state, reason)
    return {"status": task["status"]}
