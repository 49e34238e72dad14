"""`tcenv hook` decides what a shell evaluates, and the prompt hook calls it once for each difference."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.shells.direnv import write_envrc
from tests.shells.real import BY_NAME, HOOKED, SCRIPTED, RealShell, read_environment
from tests.shells.sessions import NEW_TOKEN, OLD_TOKEN, make_loaded_variables, write_session_file
from tests.world import TCENV, VARIABLES, evaluate, make_env, read_session_fields, sign_in, tcenv

IDS = [shell.name for shell in HOOKED]


def write_counter(folder: Path, home: Path, body: str = 'exec "$REAL" "$@"', name: str = "counter") -> str:
    """Write a program in the place of tcenv that records its calls."""
    program = folder / name
    program.write_text(f'#!/bin/sh\necho "$*" >>{home}/calls\nREAL={TCENV}\n{body}\n')
    program.chmod(0o755)
    return str(program)


def source_text_with(program: str, shell: RealShell, env: dict[str, str], folder: Path) -> str:
    """Return the statement that reads a start-up text whose hook calls `program`."""
    path = shell.write_init_text(env, folder)
    path.write_text(path.read_text().replace(TCENV, program))
    return shell.make_source(path)


def read_calls(home: Path) -> list[str]:
    """Return the arguments of each call that a counter has recorded."""
    path = home / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_one_call_for_each_difference(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """The hook starts no process while nothing has changed, and one for a reset or a damaged file at any number of prompts."""
    runtime = home / "run/tcenv"
    env = make_env(**make_loaded_variables(runtime))
    text = source_text_with(write_counter(tmp_path, home), shell, env, tmp_path)
    file = write_session_file(runtime, OLD_TOKEN)
    steps = [text, *[shell.hook] * 3]
    dump = shell.make_dump(tmp_path / "out")
    if shell.name != "tcsh":  # it cannot read the file, and so calls once at its first prompt
        shell.run_lines(*steps, env=env)
        assert read_calls(home) == []
    write_session_file(runtime, NEW_TOKEN)
    shell.run_lines(*steps, dump, env=env)
    assert len(read_calls(home)) == (2 if shell.name == "tcsh" else 1), read_calls(home)
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == NEW_TOKEN
    (home / "calls").unlink()
    file.write_text("GENERATION=half")
    shell.run_lines(*steps, dump, env=env)
    assert len(read_calls(home)) == 1
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OLD_TOKEN
    (home / "calls").unlink()
    # In a run behind the proxy, and if nothing is loaded, the hook does not call.
    shell.run_lines(*steps, env={**env, "TCENV_PROXY": "http://localhost:1 p https://tc.example.com"})
    shell.run_lines(*steps, env={name: value for name, value in env.items() if name != "TCENV_LOADED"})
    assert read_calls(home) == []


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
@pytest.mark.parametrize("program", ["gone", "broken"])
def test_without_the_program(shell: RealShell, program: str, tmp_path: Path, home: Path) -> None:
    """Without the program, the hook unloads an expired session, says so once, and leaves all else alone."""
    runtime = home / "run/tcenv"
    path = f"{tmp_path}/nowhere" if program == "gone" else write_counter(tmp_path, home, "exit 70")
    env = make_env(**make_loaded_variables(runtime, "chosen=https://before.example.com"))
    text = source_text_with(path, shell, env, tmp_path)
    write_session_file(runtime, NEW_TOKEN)
    # tcsh reads the time of its terminal's file.
    (tmp_path / "clock").touch()
    clock = f"set tty = ..{tmp_path}/clock" if shell.name == "tcsh" else ""
    steps = [clock, text, *[shell.hook] * 2, shell.make_dump(tmp_path / "out"), shell.hook]
    done = shell.run_lines(*steps, env=env)
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OLD_TOKEN, done.stderr
    assert "expired" not in done.stdout + done.stderr
    if shell.name == "elvish":
        return  # it has no clock
    done = shell.run_lines(*steps, env={**env, "TCENV_EXPIRES": str(int(time.time()) - 5)})
    found = read_environment(tmp_path / "out")
    left = {name: found[name] for name in VARIABLES if name in found}
    assert left == {"TASKCLUSTER_ROOT_URL": "https://before.example.com", "TCENV_PROFILE": "chosen"}, done.stderr
    assert (done.stdout + done.stderr).count("has expired") == 1


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_nothing_of_the_hook_is_exported(shell: RealShell, tmp_path: Path, home: Path, deployment: Sandbox) -> None:
    """With `set -a`, a program still finds no variable of the hook, and no copy of the token."""
    export_all = {"zsh": "setopt allexport", "bash": "set -a", "ksh": "set -a", "mksh": "set -a"}.get(shell.name, "")
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    text = shell.write_init_text(env, tmp_path)
    steps = [export_all, shell.make_source(text), shell.make_call("env"), shell.hook, shell.hook]
    done = shell.run_lines(*steps, shell.make_dump(tmp_path / "out"), env=env)
    found = read_environment(tmp_path / "out")
    assert [name for name in found if token in found[name]] == ["TASKCLUSTER_ACCESS_TOKEN"], done.stderr
    assert [name for name in found if name.startswith("__tcenv")] == []


def test_an_open_shell_follows_a_change_of_the_store(deployment: Sandbox, home: Path, tmp_path: Path) -> None:
    """The shell keeps its session until the next login, which uses the store of the changed configuration."""
    for name in ("bash", "zsh", "fish", "ksh"):
        shell = BY_NAME[name]
        config = home / ".config/tcenv/config.toml"
        config.unlink(missing_ok=True)
        env = sign_in(deployment)
        text = shell.write_init_text(env, tmp_path)
        config.parent.mkdir(parents=True, exist_ok=True)
        change = f"printf 'store = \"file\"\\n' >{config}"
        steps = [shell.make_source(text), "tcenv env", shell.hook, change, shell.hook, "tcenv login", *[shell.hook] * 2]
        done = shell.run_lines(*steps, shell.make_dump(tmp_path / "out"), env={**env, "TCENV_TIMEOUT": "30s"})
        found = read_environment(tmp_path / "out")
        stored = json.loads(tcenv("env", "--format", "json", env=env).stdout)
        assert found["TASKCLUSTER_ACCESS_TOKEN"] == stored["TASKCLUSTER_ACCESS_TOKEN"], done.stderr
        assert "signed out" not in done.stderr
        assert "/sessions/" in found["TCENV_LOADED"]
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0


def test_a_command_with_fewer_scopes_finds_no_copy_of_the_whole_token(deployment: Sandbox, home: Path) -> None:
    """direnv keeps the variables from before in a variable of its own, which would hold the token."""
    env = sign_in(deployment)
    whole = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
    assert tcenv("login", "work", "--shell", "sh", env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    write_envrc(home / "project", "use taskcluster work\n")
    assert tcenv("purpose", "set", "p", "--scope", "queue:get-task:*", env=env).returncode == 0
    look = (
        "import base64,os,sys,zlib\n"
        "for n, v in os.environ.items():\n"
        "    try: v += zlib.decompress(base64.urlsafe_b64decode(v)).decode()\n"
        "    except Exception: pass\n"
        "    if sys.argv[1] in v: print(n)\n"
        "print('looked')\n"
    )
    token = read_session_fields(env, "work")["TASKCLUSTER_ACCESS_TOKEN"]
    for words in (["--scope", "queue:get-task:*"], ["--for", "15m", "--scope", "queue:get-task:*"], ["--as", "p"]):
        for retried in ([], ["--retry"]):  # the full command line, too
            line = [TCENV, "exec", *words, *retried, "--", sys.executable, "-c", look, token]
            script = 'eval "$(direnv export bash)"; "$@"'
            done = subprocess.run(
                ["bash", "-c", script, "bash", *line], env=env, cwd=home / "project", capture_output=True, text=True
            )
            assert done.stdout.split() == ["looked"], (words, done.stderr)
    assert whole != token


def test_status_and_output(deployment: Sandbox, home: Path) -> None:
    """A failure prints no statement and one line, and wrong words are a usage error."""
    env = sign_in(deployment)
    now = evaluate("env", env=env)
    for quiet in (env, now, {**now, "TASKCLUSTER_ACCESS_TOKEN": "x" * 44}):
        done = tcenv("hook", "bash", env=quiet)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    file = next((home / "run/tcenv").glob("*.session"))
    file.write_text("GENERATION=half\n")
    done = tcenv("hook", "bash", env=now)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
    for words in (["nosuch"], ["bash", "profile"], ["bash", "--as", "p"]):
        done = tcenv("hook", *words, env=now)
        assert (done.returncode, done.stdout) == (2, ""), words
    assert deployment.approvals == 1


def test_it_imports_only_the_hot_path(deployment: Sandbox) -> None:
    from tests.imported_modules import HEAVY, HOT_MODULES, list_modules

    env = sign_in(deployment)
    now = evaluate("env", env=env)
    assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
    taken = list_modules("hook", "bash", env=now)
    assert len(taken) <= len(HOT_MODULES) + 12, sorted(taken - HOT_MODULES)
    assert not taken & HEAVY
    taken = list_modules("hook", "bash", "--for-directory", env=env)
    assert len(taken) <= len(HOT_MODULES) + 12, sorted(taken - HOT_MODULES)


@pytest.mark.parametrize("shell", [s for s in HOOKED if s.name in ("bash", "ksh", "mksh", "zsh")], ids=lambda s: s.name)
def test_set_v_shows_no_token(shell: RealShell, deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    text = shell.write_init_text(env, tmp_path)
    steps = [shell.make_source(text), "set -v", "tcenv env", shell.hook, 'case $- in *v*) echo still"-"on ;; esac']
    now = evaluate("env", env=env)
    assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
    done = shell.run_lines(*steps, "echo reached", env=now)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout + done.stderr
    assert now["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout + done.stderr
    assert "still-on" in done.stdout
    assert os.environ.get("TASKCLUSTER_ACCESS_TOKEN") is None


def test_tcsh_keeps_the_status_for_the_users_precmd(tmp_path: Path, home: Path) -> None:
    shell = BY_NAME["tcsh"]
    for env in (make_env(), make_env(**make_loaded_variables(home / "run/tcenv"))):
        write_session_file(home / "run/tcenv", OLD_TOKEN)
        text = shell.write_init_text(env, tmp_path)
        script = tmp_path / "script"
        steps = ["alias precmd 'echo STATUS=$status'", shell.make_source(text), "sh -c 'exit 7'", "precmd"]
        # In a file, because `eval` would change the status.
        script.write_text("\n".join([*steps, "sh -c 'exit 9'", "precmd", ""]))
        done = subprocess.run([*shell.command, str(script)], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout == "STATUS=7\nSTATUS=9\n", done.stderr


@pytest.mark.parametrize("shell", SCRIPTED, ids=lambda shell: shell.name)
def test_the_function_names_its_shell_directly_after_the_command(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """At the end, `--shell` would be the value of an option that lacks one."""
    env = make_env()
    write_counter(tmp_path, home, "exit 0", "tcenv")
    text = shell.make_source(shell.write_init_text(env, tmp_path))
    shell.run_lines(text, shell.make_call("env p --for"), env={**env, "PATH": f"{tmp_path}:{env['PATH']}"})
    named = "sh" if shell.name == "yash" else shell.init
    assert read_calls(home) == [f"env --shell {named} p --for"]


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_a_hook_finds_the_file_in_a_home_with_an_odd_name(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """The shell evaluates no part of the path."""
    for name in ("a b", "it's", 'a "b"', "$HOME;`touch owned`", "*", "[x] {a,b} !1", "ü"):
        folder = home / name / "tcenv"
        folder.parent.mkdir(mode=0o700)
        env = make_env(**make_loaded_variables(folder))
        text = shell.write_init_text(env, tmp_path)
        write_session_file(folder, NEW_TOKEN)
        done = shell.run_lines(shell.make_source(text), shell.hook, shell.make_dump(tmp_path / "out"), env=env)
        assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == NEW_TOKEN, (name, done.stderr)
        assert not list(home.rglob("owned"))


def test_open_shells_unload_where_the_directory_is_gone(deployment: Sandbox, home: Path) -> None:
    """`tcenv logout --all --forget` removes the directory."""
    now = evaluate("login", env=make_env(deployment))
    shutil.rmtree(home / "run/tcenv")
    done = tcenv("hook", "bash", env=now)
    assert "-v TASKCLUSTER_ACCESS_TOKEN" in done.stdout
    assert "signed out elsewhere" in done.stderr
    shutil.rmtree(home / "run")
    assert tcenv("hook", "bash", env=now).stdout == ""


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_one_line_says_so_where_the_directory_is_gone(shell: RealShell, tmp_path: Path, home: Path) -> None:
    folder = home / "run/tcenv"
    env = make_env(**make_loaded_variables(folder))
    text = shell.write_init_text(env, tmp_path)
    lines = [shell.make_source(text), shell.hook, shell.hook, shell.make_dump(tmp_path / "out")]
    done = shell.run_lines(*lines, env=env)
    assert "TASKCLUSTER_ACCESS_TOKEN" not in read_environment(tmp_path / "out")
    assert done.stderr.count("signed out elsewhere") == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
