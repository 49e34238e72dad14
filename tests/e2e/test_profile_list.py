"""`tcenv profile list` shows who is signed in where, whatever keeps the sessions and whatever can be written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.e2e.test_store_contract import secret_service
from tests.world import environ, signed_in, tcenv


@pytest.fixture
def deployment() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def listed(env: dict[str, str]) -> dict[str, bool]:
    """Whether somebody is signed in, by root URL."""
    done = tcenv("profile", "list", "--json", env=env)
    assert done.returncode == 0, done.stderr
    return {row["root_url"]: row["signed_in"] for row in json.loads(done.stdout)["profiles"]}


def test_sessions_without_a_profile_where_the_index_cannot_be_written(deployment: Sandbox, home: Path) -> None:
    (home / ".cache").write_text("not a directory")
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text('[profiles.x]\nroot_url = "https://x.example.com"\n')
    env = signed_in(deployment)
    assert listed(env) == {"https://x.example.com": False, deployment.root_url: True}
    assert listed({**env, "TCENV_STORE": "file"}) == {"https://x.example.com": False}


def test_sessions_in_the_keyring(deployment: Sandbox, home: Path) -> None:
    with secret_service(), Sandbox() as other:
        assert tcenv("profile", "set", "x", "--root-url", other.root_url, env=environ()).returncode == 0
        for sandbox in (deployment, other):
            signed_in(sandbox, TCENV_STORE="keyring")
        assert listed(environ(TCENV_STORE="keyring")) == {deployment.root_url: True, other.root_url: True}
        assert listed(environ()) == {other.root_url: False}


def test_a_store_that_cannot_be_used_is_said_and_the_profiles_are_listed(home: Path) -> None:
    assert tcenv("profile", "set", "x", "--root-url", "https://x.example.com", env=environ()).returncode == 0
    (home / "run").chmod(0o755)
    done = tcenv("profile", "list", env=environ())
    assert (done.returncode, "https://x.example.com" in done.stdout, "XDG_RUNTIME_DIR" in done.stderr) == (
        0,
        True,
        True,
    )
