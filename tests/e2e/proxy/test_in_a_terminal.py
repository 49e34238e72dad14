"""Behind a proxy in a real terminal: subshells with their hooks, direnv, the keys of job control."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox, default_scopes
from tcenv.sandbox.server import USER
from tests.programs import require
from tests.shells.direnv import read_variables, write_envrc
from tests.shells.interactive import find_process_state, start_outer_shell
from tests.world import TCENV, make_env, read_session_fields, sign_in, tcenv

_CALL = "import taskcluster as t; print('works', len(t.Auth(t.optionsFromEnvironment()).currentScopes()['scopes']) > 5)"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.mark.parametrize(
    ("shell", "start"),
    [
        ("bash", (".bashrc", 'eval "$(tcenv init bash)"; eval "$(tcenv env)"')),
        ("zsh", (".zshrc", 'eval "$(tcenv init zsh)"; eval "$(tcenv env)"')),
        ("fish", (".config/fish/config.fish", "tcenv init fish | source; tcenv env | source")),
        ("tcsh", (".tcshrc", "")),
    ],
)
def test_a_subshell_has_the_proxy_and_its_hook_does_not_bring_the_token(
    shell: str, start: tuple[str, str], sandbox: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = sign_in(sandbox)
    path, text = start
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(text + "\n")
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --proxy --shell {shell}")
        inner = terminal.read_environment()
        assert inner["TASKCLUSTER_ROOT_URL"] == inner["TCENV_PROXY"].split()[0]
        assert token not in inner.values()
        # A reset elsewhere is where a hook would load the new one.
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.type("true")
        again = terminal.read_environment()
        for name in ("TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TASKCLUSTER_ACCESS_TOKEN"):
            assert again[name] == inner[name]
        terminal.type(f'{sys.executable} -c "{_CALL}"')
        terminal.wait_for("works True")
        terminal.type("tcenv shell --proxy")
        terminal.wait_for("This is already a tcenv subshell")
        terminal.type("tcenv status | cat")
        terminal.wait_for("calls through a proxy")
        terminal.type("exit")
        terminal.wait_for("outer>")


def test_direnv_leaves_the_proxy_alone(sandbox: Sandbox, home: Path) -> None:
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", sandbox.root_url, "--default", env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    folder = home / "project"
    folder.mkdir()
    fields = read_session_fields(env)
    look = "import os; print(os.environ['TASKCLUSTER_ROOT_URL'], os.environ['TASKCLUSTER_ACCESS_TOKEN'])"
    for text in ("use taskcluster\n", "use taskcluster work --required\n", f"use taskcluster {sandbox.root_url}\n"):
        write_envrc(folder, text)
        loaded, _ = read_variables(folder, env)
        assert loaded["TASKCLUSTER_ACCESS_TOKEN"] == fields["TASKCLUSTER_ACCESS_TOKEN"]
        command = (
            TCENV,
            "exec",
            "work",
            "--proxy",
            "--",
            require("direnv"),
            "exec",
            str(folder),
            sys.executable,
            "-c",
            look,
        )
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=60)
        root_url, token = done.stdout.split()
        assert root_url.startswith("http://127.0.0.1:"), done.stderr
        assert token != fields["TASKCLUSTER_ACCESS_TOKEN"]
    # In a run behind the proxy direnv does nothing, whatever the .envrc names.
    assert tcenv("profile", "set", "other", "--root-url", "https://tc.example.com", env=env).returncode == 0
    write_envrc(folder, "use taskcluster other\n")
    done = subprocess.run(
        [TCENV, "exec", "work", "--proxy", "--", require("direnv"), "exec", str(folder), "true"],
        env=env,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, "not signed in" in done.stderr) == (0, False)


def test_the_keys_of_job_control(sandbox: Sandbox, tmp_path: Path) -> None:
    env = sign_in(sandbox)
    with start_outer_shell(env, tmp_path) as terminal:
        length = f"100.{random.randrange(10**9)}"
        terminal.type(f"tcenv exec --proxy -- sleep {length}")
        terminal.wait(lambda: find_process_state("sleep", length) == "S", "the command")
        terminal.press("C-z")
        terminal.wait(lambda: find_process_state("sleep", length) == "T", "the stopped command")
        terminal.wait_for("Stopped")
        terminal.type("fg")
        terminal.wait(lambda: find_process_state("sleep", length) == "S", "the command again")
        terminal.press("C-z")
        terminal.wait(lambda: find_process_state("sleep", length) == "T", "the command, stopped again")
        terminal.type("bg")
        terminal.wait(lambda: find_process_state("sleep", length) == "S", "the command in the background")
        terminal.type("fg")
        terminal.wait(lambda: "sleep" in terminal.read_screen().rstrip().splitlines()[-1], "the foreground")
        terminal.press("C-c")
        terminal.wait(lambda: find_process_state("sleep", length) is None, "the end of the command")
        terminal.type("echo status=$?.")
        terminal.wait_for("status=130.")


def test_a_command_reads_the_terminal_and_gets_a_key_once(sandbox: Sandbox, tmp_path: Path) -> None:
    env = sign_in(sandbox)
    program = tmp_path / "program.py"
    program.write_text(
        "import os, signal, time\n"
        "seen, again = [], []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        "signal.signal(signal.SIGUSR2, lambda *_: again.append(1))\n"
        "print('name', '?')\n"
        "print('hello', input())\n"
        "while not seen:\n"
        "    time.sleep(0.01)\n"
        # Another one by way of tcenv would come before this signal that goes the same way.
        "os.kill(os.getppid(), signal.SIGUSR2)\n"
        "while not again:\n"
        "    time.sleep(0.01)\n"
        "print('keys', len(seen), '.')\n"
    )
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv exec --proxy -- {sys.executable} {program}")
        terminal.wait_for("name ?")
        terminal.type("somebody")
        terminal.wait_for("hello somebody")
        terminal.press("C-c")
        terminal.wait_for("keys 1 .")


def test_a_run_that_learns_ends_with_the_line_to_paste(sandbox: Sandbox) -> None:
    env = sign_in(sandbox)
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
    shown = subprocess.run(
        ["bash", "-c", f'tcenv() {{ printf "%s\\n" "$@"; }}; {pasted}'], capture_output=True, text=True
    )
    assert shown.stdout.splitlines() == ["purpose", "set", "NAME", "--scope", scopes[0], "--scope", scopes[1]]
    # The set is enough, and one scope fewer is not: pasted as it is, and run under that name.
    kept = subprocess.run(["bash", "-c", pasted.replace("NAME", "deploy")], env=env, capture_output=True, text=True)
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
    # Extended from what it holds, and kept without asking.
    extended = tcenv("exec", "--learn", "--as", "deploy", "--save", "deploy", *command, env=env)
    assert extended.returncode == 0, extended.stderr
    shown = json.loads(tcenv("purpose", "show", "deploy", "--json", env=env).stdout)
    assert shown["scopes"] == scopes
    assert "(kept)" in extended.stderr


def test_a_purpose_is_kept_under_a_name_that_can_be_one(sandbox: Sandbox, tmp_path: Path) -> None:
    env = sign_in(sandbox)
    refused = tcenv("exec", "--learn", "--save", "a b", "--", "touch", str(tmp_path / "ran"), env=env)
    assert (refused.returncode, (tmp_path / "ran").exists()) == (2, False)
    nothing = tcenv("exec", "--learn", "--save", "none", "--", "true", env=env)
    assert (nothing.returncode, "the purpose none is unchanged" in nothing.stderr) == (0, True)
    assert tcenv("purpose", "show", "none", env=env).returncode == 2


def test_a_hook_whose_role_lacks_scopes(sandbox: Sandbox) -> None:
    """The caller's own scope was needed and is kept, although the call failed in the end."""
    env = sign_in(sandbox)
    program = "import taskcluster as t; t.Hooks(t.optionsFromEnvironment()).triggerHook('sandbox', 'denied', {})"
    done = tcenv("exec", "--learn", "--save", "fire", "--", sys.executable, "-c", program, env=env)
    assert done.returncode == 1
    assert "The command needed 1 scope;" in done.stderr
    assert "hooks:trigger-hook:sandbox/denied  hooks.triggerHook" in done.stderr
    assert "hooks.triggerHook (403)" in done.stderr
    shown = json.loads(tcenv("purpose", "show", "fire", "--json", env=env).stdout)
    assert shown["scopes"] == ["hooks:trigger-hook:sandbox/denied"]


@pytest.mark.deployment(user_scopes=[*default_scopes(USER), "queue:cancel-task:*", "queue:cancel-task-in-project:none"])
def test_what_was_learned_serves_the_next_run_too(deployment: Sandbox) -> None:
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


def test_a_run_that_needs_nothing_says_so(sandbox: Sandbox) -> None:
    done = tcenv("exec", "--learn", "--", "sh", "-c", "exit 7", env=sign_in(sandbox))
    assert (done.returncode, "needed no scopes" in done.stderr) == (7, True)
