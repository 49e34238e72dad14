"""Run single commands with the session or with temporary credentials."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import taskcluster
from taskcluster.exceptions import TaskclusterAuthFailure, TaskclusterRestFailure

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import NAME, TCENV, list_commands, login, make_env, read_session_fields, sign_in, tcenv

_CALL = (
    "import json, taskcluster; "
    "print(json.dumps(taskcluster.Auth(taskcluster.optionsFromEnvironment()).currentScopes()['scopes']))"
)
_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


def test_exec_returns_the_commands_status(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    for command, status in list_commands(tmp_path):
        assert tcenv("exec", "--", *command, env=env).returncode == status, command
    # The process becomes the command, so a signal that ends the command ends it.
    assert tcenv("exec", "--", "sh", "-c", "kill -TERM $$", env=env).returncode == -signal.SIGTERM
    through_shell = run_program("sh", "-c", f"{TCENV} exec -- sh -c 'kill -9 $$'; echo $?", env=env)
    assert through_shell.stdout == "137\n"


def test_exec_replaces_its_process(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    process = subprocess.Popen([TCENV, "exec", "--", "sleep", "60"], env=env)
    end = time.monotonic() + 60
    while Path(f"/proc/{process.pid}/cmdline").read_bytes() != b"sleep\x0060\x00":
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.wait()


def test_arguments_and_streams_are_untouched(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    odd = ["", " ", "--", "-x", "--scope", "a'b\"c", "$HOME", "*", "é\n"]
    program = "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"
    done = run_program(TCENV, "exec", "--", sys.executable, "-c", program, *odd, env=env, input="in")
    assert json.loads(done.stdout) == [odd, "in"]


def test_exec_signs_in_first_unless_no_login(deployment: Sandbox) -> None:
    env = make_env(deployment)
    refused = tcenv("exec", "--no-login", "--", "true", env=env)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert deployment.approvals == 0
    done = tcenv("exec", "--", "printenv", "TASKCLUSTER_CLIENT_ID", env=env)
    assert done.stdout == f"{deployment.user}/{NAME}\n"
    assert deployment.approvals == 1


def test_a_browser_is_not_a_child_of_the_command(deployment: Sandbox, tmp_path: Path) -> None:
    browser, end = tmp_path / "browser.py", tmp_path / "end"
    browser.write_text(
        "import os, sys, time\nfrom tcenv.sandbox.approve import approve\napprove(sys.argv[1])\n"
        f"while not os.path.exists({str(end)!r}):\n    time.sleep(0.05)\n"
    )
    env = make_env(deployment, BROWSER=f"{sys.executable} {browser} %s")
    program = "import os\ntry:\n    print(os.waitpid(-1, os.WNOHANG))\nexcept ChildProcessError:\n    print('no child')"
    try:
        done = tcenv("exec", "--", sys.executable, "-c", program, env=env)
    finally:
        end.touch()
    assert done.stdout == "no child\n", done.stderr


def test_exec_without_a_command_is_a_usage_error(deployment: Sandbox) -> None:
    for arguments in (["exec"], ["exec", "--"], ["exec", "ls", "-l"]):
        assert tcenv(*arguments, env=make_env(deployment)).returncode == 2


def test_the_real_client_works_inside_exec(deployment: Sandbox) -> None:
    env = sign_in(deployment, TASKCLUSTER_CERTIFICATE="stale")
    scopes = json.loads(tcenv("exec", "--", sys.executable, "-c", _CALL, env=env).stdout)
    assert "queue:scheduler-id:*" in scopes


def test_temporary_credentials_hold_only_the_requested_scopes(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    before = len(deployment.requests)
    done = tcenv(
        *("exec", "--scope", "queue:scheduler-id:mine", "--for", "15m", "--", sys.executable, "-c", _ENVIRONMENT),
        env=env,
    )
    assert len(deployment.requests) == before  # minted without a call
    narrowed = json.loads(done.stdout)
    certificate = json.loads(narrowed["TASKCLUSTER_CERTIFICATE"])
    assert certificate["scopes"] == ["queue:scheduler-id:mine"]
    assert abs(int(narrowed["TCENV_EXPIRES"]) - time.time() - 900) < 120
    assert narrowed["TASKCLUSTER_ACCESS_TOKEN"] != read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    credentials = {
        "clientId": narrowed["TASKCLUSTER_CLIENT_ID"],
        "accessToken": narrowed["TASKCLUSTER_ACCESS_TOKEN"],
        "certificate": narrowed["TASKCLUSTER_CERTIFICATE"],
    }
    auth = taskcluster.Auth({"rootUrl": deployment.root_url, "credentials": dict(credentials), "maxRetries": 0})
    scopes = auth.currentScopes()["scopes"]
    assert "queue:scheduler-id:mine" in scopes
    assert "secrets:get:project/sandbox/*" not in scopes
    with pytest.raises(TaskclusterRestFailure):
        auth.deleteClient(f"{deployment.user}/other")
    deployment.clock_offset = 30 * 60
    with pytest.raises(TaskclusterAuthFailure):
        taskcluster.Auth(
            {"rootUrl": deployment.root_url, "credentials": dict(credentials), "maxRetries": 0}
        ).currentScopes()


@pytest.mark.parametrize("arguments", [["--for", "15m"], ["--scope", "queue:scheduler-id:a"]])
def test_temporary_credentials_of_a_narrow_session_work(arguments: list[str], deployment: Sandbox) -> None:
    """A session cannot pass on the anonymous scopes. The deployment would refuse a certificate with them."""
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:*")
    assert login(env).returncode == 0
    done = tcenv("exec", *arguments, "--", sys.executable, "-c", _CALL, env=env)
    assert "queue:scheduler-id:" in done.stdout, done.stderr
    assert tcenv("exec", "--scope", "auth:list-clients", "--", "true", env=env).returncode == 2


def test_temporary_credentials_never_outlive_the_session_nor_exceed_it(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    longer = tcenv("env", "--format", "json", "--for", "30d", env=env)
    assert json.loads(longer.stdout)["TCENV_EXPIRES"] == read_session_fields(env)["TCENV_EXPIRES"]
    foreign = tcenv("env", "--format", "json", "--scope", "secrets:get:not/mine", env=env)
    assert (foreign.returncode, foreign.stdout) == (2, "")
    assert "secrets:get:not/mine" in foreign.stderr
    too_long = tcenv("env", "--format", "json", "--for", "32d", env=env)
    assert too_long.returncode == 2


def test_env_on_a_terminal_shows_no_token(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    import pexpect

    for arguments in (["env"], ["env", "--format", "json"], ["login"]):
        child = pexpect.spawn(TCENV, arguments, env=env, encoding="utf-8", timeout=60, dimensions=(50, 200))
        child.expect(pexpect.EOF)
        assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in child.before
        assert "eval" in child.before or "to a terminal" in child.before
