"""`tcenv profile list` shows who is signed in where, whatever keeps the sessions and whatever can be written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tcenv.sandbox import Sandbox
from tcenv.sessions.lock import sign_in_lock
from tests.e2e.test_store_contract import secret_service
from tests.world import find_holder_process, find_session_file, make_env, read_session_fields, sign_in, tcenv


def listed(env: dict[str, str]) -> dict[str, bool]:
    """Whether somebody is signed in, by root URL."""
    done = tcenv("profile", "list", "--json", env=env)
    assert done.returncode == 0, done.stderr
    return {row["root_url"]: row["signed_in"] for row in json.loads(done.stdout)["profiles"]}


def test_sessions_without_a_profile_where_the_index_cannot_be_written(deployment: Sandbox, home: Path) -> None:
    (home / ".cache").write_text("not a directory")
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text('[profiles.x]\nroot_url = "https://x.example.com"\n')
    env = sign_in(deployment)
    assert listed(env) == {"https://x.example.com": False, deployment.root_url: True}
    assert listed({**env, "TCENV_STORE": "file"}) == {"https://x.example.com": False, deployment.root_url: False}


def test_sessions_in_the_keyring(deployment: Sandbox, home: Path) -> None:
    with secret_service(), Sandbox() as other:
        assert tcenv("profile", "set", "x", "--root-url", other.root_url, env=make_env()).returncode == 0
        for sandbox in (deployment, other):
            sign_in(sandbox, TCENV_STORE="keyring")
        assert listed(make_env(TCENV_STORE="keyring")) == {deployment.root_url: True, other.root_url: True}
        assert listed(make_env()) == {other.root_url: False, deployment.root_url: False}


def test_a_profile_with_capital_letters(deployment: Sandbox, home: Path) -> None:
    """Its session's file has another name than the profile."""
    assert tcenv("profile", "set", "CON-Work", "--root-url", deployment.root_url, env=make_env()).returncode == 0
    env = make_env(deployment)
    assert tcenv("login", "CON-Work", "--shell", "sh", env=env).returncode == 0
    assert listed(env) == {deployment.root_url: True}


def test_a_store_that_cannot_be_used_is_said_and_the_profiles_are_listed(home: Path) -> None:
    assert tcenv("profile", "set", "x", "--root-url", "https://x.example.com", env=make_env()).returncode == 0
    (home / "run").chmod(0o755)
    done = tcenv("profile", "list", env=make_env())
    assert (done.returncode, "https://x.example.com" in done.stdout, "XDG_RUNTIME_DIR" in done.stderr) == (
        0,
        True,
        True,
    )


def test_deployments_used_before_are_listed_and_a_sandbox_only_for_a_day(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert listed(env) == {deployment.root_url: False}
    (folder,) = (home / ".local/state/tcenv/clients").iterdir()
    far = folder.with_name("tc.example.com")
    far.mkdir(mode=0o700)
    for file in folder.iterdir():
        (far / file.name).write_text(file.read_text().replace(deployment.root_url, "https://tc.example.com"))
    before = sorted(str(path) for path in home.rglob("*"))
    long_ago = time.time() - 2 * 86400
    for each in (folder, far):
        os.utime(each, (long_ago, long_ago))
    assert listed(env) == {"https://tc.example.com": False}
    # Nothing is deleted by looking.
    assert sorted(str(path) for path in home.rglob("*")) == before
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    assert listed(env) == {deployment.root_url: True, "https://tc.example.com": False}


def completed(env: dict[str, str]) -> list[str]:
    return tcenv("--profiles", env=env).stdout.split()


def test_what_completes_a_profile(deployment: Sandbox, home: Path) -> None:
    """Every configured profile; of all others, those with a live session or used within 30 days. No call is made."""
    env = sign_in(deployment)
    assert tcenv("profile", "set", "never", "--root-url", "https://x.example.com", env=env).returncode == 0
    key = f"http_localhost_{deployment.port}"
    folder = home / ".local/state/tcenv/clients" / key
    long_ago = time.time() - 31 * 86400
    os.utime(folder, (long_ago, long_ago))
    assert completed(env) == ["never", key]
    find_session_file(env).unlink()
    assert completed(env) == ["never"]
    os.utime(folder, (long_ago + 2 * 86400, long_ago + 2 * 86400))
    assert completed(env) == ["never", key]
    # The deployment of a profile is offered once.
    assert tcenv("profile", "set", "ours", "--root-url", deployment.root_url, env=env).returncode == 0
    assert completed(env) == ["never", "ours"]


def test_an_expired_session_does_not_complete(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    for folder in (home / ".local/state/tcenv/clients").iterdir():
        os.utime(folder, (0, 0))
    assert completed(env) != []
    file = find_session_file(env)
    file.write_text(
        file.read_text().replace(f"TCENV_EXPIRES={read_session_fields(env)['TCENV_EXPIRES']}", "TCENV_EXPIRES=1")
    )
    assert completed(env) == []


def test_logout_of_all_that_forgets_leaves_nothing(deployment: Sandbox, home: Path) -> None:
    with secret_service(), Sandbox() as other:
        for store, sandbox in (("runtime", deployment), ("file", other), ("keyring", deployment)):
            sign_in(sandbox, TCENV_STORE=store)
        env = make_env(deployment)
        assert (
            tcenv("profile", "set", "x", "--root-url", other.root_url, "--name", "n-{machine}", env=env).returncode == 0
        )
        assert tcenv("profile", "show", "x", env=env).returncode == 0
        refused = tcenv("logout", "--forget", env=env)
        assert (refused.returncode, "tcenv logout --all --forget" in refused.stderr) == (2, True)
        done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
        assert done.returncode == 0, done.stderr
        assert "Removed what tcenv remembered" in done.stderr
        assert not deployment.clients and not other.clients
    left = [path for name in ("run", ".local/state", ".cache") for path in (home / name).glob("tcenv*")]
    assert left == []
    assert (home / ".config/tcenv/config.toml").is_file()


def test_what_a_running_tcenv_uses_stays(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    with sign_in_lock("busy", 5, lambda: None):
        done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
    assert done.returncode == 0
    assert f"In use, and not removed: {home}/run/tcenv/busy.lock" in done.stderr
    assert [path.name for path in (home / "run/tcenv").iterdir()] == ["busy.lock"]


def test_a_session_from_before_its_deployment_had_a_profile(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    assert tcenv("profile", "set", "two", "--root-url", deployment.root_url, env=env).returncode == 0
    assert tcenv("login", "two", "--shell", "sh", env=env).returncode == 0
    rows = json.loads(tcenv("profile", "list", "--json", env=env).stdout)["profiles"]
    assert {row["client_id"] for row in rows if row["signed_in"]} == set(deployment.clients)
    assert len(rows) == 2


def test_a_port_that_is_still_held_is_said(deployment: Sandbox, home: Path) -> None:
    """The sign-in got no answer, so its port stays taken while the page may be open."""
    env = make_env(deployment, BROWSER="true")
    assert tcenv("login", "--timeout", "1s", "--shell", "sh", env=env).returncode == 124
    assert find_holder_process(home / "run") is not None
    done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    assert "tcenv-ports, a process, still holds the port" in done.stderr
    assert "In use" not in done.stderr and "Removed what" not in done.stderr
    assert sorted(path.name for path in (home / "run/tcenv").iterdir()) == ["_ports.lock", "_ports.socket"]


def test_what_is_forgotten_is_not_promised(home: Path) -> None:
    with Sandbox() as deployment:
        env = sign_in(deployment)
    done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    assert "The client could not be deleted" in done.stderr
    assert "The next sign-in deletes it" not in done.stderr
