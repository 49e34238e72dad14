"""A shell that traces what it does shows no token: functions, hooks, subshells and direnv's library switch the trace off inside,
and leave it as it was. And a command that dies without a word fails where the function of `tcenv init` evaluates it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.child import environment_after
from tests.shells.hooks import HOOKED, PROMPTED, Prompted, loaded, start_up_text, stored
from tests.terminal import Terminal
from tests.world import TCENV, make_env, read_session_fields, sign_in, tcenv

ROOT = "https://tc.example.com"
PROFILE = "tc.example.com"
OWN, NEW = "o" * 44, "n" * 44
TRACED = tuple(shell for shell in PROMPTED if shell.trace)


@pytest.mark.parametrize("shell", TRACED, ids=[shell.name for shell in TRACED])
def test_the_function_under_a_trace(shell: Prompted, deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    fields = read_session_fields(env)
    text = start_up_text(shell, env, tmp_path)
    call = "eval tcenv {}" if shell.name == "tcsh" else "tcenv {}"
    still, says = shell.traced
    steps = [shell.script(text), shell.trace, call.format("env"), f"echo status={shell.status}.", still]
    script = "\n".join([*steps, shell.dump(tmp_path / "out", tmp_path), call.format("logout"), still])
    done = shell.run(script, env)
    shown = done.stdout + done.stderr
    assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == fields["TASKCLUSTER_ACCESS_TOKEN"]
    assert fields["TASKCLUSTER_ACCESS_TOKEN"] not in shown
    assert "status=0." in shown
    assert done.stdout.count(says) >= 2, shown


@pytest.mark.parametrize("shell", [s for s in HOOKED if s.trace], ids=[s.name for s in HOOKED if s.trace])
def test_the_hook_under_a_trace(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """The prompt at which a renewed session is loaded, and the one at which it is gone."""
    env = make_env(**loaded(home / "run/tcenv", PROFILE, ROOT, OWN))
    file = stored(home / "run/tcenv", PROFILE, ROOT, NEW)
    text = start_up_text(shell, env, tmp_path)
    hook = "eval precmd" if shell.name == "tcsh" else shell.hook
    still, says = shell.traced
    steps = [
        shell.script(text),
        shell.trace,
        hook,
        still,
        shell.dump(tmp_path / "out", tmp_path),
        f"rm {file}",
        hook,
        still,
    ]
    done = shell.run("\n".join([*steps, shell.dump(tmp_path / "out2", tmp_path)]), env)
    shown = done.stdout + done.stderr
    assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == NEW
    assert "TASKCLUSTER_ACCESS_TOKEN" not in environment_after(tmp_path / "out2")
    assert "signed out elsewhere" in shown
    assert OWN not in shown
    assert NEW not in shown
    assert done.stdout.count(says) >= 2, shown


def test_a_debug_trap_that_functions_inherit(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    for name, trap in {
        "bash": "set -T; trap 'echo \"at: $BASH_COMMAND\"' DEBUG",
        "zsh": "trap 'echo \"at: $ZSH_DEBUG_CMD\"' DEBUG",
    }.items():
        shell = next(shell for shell in PROMPTED if shell.name == name)
        text = start_up_text(shell, env, tmp_path)
        done = shell.run(f"{shell.script(text)}\n{trap}\ntcenv env\necho id=$TASKCLUSTER_CLIENT_ID", env)
        assert f"id={deployment.user}/" in done.stdout, done.stderr
        assert "at: echo id=" in done.stdout, name
        assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout + done.stderr, name


SUBSHELLS = {
    "bash": (".bashrc", "set -x"),
    "zsh": (".zshrc", "setopt xtrace"),
    "ksh": (".kshrc", "set -x"),
    "mksh": (".mkshrc", "set -x"),
    "yash": (".yashrc", "set -x"),
    "fish": (".config/fish/config.fish", "set -g fish_trace 1"),
}


@pytest.mark.parametrize("shell", SUBSHELLS)
def test_a_subshell_whose_start_up_file_traces(shell: str, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    env = sign_in(deployment)
    path, line = SUBSHELLS[shell]
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(line + "\n")
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    with Terminal([require("bash"), "--norc", "--noprofile"], {**env, "PS1": "outer> "}, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait_for("(tcenv:")
        inner = terminal.read_environment()
        assert inner["TASKCLUSTER_ACCESS_TOKEN"] == token
        assert not [name for name in inner if name.lower().startswith("__tcenv")]
        assert token not in terminal.read_screen()
        # It goes on tracing: the command that wrote the environment shows.
        traced = [line for line in terminal.read_screen().splitlines() if "dump.py" in line]
        assert len(traced) >= 2, terminal.read_screen()


def test_direnvs_library_under_a_trace(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert tcenv("direnv", "--install", env=env).returncode == 0
    folder = home / "project"
    folder.mkdir()
    (folder / ".envrc").write_text(
        "set -x\nuse taskcluster\ncase $- in *x*) export STILL=1 ;; esac\n{ set +x; } 2>/dev/null\n"
    )
    subprocess.run([require("direnv"), "allow", str(folder)], env=env, check=True, capture_output=True)
    for store in ("runtime", "none"):
        done = subprocess.run(
            [require("direnv"), "exec", str(folder), "env"],
            env={**env, "TCENV_STORE": store},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert token not in done.stderr, store
        assert "STILL=1" in done.stdout.splitlines(), done.stderr
        assert (f"TASKCLUSTER_ACCESS_TOKEN={token}" in done.stdout) == (store == "runtime")


@pytest.mark.parametrize("shell", [s for s in PROMPTED if s.name != "csh"], ids=lambda shell: shell.name)
@pytest.mark.parametrize("end", ["killed", "failed"])
def test_a_command_that_dies_without_a_word(shell: Prompted, end: str, tmp_path: Path, home: Path) -> None:
    """KILL, or anything before the command's first line: the function fails, and nothing that was set is changed."""
    trap = home / "trap"
    trap.mkdir()
    program = trap / "tcenv"
    env = make_env(TASKCLUSTER_CLIENT_ID="before")
    text = start_up_text(shell, env, tmp_path)
    program.write_text("#!/bin/sh\n" + ("kill -KILL $$\n" if end == "killed" else "exit 77\n"))
    program.chmod(0o755)
    env["PATH"] = f"{trap}:{env['PATH']}"
    reached = "echo reach''ed" if shell.name != "nu" else "print reached"
    after = {
        "fish": "tcenv login; and {}",
        "tcsh": "eval tcenv login && {}",
        "elvish": "tcenv login; {}",
        "nu": "tcenv login; {}",
        "xonsh": "tcenv login && {}",
    }.get(shell.name, "tcenv login && {}")
    done = shell.run(
        f"{shell.script(text)}\n{after.format(reached)}\n"
        if shell.name != "xonsh"
        else f"{shell.script(text)}\ntcenv login && echo reached\n",
        env,
    )
    assert "reached" not in done.stdout.replace("echo reach", ""), done.stdout + done.stderr
    if shell.name in ("bash", "zsh", "sh", "busybox", "ksh", "mksh", "yash"):
        # The shell itself goes on, with a status as every shell has it.
        done = shell.run(f"{shell.script(text)}\ntcenv login || echo alive=$?; tcenv login || echo again", env)
        assert done.stdout.split()[1:] == ["again"], done.stderr
        assert done.stdout.split()[0] in (("alive=137", "alive=393") if end == "killed" else ("alive=77",))


@pytest.mark.parametrize(
    "folder", ["a b", "a!b", "`touch owned`", "a'b", 'a"b', "$(touch owned)", "a$HOME;b", "ü [x] {a,b} *"]
)
def test_tcsh_and_where_tcenv_is_installed(folder: str, tmp_path: Path, home: Path, deployment: Sandbox) -> None:
    """A home with a blank, a quote or an exclamation mark: the text reads its files from there, in all its three forms."""
    import shutil

    from tcenv import resources
    from tcenv.shells.init_text import render_startup_text

    place = tmp_path / folder
    shutil.copytree(resources.find_folder("shell"), place / "shell")
    env = sign_in(deployment)
    original = resources.find_folder
    try:
        resources.find_folder = lambda name: str(place / name)
        text = render_startup_text("tcsh")
    finally:
        resources.find_folder = original
    assert text.count("\n") == 1
    (tmp_path / "text").write_text(text)
    for form in ("source {}", 'eval "`cat {}`"', "eval `cat {}`"):
        script = tmp_path / "script"
        script.write_text(f"{form.format(tmp_path / 'text')}\ntcenv env\necho id=$TASKCLUSTER_CLIENT_ID\n")
        done = subprocess.run(
            [require("tcsh"), "-f", str(script)], env=env, capture_output=True, text=True, timeout=60, cwd=home
        )
        assert f"id={deployment.user}/" in done.stdout, form + done.stderr
        assert not (home / "owned").exists()


def test_a_posix_bash_subshell_keeps_nothing_of_ours(deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """POSIXLY_CORRECT makes bash read what ENV names instead of its own start-up file."""
    (home / "env").write_text("MINE=1; export MINE\n")
    for number, more in enumerate(({}, {"ENV": str(home / "env")})):
        env = {**sign_in(deployment, POSIXLY_CORRECT="1"), **more}
        folder = tmp_path / str(number)
        folder.mkdir()
        with Terminal([require("bash"), "--norc", "--noprofile"], {**env, "PS1": "outer> "}, folder) as terminal:
            terminal.type("tcenv shell --shell bash")
            terminal.wait_for("(tcenv:")
            inner = terminal.read_environment()
            assert inner["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
            assert not [name for name in inner if name.lower().startswith("__tcenv")]
            assert inner.get("ENV") == more.get("ENV")
            assert inner.get("MINE") == ("1" if more else None)


def test_no_variable_of_ours_is_left_in_any_subshell(deployment: Sandbox) -> None:
    """Without a terminal too: what a program of the subshell sees is the session and no more."""
    env = sign_in(deployment)
    for shell in ("bash", "zsh", "fish", "dash", "ksh", "mksh", "yash", "tcsh"):
        done = subprocess.run(
            [TCENV, "shell", "--shell", shell], env=env, input="env\n", capture_output=True, text=True, timeout=60
        )
        assert "TASKCLUSTER_ACCESS_TOKEN=" in done.stdout, done.stderr
        assert "__tcenv" not in done.stdout.lower(), shell
        assert os.environ.get("TCENV_SUBSHELL") is None


@pytest.mark.parametrize("shell", ["bash", "zsh", "ksh", "mksh", "fish"])
def test_the_trace_comes_back_after_an_interruption(shell: str, deployment: Sandbox, tmp_path: Path) -> None:
    """After Ctrl-C in the wait for the browser, the options that were off inside are on again by the next prompt."""
    from tests.shells.test_in_a_terminal import start

    env = make_env(deployment, BROWSER="true %s", TCENV_TIMEOUT="60s")
    with start(shell, tmp_path, env) as terminal:
        terminal.type("set -g fish_trace 1" if shell == "fish" else "set -x")
        terminal.type("tcenv login")
        terminal.wait_for("/auth/clients/create")
        terminal.press("C-c")
        terminal.wait(lambda: "nterrupted" in terminal.read_screen() or "^C" in terminal.read_screen(), "the end")
        terminal.type("")
        terminal.type("echo a''fter")
        terminal.wait(
            lambda: [line for line in terminal.read_screen().splitlines() if line.strip() == "after"], "the command"
        )
        traced = [
            line
            for line in terminal.read_screen().splitlines()
            if re.match(r"(\+.*|[->]+ )\s*echo (a''fter|after)$", line)
        ]
        assert traced, terminal.read_screen()
