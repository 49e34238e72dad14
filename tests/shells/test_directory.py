"""A directory's deployment: a walk with real direnv, two deployments, and another profile loaded outside."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sessions.stores import open_store
from tests.programs import require
from tests.terminal import Terminal
from tests.world import VARIABLES, find_session_file, make_env, read_session_fields, tcenv

SHELLS = {
    "bash": ("bash --noprofile --rcfile {}", '{}\neval "$(direnv hook bash)"\nPS1="> "'),
    "zsh": ("zsh -d", '{}\neval "$(direnv hook zsh)"\nPS1="> "'),
    "fish": ("fish --no-config --init-command", "{}\ndirenv hook fish | source"),
}


@pytest.fixture
def work() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def fx() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def project(work: Sandbox, fx: Sandbox, home: Path) -> Path:
    """A directory whose profile is `fx`; `work` is the default, and signed in to."""
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", work.root_url, "--default", env=env).returncode == 0
    assert tcenv("profile", "set", "fx", "--root-url", fx.root_url, env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    assert tcenv("login", "work", "--shell", "sh", env=env).returncode == 0
    folder = home / "project"
    folder.mkdir()
    allow(folder, "use taskcluster fx\n")
    return folder


def allow(folder: Path, text: str) -> None:
    (folder / ".envrc").write_text(text)
    subprocess.run([require("direnv"), "allow", str(folder)], env=make_env(), check=True, capture_output=True)


def start(shell: str, folder: Path, home: Path) -> Terminal:
    env = make_env(DIRENV_LOG_FORMAT="direnv: %s")
    line, rc = SHELLS[shell]
    text = tcenv("init", shell, "--no-completion", env=env).stdout
    path = home / (".zshrc" if shell == "zsh" else "rc")
    path.write_text(rc.format(text) + "\n")
    words = line.format(path).split()
    more = [f"source {path}"] if shell == "fish" else []
    return Terminal([require(words[0]), *words[1:], *more], env, folder)


def until(terminal: Terminal, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """The environment at the first prompt at which it is as it is to be."""
    end = time.monotonic() + 60
    while True:
        found = {name: value for name, value in terminal.read_environment().items() if name in VARIABLES}
        if holds(found):
            return found
        assert time.monotonic() < end, f"{found}\n{terminal.read_screen()}"


@pytest.mark.parametrize("shell", SHELLS)
def test_a_walk(shell: str, project: Path, work: Sandbox, fx: Sandbox, tmp_path: Path, home: Path) -> None:
    env = make_env()
    selected = {"TASKCLUSTER_ROOT_URL": fx.root_url, "TCENV_PROFILE": "fx"}

    def token(profile: str) -> str:
        return read_session_fields(env, profile)["TASKCLUSTER_ACCESS_TOKEN"]

    def has(profile: str) -> Callable[[dict[str, str]], bool]:
        return lambda found: (
            found.get("TCENV_PROFILE") == profile and found.get("TASKCLUSTER_ACCESS_TOKEN") == token(profile)
        )

    with start(shell, tmp_path, home) as terminal:
        terminal.read_environment()
        terminal.type("tcenv env work")
        outside = until(terminal, has("work"))
        # Nobody has signed in to fx: it is meant all the same, and nothing of work is left.
        terminal.type(f"cd {project}")
        assert until(terminal, lambda found: found == selected)
        terminal.wait_for("Not signed in to fx")
        # A bare login signs in to it, and a bare logout signs out of it alone.
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        until(terminal, has("fx"))
        assert (fx.approvals, work.approvals) == (1, 1)
        terminal.type("tcenv logout")
        assert until(terminal, lambda found: found == selected)
        assert find_session_file(env, "work").exists()
        # A login elsewhere is followed, and a reset, and a logout.
        assert tcenv("login", "fx", "--shell", "sh", env=env).returncode == 0
        until(terminal, has("fx"))
        assert tcenv("login", "fx", "--reset", "--shell", "sh", env=env).returncode == 0
        until(terminal, has("fx"))
        assert tcenv("logout", "fx", "--shell", "sh", env=env).returncode == 0
        assert until(terminal, lambda found: found == selected)
        # The end of a session leaves the directory's profile selected.
        assert tcenv("login", "fx", "--shell", "sh", env=env).returncode == 0
        store = open_store("runtime")
        session = store.load("fx")
        assert session is not None
        now = int(time.time())
        store.save(replace(session, created=now - 3600, expires=now + 6))
        assert until(terminal, lambda found: found == selected)
        # Outside, the shell has its former session, renewed meanwhile.
        assert tcenv("login", "work", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.type("cd /")
        after = until(terminal, has("work"))
        same = ("TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TCENV_PROFILE")
        assert [after[name] for name in same] == [outside[name] for name in same]


@pytest.mark.parametrize("shell", ["bash"])
def test_a_name_that_nobody_knows(shell: str, project: Path, work: Sandbox, tmp_path: Path, home: Path) -> None:
    allow(project, "use taskcluster nope\nexport AFTER=1\n")
    with start(shell, tmp_path, home) as terminal:
        terminal.read_environment()
        terminal.type("tcenv env work")
        terminal.type(f"cd {project}")
        until(terminal, lambda found: found == {"TCENV_PROFILE": "nope"})
        terminal.wait_for("There is no profile 'nope'. Known: work, fx")
        for line in ("status", "env", "login", "exec -- true", "logout", "scopes"):
            terminal.type(f"tcenv {line}; echo {line.split()[0]}=$?.")
            terminal.wait_for(f"\n{line.split()[0]}=2.")
        terminal.type("cd /")
        until(terminal, lambda found: found.get("TCENV_PROFILE") == "work" and "TASKCLUSTER_ACCESS_TOKEN" in found)
    assert work.approvals == 1


def test_required_fails_the_envrc(project: Path) -> None:
    for name in ("fx", "nope"):
        allow(project, f"use taskcluster {name} --required\nexport AFTER=1\n")
        done = subprocess.run(
            [require("direnv"), "exec", str(project), "env"], env=make_env(), capture_output=True, text=True, timeout=60
        )
        assert "AFTER=1" not in done.stdout, done.stderr
