"""Prompt hooks among enemies: whatever the environment holds and whatever lies where sessions are kept, nothing is evaluated,
nothing hangs, and no neighbour's credentials are taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reliability.record import record, scale
from tests.shells.child import environment_after
from tests.shells.hooks import HOOKED, PROMPTED, Prompted, loaded, start_up_text, stored
from tests.world import make_env

ROOT = "https://tc.example.com"
PROFILE = "tc.example.com"
OWN, FOREIGN = "o" * 44, "f" * 44
names = [shell.name for shell in PROMPTED]

# variable -> value, with @ for a command that leaves a file behind. Each is one hostile environment.
HOSTILE: dict[str, dict[str, str]] = {
    # An empty text stands for a variable that is not there.
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
    "a former root URL that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT} a - $(@)", "TCENV_EXPIRES": "1000"},
    "a former profile that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT} a - $(@)=`@`", "TCENV_EXPIRES": "1000"},
    "a generation that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT} a[$(@)] /tmp/`@`/{PROFILE}.session -"},
    "a file that is a command": {"TCENV_LOADED": f"{PROFILE} {ROOT} a /$(@)`@`; @/{PROFILE}.session -"},
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


def prompts(shell: Prompted, text: Path, folder: Path, count: int = 2) -> str:
    """A script that reads the start-up text, prompts, and writes the environment of a child."""
    steps = [shell.script(text), *([shell.hook] * count if shell.hook else []), shell.dump(folder / "out", folder)]
    if shell.name == "tcsh":
        # An alias counts from the next line on.
        steps = [step if step != "precmd" else "eval precmd" for step in steps]
    return "\n".join(steps)


@pytest.mark.parametrize("shell", PROMPTED, ids=names)
def test_no_variable_is_believed(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """Twenty environments that somebody else has made: no command in them is run, at the start or at a prompt."""
    assert len(HOSTILE) >= 20
    clean = make_env(**loaded(home / "run/tcenv", PROFILE, ROOT, OWN))
    stored(home / "run/tcenv", PROFILE, ROOT, OWN)
    text = start_up_text(shell, clean, tmp_path)
    # Where a start takes a second, `make test` tries a third of them.
    chosen = list(HOSTILE.items())[:: 3 if shell.name == "xonsh" and scale(3) == 1 else 1]
    for name, hostile in chosen:
        owned = tmp_path / "owned"
        env = dict(clean)
        env.update({key: value.replace("@", f"touch {owned}") for key, value in hostile.items()})
        env = {key: value for key, value in env.items() if value or key not in hostile}
        done = shell.run(prompts(shell, text, tmp_path), env)
        assert not owned.exists(), f"{name}: {done.stdout}{done.stderr}"
        assert "\x1b]0;" not in done.stdout + done.stderr, name
        out = tmp_path / "out"
        assert out.exists(), f"{name}: {done.stdout}{done.stderr}"
        assert environment_after(out).get("TASKCLUSTER_ACCESS_TOKEN") in (OWN, "(", None), name
        assert not [line for line in done.stderr.splitlines() if not line.startswith(f"tcenv: {PROFILE}: ")], name
        out.unlink()
    record("hooks", len(chosen))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".real"))
    path.symlink_to(path.with_suffix(".real"))


def _linked_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.symlink_to(path.parent.with_name("elsewhere"))


def _neighbours(path: Path) -> None:
    os.chown(path, 1234, 1234)
    os.chmod(path, 0o644)


def _neighbours_folder(path: Path) -> None:
    os.chown(path.parent, 1234, 1234)
    os.chmod(path.parent, 0o777)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _half(path: Path) -> None:
    path.write_text(path.read_text().rpartition("END=")[0])


def _other_deployment(path: Path) -> None:
    path.write_text(path.read_text().replace(ROOT, "https://evil.example.com"))


def _other_profile(path: Path) -> None:
    path.write_text(path.read_text().replace(f"TCENV_PROFILE={PROFILE}", "TCENV_PROFILE=q"))


def _commands(path: Path) -> None:
    path.write_text(
        path.read_text().replace("RENEW=", "RENEW=a[$(touch owned)]").replace("EXPIRES=", "EXPIRES=$(touch owned)")
    )


def _unreadable(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00" * 2000)


def _being_reset(path: Path) -> None:
    path.write_text(path.read_text().replace("END=", "STATE=resetting\nEND="))


MADE: dict[str, Callable[[Path], None]] = {
    "a pipe": _pipe,
    "a link": _link,
    "a linked folder": _linked_folder,
    "a neighbour's file": _neighbours,
    "a neighbour's folder": _neighbours_folder,
    "a folder": _folder,
    "half a file": _half,
    "another deployment's": _other_deployment,
    "another profile's": _other_profile,
    "times that are commands": _commands,
    "no text": _unreadable,
    "one that is being reset": _being_reset,
}


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
def test_no_file_is_believed_that_tcenv_has_not_written(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """What another has put where sessions are kept neither hangs a prompt nor is loaded, and signs nobody out."""
    assert os.geteuid() == 0, "the tests make files of another user"
    env = make_env(**loaded(home / "run/tcenv", PROFILE, ROOT, OWN))
    text = start_up_text(shell, env, tmp_path)
    for name, make in MADE.items():
        run = home / "run"
        for left in sorted(run.rglob("*"), reverse=True):
            left.rmdir() if left.is_dir() and not left.is_symlink() else left.unlink()
        make(stored(run / "tcenv", PROFILE, ROOT, FOREIGN))
        shell.run(prompts(shell, text, tmp_path), {**env, "TCENV_TIMEOUT": "1s"})
        out = environment_after(tmp_path / "out")
        assert out.get("TASKCLUSTER_ACCESS_TOKEN") == OWN, name
        assert not (home / "owned").exists(), name
        (tmp_path / "out").unlink()


@pytest.mark.parametrize("shell", HOOKED, ids=[shell.name for shell in HOOKED])
def test_only_where_the_session_was_loaded_from(shell: Prompted, tmp_path: Path, home: Path) -> None:
    """Another store may have come into use since, here or in the configuration: this shell's session is where it was."""
    runtime, state = home / "run/tcenv", home / ".local/state/tcenv"
    env = make_env(**loaded(runtime, PROFILE, ROOT, OWN))
    text = start_up_text(shell, env, tmp_path)
    state.mkdir(parents=True, mode=0o700)
    stored(runtime, PROFILE, ROOT, OWN)
    stored(state / "sessions", PROFILE, ROOT, FOREIGN)
    for more in ({"TCENV_STORE": "file"}, {"TCENV_STORE": "keyring"}, {"XDG_RUNTIME_DIR": str(home)}):
        shell.run(prompts(shell, text, tmp_path), {**env, **more})
        assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == OWN, more
    stored(runtime, PROFILE, ROOT, FOREIGN)
    shell.run(prompts(shell, text, tmp_path), {**env, "TCENV_STORE": "file"})
    assert environment_after(tmp_path / "out")["TASKCLUSTER_ACCESS_TOKEN"] == FOREIGN
