"""Serve the Queue service's artifacts. The sandbox stores them, or keeps a reference to another place; either way the
API redirects."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tcenv.sandbox.answers import redirect
from tcenv.sandbox.api import Call
from tcenv.sandbox.queue import QUEUE, find_task
from tcenv.sandbox.records import ApiError, format_timestamp
from tcenv.sandbox.schema import TIME, record, text

STORAGE = "/sandbox/storage/"
_KINDS = ["s3", "redirect", "reference"]
_ARTIFACT = record(
    "storageType expires contentType",
    storageType={"type": "string", "enum": _KINDS},
    expires=TIME,
    contentType=text(255),
    url={"type": "string"},
)
_GET_ARTIFACT = {"AllOf": [{"for": "name", "in": "names", "each": "queue:get-artifact:<name>"}]}


@QUEUE.declare("POST", "createArtifact", "/task/<taskId>/runs/<runId>/artifacts/<name>",
               "queue:create-artifact:<taskId>/<runId>", body=_ARTIFACT, body_name="post-artifact-request")  # fmt: skip
def _create_artifact(call: Call) -> Any:
    """Create an artifact"""
    task_id, name = call.params["taskId"], call.params["name"]
    find_task(call)
    kind = call.body["storageType"]
    call.deployment.artifacts[task_id, name] = call.body
    if kind != "s3":
        return {"storageType": kind}
    return {
        "storageType": kind,
        "putUrl": f"{call.deployment.root_url}{STORAGE}{task_id}/{quote(name)}",
        "contentType": call.body["contentType"],
        "expires": call.body["expires"],
    }


@QUEUE.declare("GET", "listArtifacts", "/task/<taskId>/runs/<runId>/artifacts", "queue:list-artifacts:<taskId>:<runId>",
               query=("continuationToken", "limit"))  # fmt: skip
def _list_artifacts(call: Call) -> Any:
    """List the artifacts of a run"""
    runs = find_task(call)["status"]["runs"]
    if int(call.params["runId"]) >= len(runs):
        raise ApiError("ResourceNotFound", f"Task `{call.params['taskId']}` has no run with that runId.")
    return _list(call)


@QUEUE.declare("GET", "listLatestArtifacts", "/task/<taskId>/artifacts", "queue:list-artifacts:<taskId>",
               query=("continuationToken", "limit"))  # fmt: skip
def _list_latest_artifacts(call: Call) -> Any:
    """List the artifacts of a task's latest run"""
    find_task(call)
    return _list(call)


@QUEUE.declare("GET", "getArtifact", "/task/<taskId>/runs/<runId>/artifacts/<name>", _GET_ARTIFACT)
def _get_artifact(call: Call) -> Any:
    """Get an artifact, by a redirect to where it is stored"""
    return _redirect(call)


@QUEUE.declare("GET", "getLatestArtifact", "/task/<taskId>/artifacts/<name>", _GET_ARTIFACT)
def _get_latest_artifact(call: Call) -> Any:
    """Get an artifact of the latest run, by a redirect to where it is stored"""
    return _redirect(call)


@QUEUE.declare("GET", "latestArtifact", "/task/<taskId>/artifact-content/<name>", _GET_ARTIFACT)
def _find_latest_artifact(call: Call) -> Any:
    """Get where an artifact's content is stored"""
    url = _find_url(call)
    kind = "s3" if url.startswith(call.deployment.root_url) else "reference"
    return {"storageType": kind, "url": url}


def _list(call: Call) -> Any:
    names = [name for task_id, name in call.deployment.artifacts if task_id == call.params["taskId"]]
    return {"artifacts": [_describe(call, name) for name in names]}


def _describe(call: Call, name: str) -> dict[str, Any]:
    artifact = call.deployment.artifacts[call.params["taskId"], name]
    return {
        "name": name,
        "storageType": artifact["storageType"],
        "contentType": artifact.get("contentType", "application/binary"),
        "expires": artifact.get("expires", format_timestamp(call.deployment.now() + 86400)),
    }


def _find_url(call: Call) -> str:
    task_id, name = call.params["taskId"], call.params["name"]
    call.authorize(names=[name])
    artifact = call.deployment.artifacts.get((task_id, name))
    if artifact is None:
        raise ApiError("ResourceNotFound", "Artifact not found")
    if artifact["storageType"] != "s3":
        return str(artifact.get("url", ""))
    return f"{call.deployment.root_url}{STORAGE}{task_id}/{quote(name)}"


def _redirect(call: Call) -> Any:
    url = _find_url(call)
    return redirect(url, b"{}", "Content-Type: application/json; charset=utf-8\r\n")
