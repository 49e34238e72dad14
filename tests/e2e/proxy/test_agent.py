"""Check what an untrusted script can do in `tcenv exec --agent`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tcenv.proxy import routes
from tcenv.proxy.secret_calls import ARTIFACT_METHODS, SECRET_METHODS, find_secret_method
from tcenv.sandbox import Sandbox
from tests.e2e.proxy.test_credential_calls import PROJECT, list_methods
from tests.terminal import run_in_terminal
from tests.world import TCENV, make_env, read_session_fields, sign_in, tcenv

TASK_ID = "dSlITZ4yQgmvxxAi4A8fHQ"
TASK = {
    "provisionerId": "proj-sandbox",
    "workerType": "ci",
    "created": "2030-01-01T00:00:00.000Z",
    "deadline": "2030-01-02T00:00:00.000Z",
    "payload": {},
    "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com"},
}
# Tries everything, prints the answer to each call, and prints its environment.
UNTRUSTED = f"""
import json, os, taskcluster
options = taskcluster.optionsFromEnvironment()
queue, secrets, auth = taskcluster.Queue(options), taskcluster.Secrets(options), taskcluster.Auth(options)
hooks, index = taskcluster.Hooks(options), taskcluster.Index(options)
task = json.loads({json.dumps(json.dumps(TASK))})
def attempt(function, *arguments):
    try:
        function(*arguments)
        return 200
    except taskcluster.exceptions.TaskclusterRestFailure as failure:
        return failure.status_code, failure.body.get("code"), failure.body.get("message")
T = "{TASK_ID}"
print(json.dumps({{
    "scopes": attempt(auth.currentScopes),
    "task": attempt(queue.task, T),
    "artifacts": attempt(queue.listLatestArtifacts, T),
    "secret": attempt(secrets.get, "project/sandbox/x"),
    "private artifact": attempt(queue.getLatestArtifact, T, "private/key"),
    "another private artifact": attempt(queue.getArtifact, T, 0, "private/key"),
    "its content": attempt(queue.artifact, T, 0, "private/key"),
    "by the index": attempt(index.findArtifactFromTask, "a.b.c", "private/key"),
    "POST": attempt(queue.cancelTask, T),
    "PUT": attempt(queue.createTask, "eSlITZ4yQgmvxxAi4A8fHQ", task),
    "DELETE": attempt(secrets.remove, "project/sandbox/x"),
    "credentials": attempt(hooks.getTriggerToken, "a", "b"),
    "a client": attempt(auth.createClient, "x/y", {{"expires": "2031-01-01T00:00:00.000Z", "description": "d"}}),
    "a token": attempt(auth.resetAccessToken, os.environ["TASKCLUSTER_CLIENT_ID"]),
}}))
print(json.dumps(dict(os.environ)))
"""
READ_ONLY = "passes only GET and HEAD"


@pytest.fixture
def env(deployment: Sandbox, tmp_path: Path) -> dict[str, str]:
    found = sign_in(deployment)
    furnish = (
        f"import json, taskcluster; o = taskcluster.optionsFromEnvironment(); task = json.loads('{json.dumps(TASK)}')\n"
        f"taskcluster.Queue(o).createTask('{TASK_ID}', task)\n"
        "taskcluster.Secrets(o).set('project/sandbox/x', {'secret': {'a': 1}, 'expires': '2031-01-01T00:00:00.000Z'})"
    )
    done = tcenv("exec", "--", sys.executable, "-c", furnish, env=found)
    assert done.returncode == 0, done.stderr
    return found


def run_untrusted(env: dict[str, str], *words: str) -> tuple[dict[str, Any], dict[str, str], str]:
    done = tcenv("exec", "--agent", *words, "--", sys.executable, "-c", UNTRUSTED, env=env)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    return json.loads(first), json.loads(second), done.stderr


def test_an_agent_run_refuses_secrets_changes_and_credentials(env: dict[str, str]) -> None:
    report, environment, output = run_untrusted(env)
    assert [report[name] for name in ("scopes", "task", "artifacts")] == [200] * 3
    for name in ("secret", "private artifact", "another private artifact", "its content", "by the index"):
        assert report[name][:2] == [403, "RefusedByProxy"], name
        assert "a secret or a private artifact" in report[name][2]
    for name in ("POST", "PUT", "DELETE", "a client", "a token"):
        assert report[name][:2] == [403, "RefusedByProxy"], name
        assert READ_ONLY in report[name][2]
    assert report["credentials"][:2] == [403, "RefusedByProxy"]
    assert "credentials" in report["credentials"][2]
    session = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert session not in json.dumps(environment)
    # One line describes the run and names its log.
    (line,) = output.splitlines()
    log = Path(line.rpartition(" logged in ")[2].rstrip("."))
    assert "read-only" in line
    assert log.stat().st_mode & 0o777 == 0o600
    lines = [json.loads(text) for text in log.read_text().splitlines()]
    assert len(lines) == len(report)
    assert environment["TASKCLUSTER_ACCESS_TOKEN"] not in log.read_text()


def test_scopes_and_options_set_what_an_agent_may_do(env: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    answer, _, _ = run_untrusted(env, "--scope", "secrets:get:project/sandbox/x", "--log", str(log))
    assert answer["secret"] == 200
    # The deployment decides the rest by the scopes. The proxy always refuses calls that return credentials.
    assert answer["PUT"][:2] == [403, "InsufficientScopes"]
    assert answer["private artifact"][1] != "RefusedByProxy"
    assert answer["credentials"][:2] == [403, "RefusedByProxy"]
    assert len(log.read_text().splitlines()) == len(answer)
    answer, _, _ = run_untrusted(env, "--scope", "secrets:get:project/sandbox/x", "--read-only")
    assert answer["secret"] == 200
    assert READ_ONLY in answer["PUT"][2]


def test_an_agent_run_ends_after_an_hour_and_never_signs_in(deployment: Sandbox, env: dict[str, str]) -> None:
    """The test reads the time that the proxy was given."""
    show = "import time; from tcenv.proxy import server; serve = server.Service.serve\n"
    show += "def told(self, ready):\n    print(round(self.until - time.time(), -2), flush=True)\n    return serve(self, ready)\n"
    show += "server.Service.serve = told\nimport sys; from tcenv.__main__ import main; sys.exit(main())"
    for words, seconds in (([], 3600), (["--for", "20m"], 1200)):
        status, out, _ = run_in_terminal(
            sys.executable, "-c", show, "exec", "--agent", *words, "--", "sleep", "1", env=env
        )
        assert (status, out.split()) == (0, [f"{seconds}.0"])
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    status, out, screen = run_in_terminal(TCENV, "exec", "--agent", "--", "echo", "started", env=env)
    assert (status, out) == (3, "")
    assert "tcenv login" in screen


@pytest.mark.parametrize(("words", "sentence"), [(["--learn"], "exclude"), (["--agent", "--", "true"], "")])
def test_agent_excludes_learn(words: list[str], sentence: str, deployment: Sandbox) -> None:
    done = tcenv("exec", "--agent", *words, *([] if "--" in words else ["--", "true"]), env=make_env(deployment))
    assert done.returncode == (2 if sentence else 3)
    assert sentence in done.stderr


def test_the_secret_methods_match_the_references_and_the_page() -> None:
    known = list_methods()
    page = (PROJECT / "docs/agents.md").read_text()
    for entry in (*SECRET_METHODS, *ARTIFACT_METHODS):
        assert entry in known, entry
        assert f"`{entry[0]}.{entry[3]}`" in page
    for service, method, route, name in known:
        call = routes.parse(f"/api/{service}/v1" + re.sub(r"<\w+>", quote("private/odd value", safe=""), route))
        assert call is not None
        expected = (service, method, route, name) in (*SECRET_METHODS, *ARTIFACT_METHODS)
        assert (find_secret_method(method, call) == name) is expected, f"{service}.{name}"


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("/api/queue/v1/task/T/artifacts/public/build/x", False),
        ("/api/queue/v1/task/T/artifacts/public%2Fx", False),
        ("/api/queue/v1/task/T/runs/0/artifacts/public/x", False),
        ("/api/queue/v1/task/T/runs/0/artifact-content/public/x?y", False),
        ("/api/index/v1/task/a.b/artifacts/public/x", False),
        ("/api/queue/v1/task/T/artifacts", False),
        ("/api/queue/v1/task/T/runs/0/artifacts?limit=1", False),
        ("/queue/v1/task/T/artifacts/publicity", True),
        ("/queue/v1/task/T/artifacts/public", True),
        ("/api/queue/v1/task/T/artifacts/Public/x", True),
        ("/api/queue/v1/task/T/artifacts//public/x", True),
        ("/api/queue/v1/task/T/artifacts/%2Fpublic/x", True),
        ("/api/queue/v1/task/T/artifacts/public%252Fx", True),
        ("/api/queue/v1/task/T/ARTIFACTS/private/x", True),
        ("/api/queue/v1//task/T/artifacts/private/x", True),
        ("/api/queue/v1/task/T/runs/0/artifacts/private%2Fpublic/x", True),
        ("/api/secrets/v1/SECRET/public/x", True),
        ("/api/secrets/v1/secret/a%2Fb", True),
        ("/api/object/v1/download/public/x", True),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_spelling_of_a_path_bypasses_the_rules(path: str, refused: bool, method: str) -> None:
    call = routes.parse(path)
    assert call is not None
    assert (find_secret_method(method, call) is not None) is refused
