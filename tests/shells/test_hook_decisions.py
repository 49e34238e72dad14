"""`tcenv hook`: the program decides what a shell is told, and a shell asks it once for each difference."""

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
from tests.programs import require
from tests.shells.child import environment_after
from tests.shells.hooks import HOOKED, PROMPTED, Prompted, loaded, start_up_text, stored
from tests.world import TCENV, VARIABLES, evaluate, make_env, read_session_fields, sign_in, tcenv

ROOT, PROFILE = "https://tc.example.com", "tc.example.com"
OWN, NEW = "o" * 44, "n" * 44
IDS = [shell.name for shell in HOOKED]


def prompt(shell: Prompted) -> str:
    return "eval precmd" if shell.name == "tcsh" else shell.hook


def counting(folder: Path, home: Path, body: str = 'exec "$REAL" "$@"') -> str:
    """A program in the place of tcenv that counts its calls."""
    program = folder / "counting"
    program.write_text(f'#!/bin/sh\necho "$*" >>{home}/calls\nREAL={TCENV}\n{body}\n')
    program.chmod(0o755)
    return str(program)


def text_by(shell: Prompted, program: str, env: dict[str, str], folder: Path) -> Path:
    """The start-up text whose hook calls `program`."""
    path = start_up_text(shell, env, folder)
    path.write_text(path.read_text().replace(TCENV, program))
    return path


def calls(home: Path) -> list[str]:
    path = home / "calls"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_one_call_for_each_difference(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """No process while nothing has changed; one for a reset; one for what cannot be loaded, however many prompts come."""
    runtime = home / "run/tcenv"
    env = make_env(**loaded(runtime, PROFILE, ROOT, OWN))
    text = text_by(shell, counting(tmp_path, home), env, tmp_path)
    file = stored(runtime, PROFILE, ROOT, OWN)
    steps = [shell.script(text), *[prompt(shell)] * 3]
    if shell.name != "tcsh":  # it asks once at its first prompt, since it cannot read the file
        shell.run("\n".join(steps), env)
        assert calls(home) == []
    stored(runtime, PROFILE, ROOT, NEW)
    shell.run("\n".join([*steps, shell.dump(tmp_path / "out", tmp_path)]), env)
    assert len(calls(home)) == (2 if shell.name == "tcsh" else 1), calls(home)
    assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == NEW
    (home / "calls").unlink()
    file.write_text("GENERATION=half")
    shell.run("\n".join([*steps, shell.dump(tmp_path / "out", tmp_path)]), env)
    assert len(calls(home)) == 1
    assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OWN
    (home / "calls").unlink()
    # Behind a proxy nobody asks, nor where nothing is loaded.
    shell.run("\n".join(steps), {**env, "TCENV_PROXY": "http://localhost:1 p https://tc.example.com"})
    shell.run("\n".join(steps), {name: value for name, value in env.items() if name != "TCENV_LOADED"})
    assert calls(home) == []


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
@pytest.mark.parametrize("program", ["gone", "broken"])
def test_without_the_program(shell: Prompted, program: str, tmp_path: Path, home: Path) -> None:
    """Without the program, the hook unloads an expired session, says so once, and leaves all else alone."""
    runtime = home / "run/tcenv"
    place = tmp_path / "nowhere" if program == "gone" else Path(counting(tmp_path, home, "exit 70"))
    env = make_env(**loaded(runtime, PROFILE, ROOT, OWN, "chosen=https://before.example.com"))
    text = text_by(shell, str(place), env, tmp_path)
    stored(runtime, PROFILE, ROOT, NEW)
    # Its terminal is tcsh's clock.
    (tmp_path / "clock").touch()
    clock = f"set tty = ..{tmp_path}/clock" if shell.name == "tcsh" else ""
    steps = [clock, shell.script(text), *[prompt(shell)] * 2, shell.dump(tmp_path / "out", tmp_path), prompt(shell)]
    done = shell.run("\n".join(steps), env)
    assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OWN, done.stderr
    assert "expired" not in done.stdout + done.stderr
    if shell.name == "elvish":
        return  # it has no clock
    done = shell.run("\n".join(steps), {**env, "TCENV_EXPIRES": str(int(time.time()) - 5)})
    found = environment_after(tmp_path / "out")
    left = {name: found[name] for name in VARIABLES if name in found}
    assert left == {"TASKCLUSTER_ROOT_URL": "https://before.example.com", "TCENV_PROFILE": "chosen"}, done.stderr
    assert (done.stdout + done.stderr).count("has expired") == 1


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_nothing_of_the_hook_is_exported(shell: Prompted, tmp_path: Path, home: Path, deployment: Sandbox) -> None:
    """`set -a` before the text and after it: a program finds no variable of ours, and no copy of the token."""
    every = {"zsh": "setopt allexport", "bash": "set -a", "ksh": "set -a", "mksh": "set -a"}.get(shell.name, "")
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    text = start_up_text(shell, env, tmp_path)
    load = "eval tcenv env" if shell.name == "tcsh" else "tcenv env"
    steps = [every, shell.script(text), load, prompt(shell), prompt(shell), shell.dump(tmp_path / "out", tmp_path)]
    done = shell.run("\n".join(steps), env)
    found = environment_after(tmp_path / "out")
    assert [name for name in found if token in found[name]] == ["TASKCLUSTER_ACCESS_TOKEN"], done.stderr
    assert [name for name in found if name.startswith("__tcenv")] == []


def test_a_store_that_is_changed_in_the_configuration(deployment: Sandbox, home: Path, tmp_path: Path) -> None:
    """An open shell keeps the session that it has, follows a new one, and loses none to the store of before."""
    for name in ("bash", "zsh", "fish", "ksh"):
        shell = next(shell for shell in HOOKED if shell.name == name)
        config = home / ".config/tcenv/config.toml"
        config.unlink(missing_ok=True)
        env = sign_in(deployment)
        text = start_up_text(shell, env, tmp_path)
        config.parent.mkdir(parents=True, exist_ok=True)
        change = f"printf 'store = \"file\"\\n' >{config}"
        steps = [
            *(shell.script(text), "tcenv env", prompt(shell), change, prompt(shell), "tcenv login", prompt(shell)),
            *(prompt(shell), shell.dump(tmp_path / "out", tmp_path)),
        ]
        done = shell.run("\n".join(steps), {**env, "TCENV_TIMEOUT": "30s"}, timeout=60)
        found = environment_after(tmp_path / "out")
        kept = json.loads(tcenv("env", "--format", "json", env=env).stdout)
        assert found["TASKCLUSTER_ACCESS_TOKEN"] == kept["TASKCLUSTER_ACCESS_TOKEN"], done.stderr
        assert "signed out" not in done.stderr
        assert "/sessions/" in found["TCENV_LOADED"]
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0


def test_less_than_the_whole_is_all_that_a_command_finds(deployment: Sandbox, home: Path) -> None:
    """What direnv and the like remember holds the whole token: with fewer scopes it stays behind."""
    env = sign_in(deployment)
    whole = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
    assert tcenv("login", "work", "--shell", "sh", env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    (home / "project").mkdir()
    (home / "project/.envrc").write_text("use taskcluster work\n")
    subprocess.run([require("direnv"), "allow", str(home / "project")], env=env, check=True, capture_output=True)
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


def test_the_programs_answer(deployment: Sandbox, home: Path) -> None:
    """Nothing to do prints nothing; a failure prints no statement, one line, and exits with 1; wrong words are a usage error."""
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


def test_it_imports_next_to_nothing(deployment: Sandbox) -> None:
    from tests.e2e.test_hot_path import HEAVY, HOT_MODULES, modules

    env = sign_in(deployment)
    now = evaluate("env", env=env)
    assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
    taken = modules("hook", "bash", env=now)
    assert len(taken) <= len(HOT_MODULES) + 12, sorted(taken - HOT_MODULES)
    assert not taken & HEAVY
    taken = modules("hook", "bash", "--for-directory", env=env)
    assert len(taken) <= len(HOT_MODULES) + 12, sorted(taken - HOT_MODULES)


@pytest.mark.parametrize("shell", [s for s in HOOKED if s.name in ("bash", "ksh", "mksh", "zsh")], ids=lambda s: s.name)
def test_set_v_shows_no_token(shell: Prompted, deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    env = sign_in(deployment)
    text = start_up_text(shell, env, tmp_path)
    steps = [shell.script(text), "set -v", "tcenv env", prompt(shell), 'case $- in *v*) echo still"-"on ;; esac']
    now = evaluate("env", env=env)
    assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
    done = shell.run("\n".join([*steps, "echo reached"]), now)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout + done.stderr
    assert now["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout + done.stderr
    assert "still-on" in done.stdout
    assert os.environ.get("TASKCLUSTER_ACCESS_TOKEN") is None


def test_tcsh_hands_the_status_on_to_the_users_precmd(tmp_path: Path, home: Path) -> None:
    shell = next(shell for shell in HOOKED if shell.name == "tcsh")
    for env in (make_env(), make_env(**loaded(home / "run/tcenv", PROFILE, ROOT, OWN))):
        stored(home / "run/tcenv", PROFILE, ROOT, OWN)
        text = start_up_text(shell, env, tmp_path)
        script = tmp_path / "script"
        steps = ["alias precmd 'echo STATUS=$status'", shell.script(text), "sh -c 'exit 7'", "precmd"]
        # `eval` would take the status away.
        script.write_text("\n".join([*steps, "sh -c 'exit 9'", "precmd", ""]))
        done = subprocess.run([require("tcsh"), "-f", str(script)], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout == "STATUS=7\nSTATUS=9\n", done.stderr


@pytest.mark.parametrize("shell", [s for s in PROMPTED if s.name != "csh"], ids=lambda shell: shell.name)
def test_the_function_names_its_shell_right_behind_the_command(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """So that an option that lacks its value is told so, and takes no word of ours."""
    env = make_env()
    place = tmp_path / "bin"
    place.mkdir()
    Path(counting(place, home, "exit 0")).rename(place / "tcenv")
    text = start_up_text(shell, env, tmp_path)
    call = "eval tcenv env p --for" if shell.name == "tcsh" else "tcenv env p --for"
    shell.run(f"{shell.script(text)}\n{call}\n", {**env, "PATH": f"{place}:{env['PATH']}"})
    spoken = "sh" if shell.name == "yash" else shell.init
    assert calls(home) == [f"env --shell {spoken} p --for"]


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_homes_with_odd_names(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """The session's file is found wherever it is, and nothing of its path is evaluated."""
    for name in ("a b", "it's", 'a "b"', "$HOME;`touch owned`", "*", "[x] {a,b} !1", "ü"):
        folder = home / name / "tcenv"
        folder.parent.mkdir(mode=0o700)
        env = make_env(**loaded(folder, PROFILE, ROOT, OWN))
        text = start_up_text(shell, env, tmp_path)
        stored(folder, PROFILE, ROOT, NEW)
        done = shell.run("\n".join([shell.script(text), prompt(shell), shell.dump(tmp_path / "out", tmp_path)]), env)
        assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == NEW, (name, done.stderr)
        assert not list(home.rglob("owned"))


def test_a_place_that_is_gone_with_its_session(deployment: Sandbox, home: Path) -> None:
    """`tcenv logout --all --forget` removes the directory: open shells unload all the same."""
    now = evaluate("login", env=make_env(deployment))
    shutil.rmtree(home / "run/tcenv")
    done = tcenv("hook", "bash", env=now)
    assert "-v TASKCLUSTER_ACCESS_TOKEN" in done.stdout
    assert "signed out elsewhere" in done.stderr
    shutil.rmtree(home / "run")
    assert tcenv("hook", "bash", env=now).stdout == ""


@pytest.mark.parametrize("shell", HOOKED, ids=IDS)
def test_at_a_prompt_whose_sessions_directory_is_gone_one_line_says_so(
    shell: Prompted, tmp_path: Path, home: Path
) -> None:
    folder = home / "run/tcenv"
    env = make_env(**loaded(folder, PROFILE, ROOT, OWN))
    text = start_up_text(shell, env, tmp_path)
    lines = [shell.script(text), prompt(shell), prompt(shell), shell.dump(tmp_path / "out", tmp_path)]
    done = shell.run("\n".join(lines), env)
    assert "TASKCLUSTER_ACCESS_TOKEN" not in environment_after(tmp_path / "out")
    assert done.stderr.count("signed out elsewhere") == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
