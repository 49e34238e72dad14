"""Run programs with `exec --learn`, and use the scopes that it finds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox, default_scopes
from tcenv.sandbox.server import USER
from tests.programs import run_program
from tests.world import sign_in, tcenv


def test_learn_ends_with_a_line_that_saves_the_scopes(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    name = "project/sandbox/it's $HOME"
    program = (
        "import sys, taskcluster as t\n"
        "s = t.Secrets(t.optionsFromEnvironment())\n"
        "s.set(sys.argv[1], {'secret': {'a': 1}, 'expires': '2031-01-01T00:00:00.000Z'})\n"
        "print(s.get(sys.argv[1])['secret'], len(t.Auth(t.optionsFromEnvironment()).currentScopes()['scopes']))\n"
    )
    done = tcenv("exec", "--learn", "--", sys.executable, "-c", program, name, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("{'a': 1}")
    lines = done.stderr.splitlines()
    scopes = [f"secrets:get:{name}", f"secrets:set:{name}"]
    assert "needed 2 scopes" in lines[0]
    assert [line.split("  ")[1:] for line in lines[1:3]] == [[scopes[0], "secrets.get"], [scopes[1], "secrets.set"]]
    assert "auth.currentScopes" in lines[3]
    pasted = lines[-1].partition("To keep them: ")[2]
    shown = run_program("bash", "-c", f'tcenv() {{ printf "%s\\n" "$@"; }}; {pasted}')
    assert shown.stdout.splitlines() == ["purpose", "set", "NAME", "--scope", scopes[0], "--scope", scopes[1]]
    # The pasted line keeps a set that suffices. One scope fewer does not.
    kept = run_program("bash", "-c", pasted.replace("NAME", "deploy"), env=env)
    assert kept.returncode == 0, kept.stderr
    command = ("--", sys.executable, "-c", program, name)
    for way in ((), ("--proxy",)):
        again = tcenv("exec", "--as", "deploy", *way, *command, env=env)
        assert again.returncode == 0, again.stderr
    for fewer in scopes:
        assert tcenv("purpose", "set", "deploy", "--scope", fewer, env=env).returncode == 0
        for way in ((), ("--proxy",)):
            failed = tcenv("exec", "--as", "deploy", *way, *command, env=env)
            assert "InsufficientScopes" in failed.stderr
    # `--save` extends a purpose without asking.
    extended = tcenv("exec", "--learn", "--as", "deploy", "--save", "deploy", *command, env=env)
    assert extended.returncode == 0, extended.stderr
    shown = json.loads(tcenv("purpose", "show", "deploy", "--json", env=env).stdout)
    assert shown["scopes"] == scopes
    assert "(kept)" in extended.stderr


def test_save_refuses_an_invalid_name(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    refused = tcenv("exec", "--learn", "--save", "a b", "--", "touch", str(tmp_path / "ran"), env=env)
    assert (refused.returncode, (tmp_path / "ran").exists()) == (2, False)
    nothing = tcenv("exec", "--learn", "--save", "none", "--", "true", env=env)
    assert (nothing.returncode, "the purpose none is unchanged" in nothing.stderr) == (0, True)
    assert tcenv("purpose", "show", "none", env=env).returncode == 2


def test_learn_keeps_the_callers_scope_when_a_hooks_role_lacks_scopes(deployment: Sandbox) -> None:
    """The call needed the caller's scope and failed later."""
    env = sign_in(deployment)
    program = "import taskcluster as t; t.Hooks(t.optionsFromEnvironment()).triggerHook('sandbox', 'denied', {})"
    done = tcenv("exec", "--learn", "--save", "fire", "--", sys.executable, "-c", program, env=env)
    assert done.returncode == 1
    assert "The command needed 1 scope;" in done.stderr
    assert "hooks:trigger-hook:sandbox/denied  hooks.triggerHook" in done.stderr
    assert "hooks.triggerHook (403)" in done.stderr
    shown = json.loads(tcenv("purpose", "show", "fire", "--json", env=env).stdout)
    assert shown["scopes"] == ["hooks:trigger-hook:sandbox/denied"]


@pytest.mark.deployment(user_scopes=[*default_scopes(USER), "queue:cancel-task:*", "queue:cancel-task-in-project:none"])
def test_learned_scopes_serve_the_next_run(deployment: Sandbox) -> None:
    """The program creates a task and cancels it. The next run's task has another id."""
    env = sign_in(deployment)
    program = (
        "import taskcluster as t\n"
        "q, task_id = t.Queue(t.optionsFromEnvironment()), t.slugId()\n"
        "who = {'name': 'n', 'description': 'd', 'owner': 'o@x.org', 'source': 'https://x.org'}\n"
        "task = {'provisionerId': 'proj-sandbox', 'workerType': 'x', 'schedulerId': 'ci', 'metadata': who, 'payload': {}}\n"
        "q.createTask(task_id, {**task, 'created': t.fromNowJSON('0s'), 'deadline': t.fromNowJSON('1h')})\n"
        "q.cancelTask(task_id)\n"
    )
    command = ("--", sys.executable, "-c", program)
    learned = tcenv("exec", "--learn", "--save", "deploy", *command, env=env)
    assert learned.returncode == 0, learned.stderr
    for _ in range(2):
        again = tcenv("exec", "--as", "deploy", *command, env=env)
        assert again.returncode == 0, again.stderr


def test_learn_reports_a_run_that_needed_no_scopes(deployment: Sandbox) -> None:
    done = tcenv("exec", "--learn", "--", "sh", "-c", "exit 7", env=sign_in(deployment))
    assert (done.returncode, "needed no scopes" in done.stderr) == (7, True)
