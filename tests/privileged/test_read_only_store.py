"""If a store cannot be changed, tcenv does not delete a client whose token stays in it."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.world import TCENV, find_session_file, make_env, sign_in, tcenv

_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def run_read_only(folder: Path, *words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run tcenv with `folder` mounted read-only."""
    command = [require("unshare"), "-Urm", "sh", "-c", _READ_ONLY, str(folder), TCENV, *words]
    return subprocess.run(command, env=dict(env), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


@pytest.mark.parametrize("option", ["", "--delete-client", "--all"])
@pytest.mark.parametrize("store", ["runtime", "file"])
def test_logout_deletes_no_client_whose_session_stays(store: str, option: str, deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment, TCENV_STORE=store)
    folder = home / ("run" if store == "runtime" else ".local")
    (file,) = folder.rglob("*.session")
    before = file.read_text()
    words = ["logout", "--shell", "sh", *([option] if option else [])]
    done = run_read_only(folder, *words, env=env)
    assert (done.returncode, done.stdout) == (1, "\\false;\n"), done.stderr
    assert f"The {store} store cannot be used: Read-only file system." in done.stderr
    assert "chmod" not in done.stderr
    assert "is still signed in, and its client was not deleted" in done.stderr
    assert "Deleted" not in done.stderr and "Signed out" not in done.stderr
    assert file.read_text() == before
    assert len(deployment.clients) == 1
    # The next login returns the session, which works.
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    assert tcenv("status", env=env).returncode == 0
    assert tcenv(*words, env=env).returncode == 0
    assert not deployment.clients
    assert not list(folder.rglob("*.session"))


def test_one_store_that_cannot_be_changed_keeps_no_other_session(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment, TCENV_STORE="file")
    with Sandbox() as other:
        sign_in(other)
        done = run_read_only(home / ".local", "logout", "--all", "--shell", "sh", env=env)
        assert done.returncode == 1
        assert f"Signed out of {other.root_url}" in done.stderr
        assert not other.clients
    assert len(deployment.clients) == 1


def test_a_failed_deletion_of_the_client_leaves_the_session(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    before = find_session_file(env).read_text()
    deployment.fail("hang-up")
    done = tcenv("logout", "--delete-client", "--shell", "sh", env=env)
    assert done.returncode == 1
    assert find_session_file(env).read_text() == before
    deployment.heal()
    assert tcenv("status", env=env).returncode == 0


@pytest.mark.parametrize("words", ["profile set a --root-url https://a.example.com", "purpose set p --scope queue:*"])
def test_a_configuration_that_cannot_be_written_is_no_usage_error(words: str, home: Path) -> None:
    (home / ".config").mkdir(exist_ok=True)
    done = run_read_only(home / ".config", *words.split(), env=make_env())
    assert done.returncode == 1
    assert f"{home}/.config/tcenv/config.toml cannot be written: Read-only file system." in done.stderr
