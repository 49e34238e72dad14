"""Run many commands at once: every change of a file is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pexpect
import pytest

from tcenv.config import index
from tcenv.deployment.credentials import Credentials
from tcenv.files import hold_lock, rewrite, write_privately
from tcenv.sandbox import Sandbox
from tcenv.sessions import known_clients
from tcenv.sessions.keyring_store import KeyringStore
from tcenv.sessions.known_clients import KnownClient
from tcenv.sessions.session import Session
from tests.login_process import start_login
from tests.portholder import list_descriptors, wait_until
from tests.programs import require, run_program
from tests.world import NAME, TCENV, login, make_env, tcenv

ROOT_URL = "https://tc.example.com"


def run_at_once(functions: list[Callable[[], object]]) -> None:
    """Run the functions in threads that start together. The test fails if one raises."""
    gate = threading.Barrier(len(functions))
    failures: list[BaseException] = []

    def run(function: Callable[[], object]) -> None:
        gate.wait()
        try:
            function()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_simultaneous_changes_of_the_configuration_are_all_kept(home: Path) -> None:
    file = home / ".config/tcenv/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        "# mine\n" + "".join(f'[profiles.old{n}]\nroot_url = "https://old{n}.example.com"\n' for n in range(6))
    )
    commands = [
        *(["profile", "set", f"new{n}", "--root-url", f"https://new{n}.example.com"] for n in range(7)),
        *(["purpose", "set", f"for{n}", "--scope", f"queue:get-task:{n}"] for n in range(7)),
        *(["profile", "remove", f"old{n}"] for n in range(6)),
    ]
    running = [
        subprocess.Popen([TCENV, *words], env=make_env(), stderr=subprocess.PIPE, text=True) for words in commands
    ]
    for process in running:
        assert process.wait(timeout=100) == 0, process.communicate()[1]
    text = file.read_text()
    content = tomllib.loads(text)
    assert sorted(content["profiles"]) == [f"new{n}" for n in range(7)]
    assert sorted(content["purposes"]) == [f"for{n}" for n in range(7)]
    assert text.startswith("# mine\n")
    assert tcenv("profile", "list", env=make_env()).returncode == 0
    known = index.read()
    assert known is not None
    assert sorted(known.list_names()) == sorted(content["profiles"])


def test_a_change_waits_for_the_one_before_it(home: Path) -> None:
    with hold_lock(str(home / ".config/tcenv/config.toml")):
        waiting = subprocess.Popen(
            [TCENV, "profile", "set", "work", "--root-url", ROOT_URL], env=make_env(), stderr=subprocess.PIPE, text=True
        )
        held = os.path.realpath(*(home / ".local/state/tcenv/locks").iterdir())
        wait_until(lambda: held in list_descriptors(waiting.pid).values())
        assert waiting.poll() is None
        assert not (home / ".config/tcenv/config.toml").exists()
    assert waiting.wait(timeout=60) == 0, waiting.communicate()[1]


def test_clients_are_remembered_and_forgotten_from_threads() -> None:
    end = int(time.time()) + 86400
    clients = [KnownClient(f"n{n}", f"u/n{n}", end, f"asked{n % 3}") for n in range(24)]
    for client in clients[:12]:
        known_clients.remember(ROOT_URL, client)
    run_at_once(
        [
            *(lambda client=client: known_clients.forget(ROOT_URL, client.client_id) for client in clients[:12]),
            *(lambda client=client: known_clients.remember(ROOT_URL, client) for client in clients[12:]),
        ]
    )
    assert {client.client_id for client in known_clients.list_clients(ROOT_URL)} == {f"u/n{n}" for n in range(12, 24)}


class Backend:
    """A keyring in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def set_password(self, service: str, name: str, value: str) -> None:
        self.kept[name] = value

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get(name)

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[name]


def test_threads_keep_the_list_of_keyring_sessions_whole(home: Path) -> None:
    backend: Any = Backend()

    def sign_in(number: int) -> Callable[[], object]:
        session = Session(
            profile=f"p{number}",
            root_url=ROOT_URL,
            credentials=Credentials("u/n", "A" * 44),
            created=1_700_000_000,
            expires=1_700_086_400,
            name="n",
            scopes=("a:b",),
        )
        return lambda: KeyringStore(backend).save(session)

    run_at_once([sign_in(number) for number in range(16)])
    assert KeyringStore(backend).list_profiles() == sorted(f"p{number}" for number in range(16))
    run_at_once([lambda number=number: KeyringStore(backend).forget(f"p{number}") for number in range(15)])  # type: ignore[misc]
    assert KeyringStore(backend).list_profiles() == ["p15"]


def test_threads_of_one_process_write_one_file(home: Path) -> None:
    """Each process has its own temporary file, and no such file is left."""
    path = home / "private/file"
    contents = [bytes([65 + number]) * 100_000 for number in range(16)]
    run_at_once([lambda content=content: write_privately(str(path), content) for content in contents])  # type: ignore[misc]
    assert path.read_bytes() in contents
    assert os.listdir(path.parent) == ["file"]


def test_a_file_that_changed_meanwhile_is_not_overwritten(home: Path) -> None:
    path = home / "file"
    path.write_bytes(b"one")
    assert not rewrite(str(path), b"two", before=b"none")
    assert path.read_bytes() == b"one"
    assert rewrite(str(path), b"two", before=b"one")
    assert [name for name in os.listdir(home) if "file" in name] == ["file"]
    assert path.read_bytes() == b"two"


def test_a_change_of_the_start_up_file_during_the_question_is_kept(home: Path) -> None:
    file = home / ".bashrc"
    file.write_text("# mine\n")
    child = pexpect.spawn(
        TCENV, ["init", "bash", "--install"], env=make_env(), encoding="utf-8", timeout=60, dimensions=(24, 300)
    )
    child.expect_exact("Write that?")
    file.write_text("# mine\nexport OTHER=1\n")
    child.sendline("y")
    child.expect_exact("has changed in the meantime")
    child.expect_exact("Write that?")
    child.sendline("y")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    text = file.read_text()
    assert text.startswith("# mine\nexport OTHER=1\n")
    assert text.count("tcenv init --install") == 1


def test_a_long_start_up_file_takes_no_time(home: Path) -> None:
    """It has sixty thousand lines. Comparing each with all others would take minutes."""
    file = home / ".bashrc"
    text = "".join(f"alias a{number}='b{number}'\n" for number in range(60_000))
    file.write_text(text)
    file.chmod(0o600)
    done = tcenv("init", "bash", "--install", "--yes", env=make_env())
    assert done.returncode == 0, done.stderr
    assert len(done.stderr.splitlines()) < 10
    assert file.read_text().startswith(text)
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("mask", "mode"), [("022", 0o644), ("077", 0o600), ("002", 0o664)])
def test_a_new_start_up_file_has_the_mode_of_the_umask(mask: str, mode: int, home: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", f"umask {mask}; exec {TCENV} init bash --install --yes"], env=make_env(), capture_output=True
    )
    assert done.returncode == 0
    assert (home / ".bashrc").stat().st_mode & 0o777 == mode


def test_the_direnv_library_on_a_disk_that_takes_nothing(home: Path) -> None:
    full = run_program("sh", "-c", f"ulimit -f 0; exec {TCENV} direnv --install", env=make_env())
    assert (full.returncode, full.stdout) == (1, "")
    assert "tcenv.sh cannot be written: File too large." in full.stderr
    assert "inside tcenv" not in full.stderr
    assert list((home / ".config/direnv/lib").iterdir()) == []
    nowhere = tcenv("direnv", "--install", env=make_env(DIRENV_CONFIG="/dev/null/direnv"))
    assert (nowhere.returncode, "cannot be written: Not a directory" in nowhere.stderr) == (1, True)
    (home / ".config/direnv/lib/tcenv.sh").mkdir()
    stays = tcenv("direnv", "--uninstall", env=make_env())
    assert (stays.returncode, "cannot be removed: Is a directory" in stays.stderr) == (1, True)


def test_twenty_logins_at_once_open_one_browser(deployment: Sandbox) -> None:
    slow = (
        f"{sys.executable} -c 'import sys; from tcenv.sandbox.approve import approve; approve(sys.argv[1], wait=2)' %s"
    )
    env = make_env(deployment, BROWSER=slow)
    script = 'eval "$(tcenv login)" && printf "%s" "$TASKCLUSTER_CLIENT_ID $TASKCLUSTER_ACCESS_TOKEN $TCENV_EXPIRES"'
    shells = ["bash", "zsh", "dash", "mksh"]
    with ThreadPoolExecutor(20) as pool:
        outputs = list(
            pool.map(
                lambda n: run_program(require(shells[n % 4]), "-c", script, env=env).stdout,
                range(20),
            )
        )
    assert len(set(outputs)) == 1
    assert outputs[0].startswith(f"{deployment.user}/{NAME} ")
    assert deployment.approvals == 1


def test_another_login_takes_over_when_the_first_is_killed(deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    leader, _ = start_login(env)
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
    waiting, _ = start_login(make_env(deployment))
    with Sandbox() as other:
        assert login(make_env(other)).returncode == 0
    waiting.send_signal(signal.SIGINT)
    waiting.communicate(timeout=60)


@pytest.mark.parametrize("what", ["link", "directory"])
def test_an_invalid_lock_file_is_an_error(what: str, deployment: Sandbox) -> None:
    env = make_env(deployment)
    lock = Path(env["XDG_RUNTIME_DIR"]) / f"tcenv/http_localhost_{deployment.port}.lock"
    lock.parent.mkdir(mode=0o700)
    if what == "link":
        lock.symlink_to("/etc/passwd")
    else:
        lock.mkdir()
    done = login(env)
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    assert str(lock) in done.stderr
    assert "inside tcenv" not in done.stderr
