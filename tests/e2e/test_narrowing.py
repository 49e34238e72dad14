"""Narrow a session: a pattern means the part of it that the session holds. A scope without such a part is an error."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tcenv.sandbox import Sandbox
from tests.command_lines import run_full
from tests.world import TCENV, login, make_env, sign_in, tcenv

HELD = {"queue:get-task:*", "queue:route:index.sandbox.*", "queue:scheduler-id:*"}
QUEUE = {
    *HELD,
    "queue:create-task:highest:proj-sandbox/*",
    "queue:create-task:project:none",
    "queue:get-artifact:private/sandbox/*",
}
# Prints the caller's scopes according to the deployment, and the length of its certificate.
PRINT_SCOPES = (
    "import taskcluster as t;o=t.optionsFromEnvironment();print(*t.Auth(o).currentScopes()['scopes'],sep='\\n');"
    "print(len(o['credentials'].get('certificate') or ''))"
)


def parse_scopes(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the scopes below `queue:` and `secrets:` that `PRINT_SCOPES` printed."""
    assert done.returncode == 0, done.stderr
    return {line for line in done.stdout.splitlines() if line.startswith(("queue:", "secrets:"))}


def run_exec(*words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return tcenv("exec", *words, "--", sys.executable, "-c", PRINT_SCOPES, env=env)


@pytest.mark.parametrize("proxy", [(), ("--proxy",), ("--proxy", "--read-only")], ids=" ".join)
def test_a_pattern_that_is_wider_than_the_session_is_narrowed_to_it(
    proxy: tuple[str, ...], deployment: Sandbox
) -> None:
    env = sign_in(deployment)
    done = run_exec(*proxy, "--scope", "queue:*", "--scope", "secrets:get:project/sandbox/x", env=env)
    assert parse_scopes(done) == {*QUEUE, "secrets:get:project/sandbox/x"}
    output = [line for line in done.stderr.splitlines() if "queue:*" in line]
    assert len(output) == 1 and "the session holds 6 scopes of queue:*" in output[0]
    assert "secrets:get" not in done.stderr
    # A scope that the session holds causes no message.
    quiet = run_exec(*proxy, "--scope", "queue:scheduler-id:a*", env=env)
    assert (parse_scopes(quiet), quiet.stderr) == ({"queue:scheduler-id:a*"}, "")


def test_nothing_held_is_an_error_and_names_only_that(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    for more in ((), ("--proxy",)):
        done = run_exec(*more, "--scope", "queue:*", "--scope", "worker-manager:*", "--scope", "auth:no", env=env)
        assert (done.returncode, done.stdout) == (2, "")
        error = next(line for line in done.stderr.splitlines() if "error" in line)
        assert "worker-manager:*, auth:no" in error and "queue:*" not in error


def test_granted_in_part_runs_the_command(deployment: Sandbox) -> None:
    """The sign-in requests the pattern and reports the granted part once."""
    env = make_env(deployment)
    done = run_exec("--scope", "queue:*", env=env)
    assert parse_scopes(done) == QUEUE
    assert "Granted in part: you hold 6 scopes of queue:*." in done.stderr
    assert done.stderr.count("queue:*") == 1
    again = run_exec("--scope", "queue:*", env=env)
    assert parse_scopes(again) == QUEUE
    assert deployment.approvals == 1


def test_a_purpose_with_a_pattern(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    made = tcenv("purpose", "set", "work", "--scope", "queue:*", "--scope", "secrets:*", "--for", "5m", env=env)
    assert made.returncode == 0, made.stderr
    wanted = {*QUEUE, "secrets:get:project/sandbox/*", "secrets:set:project/sandbox/*"}
    assert parse_scopes(run_exec("--as", "work", env=env)) == wanted
    assert parse_scopes(run_exec("--proxy", "--as", "work", env=env)) == wanted
    for words in (
        ("env", "--as", "work"),
        ("login", "--as", "work"),
        ("hook", "--for-directory", "--as", "work", "sh"),
    ):
        done = tcenv(*words, *(() if words[0] == "hook" else ("--shell", "sh")), env=env)
        assert done.returncode == 0, done.stderr
        assert "worker" not in done.stdout and "queue:scheduler-id:*" in done.stdout
        assert "the session holds 6 scopes of queue:*, 2 scopes of secrets:*" in done.stderr
    hot = tcenv("env", "--scope", "queue:*", "--format", "json", env=env)
    (slow,) = run_full([(("env", "--scope", "queue:*", "--format", "json"), env)])
    assert hot.stderr == slow.errors
    texts = (hot.stdout, slow.output)
    scopes = [json.loads(json.loads(text)["TASKCLUSTER_CERTIFICATE"])["scopes"] for text in texts]
    assert scopes[0] == scopes[1] and set(scopes[0]) == QUEUE


def test_a_run_behind_the_proxy_follows_a_session_that_holds_more(deployment: Sandbox) -> None:
    """The run keeps the pattern, so a new sign-in that holds more of it reaches the program."""
    env = sign_in(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    program = (
        f"import sys;print('first', flush=True);exec({PRINT_SCOPES!r});sys.stdin.readline();exec({PRINT_SCOPES!r})"
    )
    words = (TCENV, "exec", "--proxy", "--scope", "queue:*", "--", sys.executable, "-c", program)
    run = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert run.stdout is not None and run.stdin is not None
    assert run.stdout.readline() == "first\n"
    wide = {**env, "TCENV_SCOPE": "*"}
    assert login(wide).returncode == 0
    out, _ = run.communicate("\n", timeout=60)
    last = out.rpartition("\n0\n")[0].rpartition("\n0\n")[2]
    assert {line for line in last.splitlines() if line.startswith("queue:")} == QUEUE
