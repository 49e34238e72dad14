"""Sign in once: stores, single flight, reset, the same client every day, profiles."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tcenv as library
from tcenv.api import NotSignedIn
from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.reliability.record import record, scale
from tests.world import APPROVE, NAME, TCENV, find_session_file, make_env, read_session_fields, sign_in, tcenv

DAY = 86400


def login(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return tcenv("login", "--shell", "sh", *arguments, env=env)


def test_twenty_logins_at_once_ask_once(deployment: Sandbox) -> None:
    slow = (
        f"{sys.executable} -c 'import sys; from tcenv.sandbox.approve import approve; approve(sys.argv[1], wait=2)' %s"
    )
    env = make_env(deployment, BROWSER=slow)
    script = 'eval "$(tcenv login)" && printf "%s" "$TASKCLUSTER_CLIENT_ID $TASKCLUSTER_ACCESS_TOKEN $TCENV_EXPIRES"'
    shells = ["bash", "zsh", "dash", "mksh"]
    with ThreadPoolExecutor(20) as pool:
        outputs = list(
            pool.map(
                lambda n: (
                    subprocess.run(
                        [require(shells[n % 4]), "-c", script], env=env, capture_output=True, text=True, timeout=60
                    ).stdout
                ),
                range(20),
            )
        )
    assert len(set(outputs)) == 1
    assert outputs[0].startswith(f"{deployment.user}/{NAME} ")
    assert deployment.approvals == 1


def test_another_takes_over_when_the_leader_is_killed(deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    leader = subprocess.Popen(
        [TCENV, "login", "--shell", "sh"],
        env={**env, "BROWSER": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert leader.stderr is not None
    while "http://" not in leader.stderr.readline():
        pass
    others = [
        subprocess.Popen(
            [TCENV, "login", "--shell", "sh"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for other in others:
        assert other.stderr is not None
        assert "Another tcenv is signing in" in other.stderr.readline()
    leader.send_signal(signal.SIGKILL)
    leader.communicate()
    outputs = {other.communicate(timeout=60)[0] for other in others}
    assert len(outputs) == 1
    assert "TASKCLUSTER_ACCESS_TOKEN" in outputs.pop()
    assert deployment.approvals == 1


@pytest.mark.signals
def test_deployments_do_not_wait_for_each_other(deployment: Sandbox) -> None:
    env = make_env(deployment)
    waiting = subprocess.Popen(
        [TCENV, "login", "--shell", "sh"],
        env={**env, "BROWSER": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert waiting.stderr is not None
    while "http://" not in waiting.stderr.readline():
        pass
    with Sandbox() as other:
        assert login(make_env(other)).returncode == 0
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)


def test_reset_by_api_needs_no_browser_and_kills_the_old_token(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    before = read_session_fields(env)
    done = login({**env, "BROWSER": "false"}, "--reset", "--expires", "3d")
    assert done.returncode == 0, done.stderr
    after = read_session_fields(env)
    assert after["TASKCLUSTER_CLIENT_ID"] == before["TASKCLUSTER_CLIENT_ID"]
    assert after["TASKCLUSTER_ACCESS_TOKEN"] != before["TASKCLUSTER_ACCESS_TOKEN"]
    assert int(after["TCENV_EXPIRES"]) > int(before["TCENV_EXPIRES"]) + DAY
    client = deployment.clients[after["TASKCLUSTER_CLIENT_ID"]]
    assert client.access_token == after["TASKCLUSTER_ACCESS_TOKEN"]
    assert client.delete_on_expiration
    assert deployment.approvals == 1


def test_reset_without_the_scopes_asks_the_browser_for_the_next_name(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(env).returncode == 0
    done = login(env, "--reset")
    assert done.returncode == 0, done.stderr
    # The prefix is known by now, so this session may end the former client, and has.
    assert sorted(deployment.clients) == [f"{deployment.user}/{NAME}@2"]
    assert f"{NAME}@2" in done.stderr
    assert "Deleted the former client" in done.stderr
    assert login(env, "--reset").returncode == 0
    assert sorted(deployment.clients) == [f"{deployment.user}/{NAME}"]
    assert read_session_fields(env)["NAME"] == NAME


def test_a_name_that_the_user_insists_on_is_not_altered(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    tcenv("logout", "--keep-client", "--shell", "sh", env=env)
    done = login(env, "--name", NAME, "--timeout", "2s")
    assert done.returncode == 124
    assert "taken" in done.stderr
    assert list(deployment.clients) == [f"{deployment.user}/{NAME}"]


def test_an_edited_client_id_is_taken_and_remembered(deployment: Sandbox) -> None:
    deployment.create_client(f"{deployment.user}/{NAME}")
    edit = (
        f"{sys.executable} -c 'import sys; from tcenv.sandbox.approve import approve;"
        f' approve(sys.argv[1], rename="{deployment.user}/laptop")\' %s'
    )
    env = make_env(deployment, BROWSER=edit)
    assert login(env).returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/laptop"
    tcenv("logout", "--delete-client", "--shell", "sh", env=env)
    # Now the name that worked is asked for by itself.
    assert login({**env, "BROWSER": APPROVE}).returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"].startswith(f"{deployment.user}/")


def test_a_thousand_kills_leave_no_torn_session(tmp_path: Path) -> None:
    """After a KILL of the writer at any moment, a reader sees a whole session, the old one or the new one."""
    from tcenv.sessions.directory_store import DirectoryStore

    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    chance = random.Random(4)
    kills = 0
    seen = set()
    count = max(100, scale(1000))
    while kills < count:
        # A process group of forks, each of which writes until it is killed: starting an interpreter is the slow part.
        reading, writing = os.pipe()
        parent = os.fork()
        if parent == 0:
            try:
                from tcenv.deployment.credentials import Credentials
                from tcenv.sessions.session import Session

                n = kills * 1000
                while True:
                    n += 1
                    token = f"{n:044d}"
                    scopes = tuple(f"scope:{token}:{i}" for i in range(50))
                    credentials = Credentials("c/" + token, token)
                    store.save(Session("p", "https://tc.example.com", credentials, 1, 2**33, "tcenv", scopes))
                    os.write(writing, b"x")
            finally:
                os._exit(0)
        # Every second one is killed after it has written at least once.
        if kills % 2:
            os.read(reading, 1)
        time.sleep(chance.uniform(0.0, 0.006))
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        os.close(reading)
        os.close(writing)
        kills += 1
        session = store.load("p")
        if session is not None:
            token = session.credentials.access_token
            assert session.credentials.client_id == "c/" + token
            assert session.scopes == tuple(f"scope:{token}:{i}" for i in range(50))
            seen.add(token)
    assert len(seen) >= count // 2
    record("kills", kills)


@pytest.mark.parametrize(
    "content",
    [b"", b"TASKCLUSTER_ACCESS_TOKEN=x\n", b"\xff\xfe", b"END=tcenv-session-1\n" * 20, b"A" * 100_000],
    ids=["empty", "half", "binary", "foreign", "long"],
)
def test_a_damaged_session_counts_as_none_and_is_said_so(content: bytes, deployment: Sandbox) -> None:
    env = sign_in(deployment)
    find_session_file(env).write_bytes(content)
    shown = tcenv("env", "--shell", "sh", env=env)
    assert shown.returncode == 3
    assert "damaged" in shown.stderr
    assert "Traceback" not in shown.stderr
    deployment.delete(f"{deployment.user}/{NAME}")
    assert login(env).returncode == 0


@pytest.mark.parametrize("attack", ["open", "link", "file link", "readable file", "owner"])
def test_an_unsafe_store_is_refused_with_the_reason(attack: str, deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    folder, path = find_session_file(env).parent, find_session_file(env)
    if attack == "open":
        folder.chmod(0o755)
    elif attack == "link":
        folder.rename(home / "moved")
        folder.symlink_to(home / "moved")
    elif attack == "file link":
        path.rename(home / "moved")
        path.symlink_to(home / "moved")
    elif attack == "owner":
        if os.geteuid() != 0:
            pytest.skip("only root can give a directory away")
        os.chown(folder, 65534, 65534)
    else:
        path.chmod(0o644)
    done = tcenv("env", "--shell", "sh", env=env)
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    reason = "symbolic link" if "link" in attack else "another user" if attack == "owner" else "open to other users"
    assert reason in done.stderr


def test_a_session_is_never_offered_for_another_root_url(deployment: Sandbox) -> None:
    env = make_env()
    with Sandbox() as other:
        assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, "--default", env=env).returncode == 0
        assert login(env).returncode == 0
        assert tcenv("profile", "set", "work", "--root-url", other.root_url, env=env).returncode == 0
        moved = tcenv("env", "--shell", "sh", env=env)
        assert (moved.returncode, moved.stdout) == (3, "\\false;\n")
        assert not [request for request in other.requests if request.client_id]


def test_stores(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment, TCENV_STORE="file")
    assert login(env).returncode == 0
    assert list((home / ".local/state/tcenv/sessions").glob("*.session"))
    assert tcenv("env", "--shell", "sh", env=env).returncode == 0
    nothing = make_env(deployment, TCENV_STORE="none")
    done = login(nothing)
    assert done.returncode == 0
    assert "TASKCLUSTER_ACCESS_TOKEN" in done.stdout
    missing = tcenv("env", "--shell", "sh", env=nothing)
    assert missing.returncode == 3
    assert "TCENV_STORE=file" in missing.stderr


def test_the_keyring_store_in_a_real_secret_service(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment, TCENV_STORE="keyring")
    script = f"""
    printf '\\n' | {require("gnome-keyring-daemon")} --unlock --components=secrets >/dev/null 2>&1
    {TCENV} login --shell sh > first || exit 1
    {TCENV} login --shell sh > second || exit 2
    cmp first second || exit 3
    {TCENV} status --json --offline > status || exit 4
    {TCENV} logout --all --shell sh || exit 5
    {TCENV} env --shell sh; test $? = 3 || exit 6
    """
    done = subprocess.run(
        [require("dbus-run-session"), "--", "sh", "-c", script],
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        cwd=home,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((home / "status").read_text())["store"] == "keyring"
    assert deployment.approvals == 1
    token = next(line for line in (home / "first").read_text().splitlines() if "ACCESS_TOKEN='" in line).split("'")[1]
    leaks = [
        path
        for path in home.rglob("*")
        if path.is_file() and path.name not in ("first", "second") and token in path.read_text(errors="replace")
    ]
    assert leaks == []


def test_status_tells_the_truth(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    good = json.loads(tcenv("status", "--json", env=env).stdout)
    assert (good["signed_in"], good["verified"], good["client_id"]) == (True, True, f"{deployment.user}/{NAME}")
    assert (good["loaded"], good["shell"]) == (False, "no")
    human = tcenv("status", env=env)
    assert (human.returncode, human.stderr) == (0, "")
    assert f"client: {deployment.user}/{NAME}\n" in human.stdout
    deployment.clock_offset = 3 * 3600
    skewed = json.loads(tcenv("status", "--json", env=env).stdout)
    assert skewed["problem"].startswith("clock")
    deployment.clock_offset = 0
    deployment.disable(f"{deployment.user}/{NAME}")
    disabled = tcenv("status", "--json", env=env)
    assert disabled.returncode == 3
    assert json.loads(disabled.stdout)["problem"].startswith("disabled")
    assert tcenv("status", env=env).returncode == 3
    # What the deployment rejects for good is not handed out again: the next login asks the browser.
    assert login(env).returncode == 0
    assert deployment.approvals == 2


def test_status_offline_needs_no_network() -> None:
    with Sandbox() as sandbox:
        env = sign_in(sandbox)
    done = tcenv("status", "--offline", "--json", env=env)
    assert done.returncode == 0
    assert json.loads(done.stdout)["verified"] is False
    gone = json.loads(tcenv("status", "--json", env=env).stdout)
    assert gone["problem"].startswith("not verified")


def test_logout_delete_client_and_all(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    done = tcenv("logout", "--delete-client", "--shell", "sh", env=env)
    assert done.returncode == 0
    assert not deployment.clients
    with Sandbox() as other:
        sign_in(deployment)
        sign_in(other)
        assert tcenv("logout", "--all", "--shell", "sh", env=env).returncode == 0
    assert not list(find_session_file(env, "x").parent.glob("*.session"))


def test_an_expiring_session_is_renewed_and_a_live_one_is_not() -> None:
    with Sandbox() as sandbox:
        # A user of the same time.
        env = make_env(sandbox, BROWSER=APPROVE)
        now = int(time.time())
        for offset, approvals in ((0, 1), (49 * 60, 1), (55 * 60, 2)):
            sandbox.clock_offset = offset
            done = subprocess.run(
                [require("faketime"), f"@{now + offset}", TCENV, "login", "--shell", "sh", "--expires", "1h"],
                env=env,
                capture_output=True,
                text=True,
                timeout=60,
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, done.stderr
            assert sandbox.approvals == approvals


def test_profiles_keep_comments_and_name_what_is_wrong(home: Path) -> None:
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


def test_profile_list_tells_who_is_signed_in_where(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    tcenv("profile", "set", "work", "--root-url", "https://tc.example.com", "--default", env=env)
    [work, bare] = json.loads(tcenv("profile", "list", "--json", env=env).stdout)["profiles"]
    assert (work["profile"], work["signed_in"], work["default"]) == ("work", False, True)
    assert (bare["root_url"], bare["signed_in"]) == (deployment.root_url, True)
    assert bare["client_id"] in deployment.clients
    lines = tcenv("profile", "list", env=env).stdout.splitlines()
    assert "not signed in" in lines[1]
    assert bare["client_id"] in lines[2] and "23 h 59 min" in lines[2]


def test_precedence(home: Path, deployment: Sandbox) -> None:
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


def test_the_python_interface(deployment: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    import taskcluster

    monkeypatch.setenv("TASKCLUSTER_ROOT_URL", deployment.root_url)
    with pytest.raises(NotSignedIn):
        library.credentials()
    sign_in(deployment)
    options = library.credentials()
    assert options["rootUrl"] == deployment.root_url
    assert taskcluster.Auth(options).currentScopes()["scopes"]
    # The client library has spoilt the dictionary that it was given; the next call gives another.
    assert isinstance(library.credentials()["credentials"]["accessToken"], str)
