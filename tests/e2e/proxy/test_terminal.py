"""Run a proxy in a real terminal: subshells with their hooks, direnv, and the keys of job control."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.shells.direnv import read_variables, write_envrc
from tests.shells.interactive import find_process_state, start_outer_shell
from tests.world import TCENV, login, make_env, read_session_fields, sign_in, tcenv

_CALL = "import taskcluster as t; print('works', len(t.Auth(t.optionsFromEnvironment()).currentScopes()['scopes']) > 5)"


@pytest.mark.parametrize(
    ("shell", "start"),
    [
        ("bash", (".bashrc", 'eval "$(tcenv init bash)"; eval "$(tcenv env)"')),
        ("zsh", (".zshrc", 'eval "$(tcenv init zsh)"; eval "$(tcenv env)"')),
        ("fish", (".config/fish/config.fish", "tcenv init fish | source; tcenv env | source")),
        ("tcsh", (".tcshrc", "")),
    ],
)
def test_a_subshell_keeps_the_proxy_after_its_hook_has_run(
    shell: str, start: tuple[str, str], deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = sign_in(deployment)
    path, text = start
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(text + "\n")
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --proxy --shell {shell}")
        inner = terminal.read_environment()
        assert inner["TASKCLUSTER_ROOT_URL"] == inner["TCENV_PROXY"].split()[0]
        assert token not in inner.values()
        # After a reset elsewhere, a hook would load the new token.
        assert login(env, "--reset").returncode == 0
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


def test_direnv_does_not_replace_the_proxys_credentials(deployment: Sandbox, home: Path) -> None:
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    assert login(env).returncode == 0
    folder = home / "project"
    folder.mkdir()
    fields = read_session_fields(env)
    look = "import os; print(os.environ['TASKCLUSTER_ROOT_URL'], os.environ['TASKCLUSTER_ACCESS_TOKEN'])"
    for text in ("use taskcluster\n", "use taskcluster work --required\n", f"use taskcluster {deployment.root_url}\n"):
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
        done = run_program(*command, env=env, cwd=folder)
        root_url, token = done.stdout.split()
        assert root_url.startswith("http://127.0.0.1:"), done.stderr
        assert token != fields["TASKCLUSTER_ACCESS_TOKEN"]
    # In a run behind the proxy, direnv does nothing with any .envrc.
    assert tcenv("profile", "set", "other", "--root-url", "https://tc.example.com", env=env).returncode == 0
    write_envrc(folder, "use taskcluster other\n")
    done = run_program(
        TCENV, "exec", "work", "--proxy", "--", require("direnv"), "exec", str(folder), "true", env=env, cwd=folder
    )
    assert (done.returncode, "not signed in" in done.stderr) == (0, False)


def test_job_control_stops_and_continues_the_command(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
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


def test_a_command_reads_the_terminal_and_gets_each_key_once(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
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
        # If tcenv passed the key on, that signal would come before this one.
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
