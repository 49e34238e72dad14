"""Check that `tcenv profile list` shows the signed-in clients with every store, and when no index can be written."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from tcenv.sandbox import Sandbox
from tcenv.sessions.lock import hold_sign_in_lock
from tests.secret_service import run_secret_service
from tests.world import find_holder_process, find_session_file, login, make_env, read_session_fields, sign_in, tcenv


def list_signed_in(env: dict[str, str]) -> dict[str, bool]:
    """Return whether a session is listed, by root URL."""
    done = tcenv("profile", "list", "--json", env=env)
    assert done.returncode == 0, done.stderr
    return {row["root_url"]: row["signed_in"] for row in json.loads(done.stdout)["profiles"]}


def test_sessions_without_a_profile_are_listed_without_an_index(deployment: Sandbox, home: Path) -> None:
    (home / ".cache").write_text("not a directory")
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text('[profiles.x]\nroot_url = "https://x.example.com"\n')
    env = sign_in(deployment)
    assert list_signed_in(env) == {"https://x.example.com": False, deployment.root_url: True}
    assert list_signed_in({**env, "TCENV_STORE": "file"}) == {
        "https://x.example.com": False,
        deployment.root_url: False,
    }


def test_sessions_in_the_keyring_are_listed(deployment: Sandbox, home: Path) -> None:
    with run_secret_service(), Sandbox() as other:
        assert tcenv("profile", "set", "x", "--root-url", other.root_url, env=make_env()).returncode == 0
        for sandbox in (deployment, other):
            sign_in(sandbox, TCENV_STORE="keyring")
        assert list_signed_in(make_env(TCENV_STORE="keyring")) == {deployment.root_url: True, other.root_url: True}
        assert list_signed_in(make_env()) == {other.root_url: False, deployment.root_url: False}


def test_a_profile_with_capital_letters_is_listed(deployment: Sandbox, home: Path) -> None:
    """The session's file has another name than the profile."""
    assert tcenv("profile", "set", "CON-Work", "--root-url", deployment.root_url, env=make_env()).returncode == 0
    env = make_env(deployment)
    assert login(env, "CON-Work").returncode == 0
    assert list_signed_in(env) == {deployment.root_url: True}


def test_profiles_are_listed_when_the_store_cannot_be_used(home: Path) -> None:
    assert tcenv("profile", "set", "x", "--root-url", "https://x.example.com", env=make_env()).returncode == 0
    (home / "run").chmod(0o755)
    done = tcenv("profile", "list", env=make_env())
    assert (done.returncode, "https://x.example.com" in done.stdout, "XDG_RUNTIME_DIR" in done.stderr) == (
        0,
        True,
        True,
    )


def test_a_used_deployment_is_listed_and_a_sandbox_only_for_a_day(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert list_signed_in(env) == {deployment.root_url: False}
    (folder,) = (home / ".local/state/tcenv/clients").iterdir()
    far = folder.with_name("tc.example.com")
    far.mkdir(mode=0o700)
    for file in folder.iterdir():
        (far / file.name).write_text(file.read_text().replace(deployment.root_url, "https://tc.example.com"))
    before = sorted(str(path) for path in home.rglob("*"))
    long_ago = time.time() - 2 * 86400
    for each in (folder, far):
        os.utime(each, (long_ago, long_ago))
    assert list_signed_in(env) == {"https://tc.example.com": False}
    # The list deletes nothing.
    assert sorted(str(path) for path in home.rglob("*")) == before
    assert login(env).returncode == 0
    assert list_signed_in(env) == {deployment.root_url: True, "https://tc.example.com": False}


def complete_profiles(env: dict[str, str]) -> list[str]:
    return tcenv("--profiles", env=env).stdout.split()


def test_completion_offers_configured_and_recent_profiles(deployment: Sandbox, home: Path) -> None:
    """It offers the others if they have a live session or were used within 30 days. It makes no call."""
    env = sign_in(deployment)
    assert tcenv("profile", "set", "never", "--root-url", "https://x.example.com", env=env).returncode == 0
    key = f"http_localhost_{deployment.port}"
    folder = home / ".local/state/tcenv/clients" / key
    long_ago = time.time() - 31 * 86400
    os.utime(folder, (long_ago, long_ago))
    assert complete_profiles(env) == ["never", key]
    find_session_file(env).unlink()
    assert complete_profiles(env) == ["never"]
    os.utime(folder, (long_ago + 2 * 86400, long_ago + 2 * 86400))
    assert complete_profiles(env) == ["never", key]
    assert tcenv("profile", "set", "ours", "--root-url", deployment.root_url, env=env).returncode == 0
    assert complete_profiles(env) == ["never", "ours"]


def test_completion_does_not_offer_an_expired_session(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    for folder in (home / ".local/state/tcenv/clients").iterdir():
        os.utime(folder, (0, 0))
    assert complete_profiles(env) != []
    file = find_session_file(env)
    file.write_text(
        file.read_text().replace(f"TCENV_EXPIRES={read_session_fields(env)['TCENV_EXPIRES']}", "TCENV_EXPIRES=1")
    )
    assert complete_profiles(env) == []


def test_logout_all_forget_leaves_nothing(deployment: Sandbox, home: Path) -> None:
    with run_secret_service(), Sandbox() as other:
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


def test_logout_all_forget_keeps_files_in_use(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    with hold_sign_in_lock("busy", 5, lambda: None):
        done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
    assert done.returncode == 0
    assert f"In use, and not removed: {home}/run/tcenv/busy.lock" in done.stderr
    assert [path.name for path in (home / "run/tcenv").iterdir()] == ["busy.lock"]


def test_a_session_older_than_its_profile_is_listed(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    assert tcenv("profile", "set", "two", "--root-url", deployment.root_url, env=env).returncode == 0
    assert login(env, "two").returncode == 0
    rows = json.loads(tcenv("profile", "list", "--json", env=env).stdout)["profiles"]
    assert {row["client_id"] for row in rows if row["signed_in"]} == set(deployment.clients)
    assert len(rows) == 2


def test_logout_all_forget_reports_a_held_port(deployment: Sandbox, home: Path) -> None:
    """The sign-in got no answer, so its port stays taken while the page may be open."""
    env = make_env(deployment, BROWSER="true")
    assert login(env, "--timeout", "1s").returncode == 124
    assert find_holder_process(home / "run") is not None
    done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    assert "tcenv-ports, a process, still holds the port" in done.stderr
    assert "In use" not in done.stderr and "Removed what" not in done.stderr
    assert sorted(path.name for path in (home / "run/tcenv").iterdir()) == ["_ports.lock", "_ports.socket"]


def test_logout_all_forget_promises_no_later_deletion(home: Path) -> None:
    with Sandbox() as deployment:
        env = sign_in(deployment)
    done = tcenv("logout", "--all", "--forget", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    assert "The client could not be deleted" in done.stderr
    assert "The next sign-in deletes it" not in done.stderr


def test_profiles_keep_comments_and_errors_name_the_line(home: Path) -> None:
    env = make_env()
    config = home / ".config/tcenv/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('# mine\ndefault = "a"\n[profiles.a] # first\nroot_url = "https://a.example.com"\n')
    assert (
        tcenv("profile", "set", "b", "--root-url", "https://B.example.com/", "--scope", "x:*", env=env).returncode == 0
    )
    text = config.read_text()
    assert "# mine" in text
    assert "# first" in text
    listed = json.loads(tcenv("profile", "list", "--json", env=env).stdout)["profiles"]
    assert [(one["profile"], one["root_url"], one["default"], one["signed_in"]) for one in listed] == [
        ("a", "https://a.example.com", True, False),
        ("b", "https://b.example.com", False, False),
    ]
    assert tcenv("profile", "remove", "a", env=env).returncode == 0
    assert "default" not in config.read_text()
    for wrong, line, key in (
        ('[profiles.a]\nroot_url = "https://a.example.com"\nexpires = "soon"\n', 3, "expires"),
        ('[profiles.a]\nroot_url = "ftp://a"\n', 2, "root_url"),
        ('store = "cloud"\n', 1, "store"),
        ('[profiles.a]\nroot_url = "https://a.example.com"\nscope = ["a"]\n', 3, "scope"),
        ('default = "nobody"\n', 1, "default"),
    ):
        config.write_text(wrong)
        done = tcenv("env", "--shell", "sh", env=env)
        assert done.returncode == 2, wrong
        assert f"line {line}" in done.stderr
        assert key in done.stderr


def test_profile_list_shows_the_signed_in_clients(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    tcenv("profile", "set", "work", "--root-url", "https://tc.example.com", "--default", env=env)
    [work, bare] = json.loads(tcenv("profile", "list", "--json", env=env).stdout)["profiles"]
    assert (work["profile"], work["signed_in"], work["default"]) == ("work", False, True)
    assert (bare["root_url"], bare["signed_in"]) == (deployment.root_url, True)
    assert bare["client_id"] in deployment.clients
    lines = tcenv("profile", "list", env=env).stdout.splitlines()
    assert "not signed in" in lines[1]
    assert bare["client_id"] in lines[2] and "23 h 59 min" in lines[2]


def test_options_beat_variables_and_variables_beat_the_profile(home: Path, deployment: Sandbox) -> None:
    config = home / ".config/tcenv/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(
        f'default = "a"\nexpires = "2h"\n[profiles.a]\nroot_url = "{deployment.root_url}"\nexpires = "3h"\n'
    )

    def shown(**env: str) -> int:
        return int(json.loads(tcenv("profile", "show", "--json", env=make_env(**env)).stdout)["expires_in"])

    assert shown() == 3 * 3600
    assert shown(TCENV_LOGIN_EXPIRES="4h") == 4 * 3600
    assert login(make_env(TCENV_LOGIN_EXPIRES="4h"), "--expires", "5h").returncode == 0
    lifetime = int(read_session_fields(make_env())["TCENV_EXPIRES"]) - time.time()
    assert abs(lifetime - 5 * 3600) < 60
