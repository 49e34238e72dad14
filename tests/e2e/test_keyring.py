"""Check the keyring store. Only the token is in the keyring, in two items that are used alternately, so an interruption
leaves a whole session. The keyring of these tests replaces an item as macOS does: it deletes it, then adds it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import secretstorage
from keyring.backend import KeyringBackend
from keyring.errors import PasswordDeleteError

from tcenv import files
from tcenv.errors import StoreError
from tcenv.sandbox import Sandbox
from tcenv.sessions import directory_store, keyring_store
from tcenv.sessions.keyring_store import KeyringStore
from tcenv.sessions.session import Session
from tests.e2e.test_store_contract import SESSION
from tests.fake_clock import FakeClock
from tests.imported_modules import list_modules
from tests.secret_service import run_secret_service
from tests.shells.interactive import WITH_CLOCK, is_unloaded, start_shell
from tests.shells.real import HOOKED, read_environment
from tests.world import evaluate, login, make_env, tcenv

OLD = SESSION
NEW = replace(SESSION, credentials=replace(SESSION.credentials, access_token="B" * 44))


class FileKeyring(KeyringBackend):
    """A keyring that stores items as files. It calls `step` before each change."""

    priority = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.step: Callable[[], None] = lambda: None
        folder.mkdir(exist_ok=True)

    def get_password(self, service: str, username: str) -> str | None:
        path = self.folder / username
        return path.read_text() if path.exists() else None

    def set_password(self, service: str, username: str, password: str) -> None:
        assert len(password) < 200
        self.step()
        (self.folder / username).unlink(missing_ok=True)
        self.step()
        (self.folder / username).write_text(password)

    def delete_password(self, service: str, username: str) -> None:
        self.step()
        if not (self.folder / username).exists():
            raise PasswordDeleteError
        (self.folder / username).unlink()

    def items(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def keyring(home: Path) -> FileKeyring:
    return FileKeyring(home / "items")


def kill_at_step(number: int, keyring: FileKeyring, work: Callable[[KeyringStore], object]) -> bool:
    """Kill a process that does `work` at its step `number`. Return whether it came to that step."""
    process = os.fork()
    if process == 0:
        left = [number]

        def step() -> None:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        def stepping(path: str, data: bytes, **more: bool) -> None:
            step()
            files.write_privately(path, data, **more)

        keyring.step = step
        keyring_store.write_privately = directory_store.write_privately = stepping  # type: ignore[attr-defined]
        try:
            work(KeyringStore(keyring))
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


@pytest.mark.parametrize("before", [None, OLD])
def test_a_save_killed_at_any_step_leaves_a_whole_session(
    before: Session | None, keyring: FileKeyring, home: Path
) -> None:
    steps = 0
    while True:
        store = KeyringStore(keyring)
        store.forget("work")
        if before is not None:
            store.save(before)
        was_killed = kill_at_step(steps, keyring, lambda store: store.save(NEW))
        found = KeyringStore(keyring).load("work")
        assert found in ((before, NEW) if was_killed else (NEW,)), steps
        # The next write removes the remains of an interruption. `logout` and `logout --all` do the same.
        store.save(OLD)
        assert (len(keyring.items()), store.load("work")) == (1, OLD)
        kill_at_step(steps, keyring, lambda store: store.save(NEW))
        store.forget("work")
        store.clear()
        assert keyring.items() == []
        assert store.list_profiles() == []
        if not was_killed:
            break
        steps += 1
    assert steps >= 4


def test_a_logout_killed_at_any_step_can_be_finished(keyring: FileKeyring) -> None:
    for steps in range(10):
        store = KeyringStore(keyring)
        store.save(NEW)
        was_killed = kill_at_step(steps, keyring, lambda store: store.forget("work"))
        assert store.load("work") in (None, NEW)
        # `logout --all` finds the remains.
        assert KeyringStore.is_used() or not was_killed
        for name in store.list_profiles():
            store.forget(name)
        store.clear()
        assert keyring.items() == []
        if not was_killed:
            return
    pytest.fail("a logout has more steps than that")


def test_the_file_holds_everything_except_the_token(keyring: FileKeyring, home: Path) -> None:
    store = KeyringStore(keyring)
    store.save(replace(OLD, scopes=tuple(f"queue:scope-{number}:*" for number in range(500))))
    path = Path(store.get_path("work"))
    assert OLD.credentials.access_token not in path.read_text()
    assert path.read_text().startswith(f"GENERATION={OLD.generation}\n")
    assert store.read_generation("work") == OLD.generation
    store.save(NEW)
    assert store.read_generation("work") == NEW.generation != OLD.generation


def test_a_reader_tries_again_during_a_renewal(keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file names an item that is gone when the store asks for it. The store then reads the file again."""
    store = KeyringStore(keyring)
    store.save(OLD)
    asked = []

    def renewed_meanwhile(service: str, username: str) -> str | None:
        asked.append(username)
        if len(asked) == 1:
            KeyringStore(FileKeyring(keyring.folder)).save(NEW)
        return FileKeyring.get_password(keyring, service, username)

    monkeypatch.setattr(keyring, "get_password", renewed_meanwhile)
    assert KeyringStore(keyring).load("work") == NEW
    assert len(asked) == 2
    # An item of another generation does not count. After three attempts there is no session.
    for path in keyring.folder.iterdir():
        path.write_text("another token")
    assert KeyringStore(keyring).load("work") is None
    assert len(asked) == 5


def test_a_failing_keyring_is_one_sentence(keyring: FileKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store = KeyringStore(keyring)
    store.save(OLD)

    def refuse(service: str, username: str) -> str:
        raise RuntimeError(OLD.credentials.access_token)

    monkeypatch.setattr(keyring, "get_password", refuse)
    with pytest.raises(StoreError, match="RuntimeError") as failure:
        store.load("work")
    assert OLD.credentials.access_token not in str(failure.value)


def test_open_shells_follow_a_renewal_the_end_and_a_logout(home: Path, deployment: Sandbox) -> None:
    """A prompt hook compares the file and has tcenv fetch the token from a real Secret Service."""
    with run_secret_service():
        env = make_env(deployment, TCENV_STORE="keyring")
        assert login(env).returncode == 0
        now = evaluate("env", env=env)
        assert "/tcenv/keyring/" in now["TCENV_LOADED"]
        assert login(env, "--reset").returncode == 0
        for shell in HOOKED:
            text = shell.make_source(shell.write_init_text(env, home))
            done = shell.run_lines(text, shell.hook, shell.make_dump(home / "out"), env=now)
            found = read_environment(home / "out")
            assert found["TASKCLUSTER_ACCESS_TOKEN"] != now["TASKCLUSTER_ACCESS_TOKEN"], (shell.name, done.stderr)
        ended = {**evaluate("env", env=env), "TCENV_EXPIRES": str(int(time.time()) - 60)}
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
        for shell in HOOKED:
            for before in (now, ended) if shell.name in WITH_CLOCK else (now,):
                text = shell.make_source(shell.write_init_text(env, home))
                shell.run_lines(text, shell.hook, shell.make_dump(home / "out"), env=before)
                assert "TASKCLUSTER_ACCESS_TOKEN" not in read_environment(home / "out"), shell.name
        assert not list((home / ".local/state/tcenv/keyring").glob("*.items"))


# This shell's prompt is tested in a terminal. The others are those of HOOKED.
IN_A_TERMINAL = "powershell"


def test_an_open_terminal_follows_a_renewal_a_logout_and_the_end(deployment: Sandbox, tmp_path: Path) -> None:
    with run_secret_service():
        env = make_env(deployment, TCENV_STORE="keyring")
        assert login(env).returncode == 0
        clock = FakeClock(tmp_path)
        with start_shell(IN_A_TERMINAL, tmp_path, evaluate("env", env=env), clock=clock) as terminal:
            first = terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"]
            assert login(env, "--reset").returncode == 0
            terminal.press("Enter")
            assert terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"] != first
            assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
            terminal.press("Enter")
            terminal.wait_for("signed out elsewhere")
            assert is_unloaded(terminal.read_environment(), env)
            assert login(env).returncode == 0
            terminal.type("tcenv env")
            assert terminal.read_environment()["TASKCLUSTER_ACCESS_TOKEN"]
            clock.advance(25 * 3600)
            terminal.press("Enter")
            terminal.wait_for("has expired")
            assert is_unloaded(terminal.read_environment(), env)


def test_a_locked_keyring_is_not_asked_to_unlock(home: Path, deployment: Sandbox) -> None:
    """The hook and direnv print one line and change nothing."""
    with run_secret_service():
        env = make_env(deployment, TCENV_STORE="keyring")
        assert login(env).returncode == 0
        now = evaluate("env", env=env)
        assert login(env, "--reset").returncode == 0
        connection = secretstorage.dbus_init()
        secretstorage.Collection(connection).lock()
        connection.close()
        for words in (["hook", "bash"], ["hook", "bash", "--for-directory"]):
            done = tcenv(*words, env=now, timeout=60)
            assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
            assert "locked" in done.stderr


# The modules that `env` may load: those of the hot path, and the library's part for D-Bus.
_BY_DBUS = 80


def test_env_loads_nothing_but_dbus_and_searches_for_no_backend(home: Path, deployment: Sandbox) -> None:
    """A search for backends takes ten times as long as the interpreter."""
    with run_secret_service():
        env = make_env(deployment, TCENV_STORE="keyring", TCENV_SHELL="bash")
        assert login(env).returncode == 0
        shown = tcenv("env", env=env).stdout
        for words in (["env"], ["login"], ["exec", "--", "true"], ["env", "--scope", "queue:get-task:x"]):
            loaded = list_modules(*words, env=env)
            found = {name.partition(".")[0] for name in loaded}
            assert "jeepney" in found, words
            assert not found & {"keyring", "secretstorage", "cryptography", "importlib", "asyncio", "typer"}, words
            assert len(loaded) <= _BY_DBUS, (words, sorted(loaded))
        assert tcenv("env", "--shell", "bash", env=env | {"TCENV_TIMEOUT": "00020s"}).stdout == shown
        # A prompt does not ask the keyring if the shell has loaded the session.
        loaded = list_modules("hook", "bash", env=evaluate("env", env=env))
        assert "jeepney" not in {name.partition(".")[0] for name in loaded}


def test_a_configured_backend_is_used(home: Path, deployment: Sandbox) -> None:
    with run_secret_service():
        env = make_env(deployment, TCENV_STORE="keyring", TCENV_SHELL="bash")
        assert login(env).returncode == 0
        shown = tcenv("env", env=env).stdout
        ours = env | {"PYTHON_KEYRING_BACKEND": "keyring.backends.SecretService.Keyring"}
        assert tcenv("env", env=ours).stdout == shown
        assert "keyring" in list_modules("env", env=ours)
        # Without a bus, the search for a backend runs again and fails.
        nobody = env | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/nothing"}
        done = tcenv("env", env=nobody)
        assert (done.returncode, done.stdout) == (1, "\\false;\n"), done.stderr
        assert "Traceback" not in done.stderr


def test_offline_reports_need_no_keyring(home: Path) -> None:
    with run_secret_service(), Sandbox() as deployment:
        env = make_env(deployment, TCENV_STORE="keyring")
        assert login(env).returncode == 0
    nobody = env | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={home}/nothing"}
    for words in (["status", "--offline"], ["profile", "list"], ["--profiles"]):
        done = tcenv(*words, env=nobody)
        assert (done.returncode, done.stderr) == (0, ""), words
        assert done.stdout
