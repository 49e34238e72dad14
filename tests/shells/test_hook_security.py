"""Prompt hooks under attack: they run no command of the environment or of a session's file, never hang, and load no
credentials of another user."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.reliability.record import record, scale
from tests.shells.real import BY_NAME, HOOKED, SCRIPTED, RealShell, read_environment
from tests.shells.sessions import FOREIGN_TOKEN, OLD_TOKEN, PROFILE, ROOT_URL, make_loaded_variables, write_session_file
from tests.world import make_env

# The shells that read the text of `tcenv init`, and csh, which has none.
ATTACKED = (*SCRIPTED, BY_NAME["csh"])
# Environments of an attacker. `@` stands for a command that makes a file, and an empty text for a missing variable.
HOSTILE: dict[str, dict[str, str]] = {
    "hardly anything": {"TCENV_EXPIRES": "", "TCENV_LOADED": "", "XDG_RUNTIME_DIR": "", "HOME": "/"},
    "no deployment": {"TASKCLUSTER_ROOT_URL": "", "TCENV_EXPIRES": ""},
    "an index in the end": {"TCENV_EXPIRES": "a[$(@)]"},
    "an index in the end, backquotes": {"TCENV_EXPIRES": "a[`@`]+1"},
    "a nested index in the end": {"TCENV_EXPIRES": "__tcenv_end[$(@)0]"},
    "an end that is arithmetic": {"TCENV_EXPIRES": "PATH=$(@)"},
    "an end of two lines": {"TCENV_EXPIRES": "1900000000\n$(@)"},
    "an end without end": {"TCENV_EXPIRES": "9" * 400},
    "an octal end": {"TCENV_EXPIRES": "0999"},
    "a profile that is a command": {"TCENV_PROFILE": "$(@)"},
    "a profile with backquotes": {"TCENV_PROFILE": "`@`"},
    "a profile that ends quotes": {"TCENV_PROFILE": "x\"'; @; '\""},
    "a profile that climbs": {"TCENV_PROFILE": "../../neighbour/p"},
    "a profile of many lines": {"TCENV_PROFILE": "p\n@\n"},
    "a profile that paints": {"TCENV_PROFILE": "p\x1b]0;owned\x07\x1b[31m"},
    "a profile that is a pattern": {"TCENV_PROFILE": "*", "TCENV_STORE": "*"},
    "a root URL that is a command": {"TCENV_LOADED": f"{PROFILE} $(@) a - -", "TASKCLUSTER_ROOT_URL": "$(@)"},
    "a former root URL that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT_URL} a - $(@)", "TCENV_EXPIRES": "1000"},
    "a former profile that is a command": {
        "TCENV_LOADED": f"{PROFILE} {ROOT_URL} a - $(@)=`@`",
        "TCENV_EXPIRES": "1000",
    },
    "a generation that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT_URL} a[$(@)] /tmp/`@`/{PROFILE}.session -"},
    "a file that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT_URL} a /$(@)`@`; @/{PROFILE}.session -"},
    "words that are patterns": {"TCENV_LOADED": "* * * /* *"},
    "a runtime directory that is a command": {"XDG_RUNTIME_DIR": "/tmp/$(@)`@`"},
    "a store that is a command": {"TCENV_STORE": "$(@)`@`; @"},
    "what the hooks keep, inherited": {
        f"__tcenv_{name}": "a[$(@)]"
        for name in (
            *(
                *("seen", "file", "first", "end", "tried", "clock", "level", "hooked", "now", "line"),
                *("text", "shell", "soon", "words", "count", "time", "over", "mark"),
            ),
        )
    },
    "the clock, inherited": {"EPOCHSECONDS": "a[$(@)]", "EPOCHREALTIME": "a[$(@)]", "now": "a[$(@)]"},
    "operators": {"TCENV_PROFILE": "(", "TCENV_EXPIRES": "!", "TCENV_STORE": "-f", "TCENV_LOADED": "-o"},
    "an operator for a certificate": {"TASKCLUSTER_CERTIFICATE": "("},
    "an operator for a token": {"TASKCLUSTER_ACCESS_TOKEN": "("},
}


def run_prompts(shell: RealShell, text: Path, folder: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Read the start-up text, run two prompts, and write the environment of a child to `folder`/out."""
    prompts = [shell.hook] * 2 if shell.hook else []
    return shell.run_lines(shell.make_source(text), *prompts, shell.make_dump(folder / "out"), env=env)


@pytest.mark.parametrize("shell", ATTACKED, ids=lambda shell: shell.name)
def test_no_command_in_a_variable_runs(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """It runs neither at the start nor at a prompt."""
    assert len(HOSTILE) >= 20
    clean = make_env(**make_loaded_variables(home / "run/tcenv"))
    write_session_file(home / "run/tcenv", OLD_TOKEN)
    text = shell.write_init_text(clean, tmp_path)
    # xonsh takes a second to start, so `make test` tries a third of them.
    chosen = list(HOSTILE.items())[:: 3 if shell.name == "xonsh" and scale(3) == 1 else 1]
    for name, hostile in chosen:
        owned = tmp_path / "owned"
        env = dict(clean)
        env.update({key: value.replace("@", f"touch {owned}") for key, value in hostile.items()})
        env = {key: value for key, value in env.items() if value or key not in hostile}
        done = run_prompts(shell, text, tmp_path, env)
        assert not owned.exists(), f"{name}: {done.stdout}{done.stderr}"
        assert "\x1b]0;" not in done.stdout + done.stderr, name
        out = tmp_path / "out"
        assert out.exists(), f"{name}: {done.stdout}{done.stderr}"
        assert read_environment(out).get("TASKCLUSTER_ACCESS_TOKEN") in (OLD_TOKEN, "(", None), name
        assert not [line for line in done.stderr.splitlines() if not line.startswith(f"tcenv: {PROFILE}: ")], name
        out.unlink()
    record("hooks", len(chosen))


def edit(path: Path, old: str, new: str) -> None:
    """Replace a part of a file."""
    path.write_text(path.read_text().replace(old, new))


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def make_link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def give_away(path: Path, mode: int) -> None:
    """Give the file to another user."""
    os.chown(path, 1234, 1234)
    os.chmod(path, mode)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def write_commands(path: Path) -> None:
    edit(path, "RENEW=", "RENEW=a[$(touch owned)]")
    edit(path, "EXPIRES=", "EXPIRES=$(touch owned)")


# What another program makes of a session's file.
CHANGES: dict[str, Callable[[Path], object]] = {
    "a pipe": make_pipe,
    "a link": make_link,
    "a linked folder": lambda path: make_link(path.parent),
    "another user's file": lambda path: give_away(path, 0o644),
    "another user's folder": lambda path: give_away(path.parent, 0o777),
    "a folder": make_folder,
    "half a file": lambda path: path.write_text(path.read_text().rpartition("END=")[0]),
    "another deployment's": lambda path: edit(path, ROOT_URL, "https://evil.example.com"),
    "another profile's": lambda path: edit(path, f"TCENV_PROFILE={PROFILE}", "TCENV_PROFILE=q"),
    "times that are commands": write_commands,
    "no text": lambda path: path.write_bytes(b"\xff\xfe\x00" * 2000),
    "a session in a reset": lambda path: edit(path, "END=", "STATE=resetting\nEND="),
}


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
def test_no_file_is_loaded_that_tcenv_has_not_written(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """Such a file neither hangs a prompt nor ends the session of the shell."""
    assert os.geteuid() == 0, "the tests make files of another user"
    env = make_env(**make_loaded_variables(home / "run/tcenv"))
    text = shell.write_init_text(env, tmp_path)
    for name, change in CHANGES.items():
        run = home / "run"
        for left in sorted(run.rglob("*"), reverse=True):
            left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
        change(write_session_file(run / "tcenv", FOREIGN_TOKEN))
        run_prompts(shell, text, tmp_path, {**env, "TCENV_TIMEOUT": "1s"})
        assert (tmp_path / "out").exists(), name
        out = read_environment(tmp_path / "out")
        assert out.get("TASKCLUSTER_ACCESS_TOKEN") == OLD_TOKEN, name
        assert not (home / "owned").exists(), name
        (tmp_path / "out").unlink()


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
def test_a_hook_reads_only_the_store_that_the_session_came_from(shell: RealShell, tmp_path: Path, home: Path) -> None:
    """The environment or the configuration may name another store since."""
    runtime, state = home / "run/tcenv", home / ".local/state/tcenv"
    env = make_env(**make_loaded_variables(runtime))
    text = shell.write_init_text(env, tmp_path)
    state.mkdir(parents=True, mode=0o700)
    write_session_file(runtime, OLD_TOKEN)
    write_session_file(state / "sessions", FOREIGN_TOKEN)
    for more in ({"TCENV_STORE": "file"}, {"TCENV_STORE": "keyring"}, {"XDG_RUNTIME_DIR": str(home)}):
        run_prompts(shell, text, tmp_path, {**env, **more})
        assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OLD_TOKEN, more
    write_session_file(runtime, FOREIGN_TOKEN)
    run_prompts(shell, text, tmp_path, {**env, "TCENV_STORE": "file"})
    assert read_environment(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == FOREIGN_TOKEN
