"""A directory selects its profile by the real direnv, while the shell outside has another profile loaded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sessions.stores import open_store
from tests.shells.direnv import DIRENV_HOOKS, run_in_directory, start_shell_with_direnv, write_envrc
from tests.terminal import Terminal
from tests.world import VARIABLES, find_session_file, make_env, make_init_text, read_session_fields, tcenv


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
    """Make a directory whose profile is `fx`. The default profile is `work`, and the user has signed in to it."""
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", work.root_url, "--default", env=env).returncode == 0
    assert tcenv("profile", "set", "fx", "--root-url", fx.root_url, env=env).returncode == 0
    assert tcenv("direnv", "--install", env=env).returncode == 0
    assert tcenv("login", "work", "--shell", "sh", env=env).returncode == 0
    write_envrc(home / "project", "use taskcluster fx\n")
    return home / "project"


def start_shell(shell: str, folder: Path) -> Terminal:
    """Run an interactive shell with the text of `tcenv init` and direnv's hook."""
    env = make_env(DIRENV_LOG_FORMAT="direnv: %s")
    return start_shell_with_direnv(shell, folder, env, make_init_text(shell, "--no-completion", env=env))


def wait_until(terminal: Terminal, holds: Callable[[dict[str, str]], bool]) -> dict[str, str]:
    """Return tcenv's variables at the first prompt at which `holds` is true of them."""
    end = time.monotonic() + 60
    while True:
        found = {name: value for name, value in terminal.read_environment().items() if name in VARIABLES}
        if holds(found):
            return found
        assert time.monotonic() < end, f"{found}\n{terminal.read_screen()}"


@pytest.mark.parametrize("shell", DIRENV_HOOKS)
def test_a_shell_follows_its_directory_and_other_terminals(
    shell: str, project: Path, work: Sandbox, fx: Sandbox, tmp_path: Path
) -> None:
    env = make_env()
    selected = {"TASKCLUSTER_ROOT_URL": fx.root_url, "TCENV_PROFILE": "fx"}

    def has(profile: str) -> Callable[[dict[str, str]], bool]:
        return lambda found: (
            found.get("TCENV_PROFILE") == profile
            and found.get("TASKCLUSTER_ACCESS_TOKEN") == read_session_fields(env, profile)["TASKCLUSTER_ACCESS_TOKEN"]
        )

    with start_shell(shell, tmp_path) as terminal:
        terminal.read_environment()
        terminal.type("tcenv env work")
        outside = wait_until(terminal, has("work"))
        # The directory selects fx, to which nobody has signed in, and nothing of work is left.
        terminal.type(f"cd {project}")
        assert wait_until(terminal, lambda found: found == selected)
        terminal.wait_for("Not signed in to fx")
        # A bare login signs in to it, and a bare logout signs out of it alone.
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        wait_until(terminal, has("fx"))
        assert (fx.approvals, work.approvals) == (1, 1)
        terminal.type("tcenv logout")
        assert wait_until(terminal, lambda found: found == selected)
        assert find_session_file(env, "work").exists()
        # The shell follows a login, a reset and a logout in another terminal.
        assert tcenv("login", "fx", "--shell", "sh", env=env).returncode == 0
        wait_until(terminal, has("fx"))
        assert tcenv("login", "fx", "--reset", "--shell", "sh", env=env).returncode == 0
        wait_until(terminal, has("fx"))
        assert tcenv("logout", "fx", "--shell", "sh", env=env).returncode == 0
        assert wait_until(terminal, lambda found: found == selected)
        # The end of a session leaves the directory's profile selected.
        assert tcenv("login", "fx", "--shell", "sh", env=env).returncode == 0
        store = open_store("runtime")
        session = store.load("fx")
        assert session is not None
        now = int(time.time())
        store.save(replace(session, created=now - 3600, expires=now + 6))
        assert wait_until(terminal, lambda found: found == selected)
        # Outside, the shell has its former session, which was reset in between.
        assert tcenv("login", "work", "--reset", "--shell", "sh", env=env).returncode == 0
        terminal.type("cd /")
        after = wait_until(terminal, has("work"))
        same = ("TASKCLUSTER_ROOT_URL", "TASKCLUSTER_CLIENT_ID", "TCENV_PROFILE")
        assert [after[name] for name in same] == [outside[name] for name in same]


def test_an_unknown_profile_is_an_error_of_each_command(project: Path, work: Sandbox, tmp_path: Path) -> None:
    write_envrc(project, "use taskcluster nope\nexport AFTER=1\n")
    with start_shell("bash", tmp_path) as terminal:
        terminal.read_environment()
        terminal.type("tcenv env work")
        terminal.type(f"cd {project}")
        wait_until(terminal, lambda found: found == {"TCENV_PROFILE": "nope"})
        terminal.wait_for("There is no profile 'nope'. Known: work, fx")
        for line in ("status", "env", "login", "exec -- true", "logout", "scopes"):
            terminal.type(f"tcenv {line}; echo {line.split()[0]}=$?.")
            terminal.wait_for(f"\n{line.split()[0]}=2.")
        terminal.type("cd /")
        wait_until(terminal, lambda found: found.get("TCENV_PROFILE") == "work" and "TASKCLUSTER_ACCESS_TOKEN" in found)
    assert work.approvals == 1


def test_required_fails_the_envrc(project: Path) -> None:
    for name in ("fx", "nope"):
        write_envrc(project, f"use taskcluster {name} --required\nexport AFTER=1\n")
        done = run_in_directory(project, "env", env=make_env())
        assert "AFTER=1" not in done.stdout, done.stderr
