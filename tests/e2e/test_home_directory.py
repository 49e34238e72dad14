"""Run tcenv with a home directory that is relative or read-only, and with pipes in place of its files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import TCENV, make_env, sign_in, tcenv

HOMELESS = (
    ("login",), ("env",), ("logout",), ("status",), ("exec", "--", "true"), ("shell",), ("scopes",), ("doctor",),
    ("direnv", "--install"), ("init", "bash", "--install", "--yes"), ("init", "fish", "--install", "--yes"),
    ("init", "nu", "--install", "--yes"), ("profile", "list"), ("profile", "show"),
    ("profile", "set", "a", "--root-url", "https://a.example.com"), ("purpose", "list"),
    ("purpose", "set", "p", "--scope", "a"), ("proxy",), ("signin",), ("login", "--reset"),
    ("exec", "--proxy", "--", "true"),
)  # fmt: skip


@pytest.mark.parametrize("wrong", ["~", "relative", ".", ""])
def test_a_relative_home_is_refused(wrong: str, deployment: Sandbox, home: Path) -> None:
    """The files there, below the current directory or the root, may belong to somebody else."""
    for folder in (home / wrong / ".config/tcenv", home / ".config/tcenv"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(f'browser = "touch {home}/run-by-tcenv %s"\ndefault = "evil"\n')
    before = sorted(home.rglob("*"))
    env = {k: v for k, v in make_env(deployment).items() if not k.startswith("XDG_") or k == "XDG_RUNTIME_DIR"}
    del env["BROWSER"]
    # Each command gets one of the values. The commands of every shell get all.
    turn = ["~", "relative", ".", ""].index(wrong)
    for words in {*HOMELESS[turn::4], ("login",), ("env",)}:
        done = tcenv(*words, env={**env, "HOME": wrong})
        assert done.returncode == (1 if words == ("doctor",) else 2), (words, done)
        assert "Your home directory is not known." in done.stdout + done.stderr, words
        assert sorted(home.rglob("*")) == before, words


def test_a_read_only_home_works(deployment: Sandbox, home: Path) -> None:
    """The home is mounted read-only, as in a container. tcenv remembers nothing, and everything works."""
    mounted = home / "ro"
    mounted.mkdir()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        mounted.chmod(0o500)
        wrapped = []
    else:
        wrapped = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o ro none {mounted} && exec "$@"', "sh"]
    env = {k: v for k, v in make_env(deployment).items() if not k.startswith("XDG_") or k == "XDG_RUNTIME_DIR"}
    env["HOME"] = str(mounted)
    for words in (["login", "--shell", "sh"], ["env", "--shell", "sh"], ["status"], ["logout", "--shell", "sh"]):
        done = run_program(*wrapped, "tcenv", *words, env=env)
        assert done.returncode == 0, (words, done.stderr)
        assert "inside tcenv" not in done.stderr
    wrong = run_program(*wrapped, "tcenv", "profile", "set", "a", "--root-url", "https://a.example.com", env=env)
    assert wrong.returncode != 0
    assert "config.toml" in wrong.stderr
    assert "inside tcenv" not in wrong.stderr


@pytest.mark.parametrize("place", ["config.toml", "index", "clients"])
def test_a_pipe_in_place_of_a_file_blocks_no_command(place: str, home: Path, deployment: Sandbox) -> None:
    """Only the user can make one there, perhaps by accident. A prompt must not hang on it."""
    env = sign_in(deployment)
    state = Path(env["HOME"]) / ".local/state/tcenv"
    config = Path(env["HOME"]) / ".config/tcenv/config.toml"
    index = Path(env["HOME"]) / ".cache/tcenv/profiles.index"
    path = {"config.toml": config, "index": index, "clients": next(state.rglob("clients/**/*.json"))}[place]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for words in (
        ["status", "--offline"],
        ["profile", "list"],
        ["init", "bash"],
        ["env", "--shell", "sh"],
        ["doctor"],
    ):
        done = run_program(TCENV, *words, env=env)
        assert "inside tcenv" not in done.stderr
        if place == "config.toml" and words[0] in ("profile", "doctor"):
            assert "config.toml: it is a pipe, not a file" in done.stdout + done.stderr
