"""A shell's trace shows no token: functions, hooks, subshells and direnv's library switch the trace off inside, and
restore it. If the program dies without output, the function of `tcenv init` fails."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tcenv import resources
from tcenv.sandbox import Sandbox
from tcenv.shells.init_text import render_startup_text
from tests.shells.direnv import run_in_directory, write_envrc
from tests.shells.interactive import start_outer_shell, start_shell
from tests.shells.real import BY_NAME, HOOKED, POSIX, SCRIPTED, STILL_TRACED, TRACED, RealShell, read_environment
from tests.shells.sessions import NEW_TOKEN, OLD_TOKEN, make_loaded_variables, write_session_file
from tests.world import TCENV, make_env, read_session_fields, sign_in, tcenv


@pytest.mark.parametrize("shell", TRACED, ids=[shell.name for shell in TRACED])
def test_the_function_under_a_trace(shell: RealShell, deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    fields = read_session_fields(env)
    text = shell.write_init_text(env, tmp_path)
    status, check = f"echo status={shell.status}.", shell.check_trace
    steps = [shell.make_source(text), shell.trace, shell.make_call("env"), status, check]
    steps += [shell.make_dump(tmp_path / "out"), shell.make_call("logout"), check]
    done = shell.run_lines(*steps, env=env)
    shown = done.stdout + done.stderr
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == fields["TASKCLUSTER_ACCESS_TOKEN"]
    assert fields["TASKCLUSTER_ACCESS_TOKEN"] not in shown
    assert "status=0." in shown
    assert done.stdout.count(STILL_TRACED) >= 2, shown


@pytest.mark.parametrize("shell", [s for s in HOOKED if s.trace], ids=[s.name for s in HOOKED if s.trace])
def test_the_hook_under_a_trace(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """The hook loads a new session at one prompt, and unloads it at the next."""
    env = make_env(**make_loaded_variables(home / "run/tcenv"))
    file = write_session_file(home / "run/tcenv", NEW_TOKEN)
    text = shell.write_init_text(env, tmp_path)
    dump, hook, check = shell.make_dump(tmp_path / "out"), shell.hook, shell.check_trace
    steps = [shell.make_source(text), shell.trace, hook, check, dump, f"rm {file}", hook, check]
    done = shell.run_lines(*steps, shell.make_dump(tmp_path / "out2"), env=env)
    shown = done.stdout + done.stderr
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == NEW_TOKEN
    assert "TASKCLUSTER_ACCESS_TOKEN" not in read_environment(tmp_path / "out2")
    assert "signed out elsewhere" in shown
    assert OLD_TOKEN not in shown
    assert NEW_TOKEN not in shown
    assert done.stdout.count(STILL_TRACED) >= 2, shown


def test_an_inherited_debug_trap_shows_no_token(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    for name, trap in {
        "bash": "set -T; trap 'echo \"at: $BASH_COMMAND\"' DEBUG",
        "zsh": "trap 'echo \"at: $ZSH_DEBUG_CMD\"' DEBUG",
    }.items():
        text = BY_NAME[name].write_init_text(env, tmp_path)
        done = BY_NAME[name].run(f". {text}\n{trap}\ntcenv env\necho id=$TASKCLUSTER_CLIENT_ID", env)
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
def test_a_subshell_with_a_trace_in_its_start_up_file(
    shell: str, deployment: Sandbox, tmp_path: Path, home: Path
) -> None:
    env = sign_in(deployment)
    path, line = SUBSHELLS[shell]
    (home / path).parent.mkdir(parents=True, exist_ok=True)
    (home / path).write_text(line + "\n")
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    with start_outer_shell(env, tmp_path) as terminal:
        terminal.type(f"tcenv shell --shell {shell}")
        terminal.wait_for("(tcenv:")
        inner = terminal.read_environment()
        assert inner["TASKCLUSTER_ACCESS_TOKEN"] == token
        assert not [name for name in inner if name.lower().startswith("__tcenv")]
        assert token not in terminal.read_screen()
        # The shell goes on tracing, and shows the command that wrote the environment.
        traced = [line for line in terminal.read_screen().splitlines() if "dump.pl" in line]
        assert len(traced) >= 2, terminal.read_screen()


def test_direnvs_library_under_a_trace(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert tcenv("direnv", "--install", env=env).returncode == 0
    envrc = "set -x\nuse taskcluster\ncase $- in *x*) export STILL=1 ;; esac\n{ set +x; } 2>/dev/null\n"
    write_envrc(home / "project", envrc)
    for store in ("runtime", "none"):
        done = run_in_directory(home / "project", "env", env={**env, "TCENV_STORE": store})
        assert token not in done.stderr, store
        assert "STILL=1" in done.stdout.splitlines(), done.stderr
        assert (f"TASKCLUSTER_ACCESS_TOKEN={token}" in done.stdout) == (store == "runtime")


@pytest.mark.parametrize("shell", SCRIPTED, ids=lambda shell: shell.name)
@pytest.mark.parametrize("end", ["killed", "failed"])
def test_a_program_that_dies_without_output_fails_the_function(shell: RealShell, end: str, tmp_path: Path) -> None:
    program = tmp_path / "tcenv"
    env = make_env(TASKCLUSTER_CLIENT_ID="before")
    text = shell.write_init_text(env, tmp_path)
    program.write_text("#!/bin/sh\n" + ("kill -KILL $$\n" if end == "killed" else "exit 77\n"))
    program.chmod(0o755)
    env["PATH"] = f"{tmp_path}:{env['PATH']}"
    chain = "{} && {}" if shell.name == "xonsh" else shell.chain
    reached = "print reached" if shell.name == "nu" else "echo reached"
    done = shell.run_lines(shell.make_source(text), chain.format(shell.make_call("login"), reached), env=env)
    assert "reached" not in done.stdout, done.stdout + done.stderr
    if shell in POSIX:
        # The shell itself goes on, with the usual status.
        done = shell.run(f"{shell.make_source(text)}\ntcenv login || echo alive=$?; tcenv login || echo again", env)
        assert done.stdout.split()[1:] == ["again"], done.stderr
        assert done.stdout.split()[0] in (("alive=137", "alive=393") if end == "killed" else ("alive=77",))


@pytest.mark.parametrize(
    "folder", ["a b", "a!b", "`touch owned`", "a'b", 'a"b', "$(touch owned)", "a$HOME;b", "ü [x] {a,b} *"]
)
def test_tcsh_reads_its_files_from_any_folder(
    folder: str, tmp_path: Path, home: Path, deployment: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / folder
    shutil.copytree(resources.find_folder("shell"), place / "shell")
    env = sign_in(deployment)
    with monkeypatch.context() as patch:
        patch.setattr(resources, "find_folder", lambda name: str(place / name))
        text = render_startup_text("tcsh")
    assert text.count("\n") == 1
    (tmp_path / "text").write_text(text)
    for form in ("source {}", 'eval "`cat {}`"', "eval `cat {}`"):
        script = tmp_path / "script"
        script.write_text(f"{form.format(tmp_path / 'text')}\ntcenv env\necho id=$TASKCLUSTER_CLIENT_ID\n")
        done = subprocess.run(
            [*BY_NAME["tcsh"].command, str(script)], env=env, capture_output=True, text=True, timeout=60, cwd=home
        )
        assert f"id={deployment.user}/" in done.stdout, form + done.stderr
        assert not (home / "owned").exists()


def test_a_posix_bash_subshell_keeps_no_variable_of_tcenv(deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    """POSIXLY_CORRECT makes bash read what ENV names instead of its own start-up file."""
    (home / "env").write_text("MINE=1; export MINE\n")
    for number, more in enumerate(({}, {"ENV": str(home / "env")})):
        env = {**sign_in(deployment, POSIXLY_CORRECT="1"), **more}
        folder = tmp_path / str(number)
        folder.mkdir()
        with start_outer_shell(env, folder) as terminal:
            terminal.type("tcenv shell --shell bash")
            terminal.wait_for("(tcenv:")
            inner = terminal.read_environment()
            assert inner["TASKCLUSTER_ACCESS_TOKEN"] == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
            assert not [name for name in inner if name.lower().startswith("__tcenv")]
            assert inner.get("ENV") == more.get("ENV")
            assert inner.get("MINE") == ("1" if more else None)


def test_programs_of_a_subshell_see_no_internal_variable(deployment: Sandbox) -> None:
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
    """Ctrl-C ends the wait for the browser, in which the trace is off."""
    env = make_env(deployment, BROWSER="true %s", TCENV_TIMEOUT="60s")
    with start_shell(shell, tmp_path, env) as terminal:
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
