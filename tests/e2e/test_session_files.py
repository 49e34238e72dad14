"""Check the files and the keyring in which sessions are stored, whole or damaged, in safe places and unsafe ones."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tcenv.deployment.credentials import Credentials
from tcenv.errors import StoreError
from tcenv.sandbox import Sandbox
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.session import RESETTING, Session
from tcenv.sessions.stores import open_store
from tests.programs import require, run_program
from tests.reliability.record import record, scale
from tests.world import NAME, TCENV, find_session_file, login, make_env, sign_in, tcenv


def test_a_thousand_kills_leave_no_torn_session(tmp_path: Path) -> None:
    """SIGKILL ends the writer at any moment. A reader sees the old session or the new one."""
    from tcenv.sessions.directory_store import DirectoryStore

    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    chance = random.Random(4)
    kills = 0
    seen = set()
    count = max(100, scale(1000))
    while kills < count:
        # A fork writes until it is killed. Starting an interpreter each time would be slow.
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
        # Every second fork writes at least once.
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
def test_a_damaged_session_counts_as_none(content: bytes, deployment: Sandbox) -> None:
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


def test_the_stores_file_and_none_work(deployment: Sandbox, home: Path) -> None:
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


def test_the_keyring_store_works_with_a_real_secret_service(deployment: Sandbox, home: Path) -> None:
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
    done = run_program(require("dbus-run-session"), "--", "sh", "-c", script, env=env, cwd=home)
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


ROOT = "https://tc.example.com"


def session(*, state: str = "") -> Session:
    credentials = Credentials("someone/tcenv", "t" * 44)
    return Session("p", ROOT, credentials, 1, 2**33, "tcenv", ("a:b", "c:*"), ("a:b",), state)


@pytest.mark.parametrize("state", ["", RESETTING])
def test_a_truncated_session_file_is_damaged(state: str) -> None:
    whole = session(state=state).encode()
    for length in range(len(whole)):
        with pytest.raises(sessionfile.Damaged):
            sessionfile.decode(whole[:length])
    for more in (b"\n", b"x", b"SCOPE=d\n", b"END=\n", whole):
        with pytest.raises(sessionfile.Damaged):
            sessionfile.decode(whole + more)
    lines = whole.splitlines(keepends=True)
    for number in range(len(lines)):
        if not lines[number].startswith((b"ASKED=", b"STATE=")):
            with pytest.raises(sessionfile.Damaged):
                sessionfile.decode(b"".join(lines[:number] + lines[number + 1 :]))
    for key in (b"TCENV_EXPIRES", b"RENEW", b"CREATED"):
        with pytest.raises(sessionfile.Damaged):
            sessionfile.decode(whole.replace(key + b"=", key + b"=-"))


def test_only_whole_sessions_are_listed(tmp_path: Path) -> None:
    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    assert store.list_profiles() == []
    store.save(session())
    for name in (".session", ".p.session", ".q.session.1.tmp", "p.lock", "p"):
        (tmp_path / "tcenv" / name).write_bytes(b"")
    assert store.list_profiles() == ["p"]


def test_each_token_has_its_own_generation(tmp_path: Path) -> None:
    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    assert store.read_generation("p") is None
    generations = set()
    for letter in "abc":
        saved = session()
        store.save(replace(saved, credentials=replace(saved.credentials, access_token=letter * 44)))
        generations.add(store.read_generation("p"))
        store.save(replace(store.load("p"), state="resetting"))  # type: ignore[arg-type, type-var]
        generations.add(store.read_generation("p"))
    assert None not in generations and len(generations) == 3
    # A session whose client was deleted has another generation than every shell.
    store.save(store.load("p").mark_ended())  # type: ignore[union-attr]
    assert store.read_generation("p") not in generations


def test_an_open_directory_is_not_used_as_a_store(home: Path) -> None:
    directory = Path(make_env()["XDG_RUNTIME_DIR"]) / "tcenv"
    directory.mkdir()
    directory.chmod(0o755)
    with pytest.raises(StoreError, match="open to other"):
        open_store("runtime")
    directory.chmod(0o700)
    assert open_store("runtime").name == "runtime"


def test_thousands_of_scopes_can_be_stored(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    path = find_session_file(env)
    head, _, tail = path.read_text().partition("\nSCOPES=")
    asked = tail[tail.index("\nASKED=") :]
    scopes = [f"queue:scheduler-id:{'x' * 200}{n}" for n in range(12_000)]
    path.write_text(f"{head}\nSCOPES={len(scopes)}\n" + "\n".join(f"SCOPE={scope}" for scope in scopes) + asked)
    assert path.stat().st_size > 2 << 20
    done = tcenv("env", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    assert len(tcenv("status", "--json", "--offline", env=env).stdout) > 2 << 20


def test_an_unreadable_session_is_an_error(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    path = find_session_file(env)
    path.unlink()
    path.mkdir()
    for words in (("env", "--shell", "sh"), ("status",), ("login", "--shell", "sh"), ("logout", "--shell", "sh")):
        done = tcenv(*words, env=env)
        assert done.returncode == 1, words
        assert "inside tcenv" not in done.stderr, words
        assert "runtime store" in done.stderr


def test_the_next_write_removes_the_file_of_a_killed_writer(deployment: Sandbox) -> None:
    env = make_env(deployment)
    folder = Path(env["XDG_RUNTIME_DIR"]) / "tcenv"
    folder.mkdir(mode=0o700)
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = folder / f".other.session.{ended.pid}.0123456789ab.tmp"
    left.write_text("TASKCLUSTER_ACCESS_TOKEN=x")
    at_work = folder / f".more.session.{os.getpid()}.0123456789ab.tmp"
    at_work.write_text("half")
    assert login(env).returncode == 0
    assert not left.exists()
    assert at_work.exists()
