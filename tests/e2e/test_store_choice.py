"""Choose a store without a login manager, and work without any store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv import paths
from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.world import NAME, login, make_env, tcenv


@pytest.fixture
def su_environment(deployment: Sandbox, shared_memory: Path) -> Iterator[dict[str, str]]:
    """Return the environment of `su -`, where no variable names a runtime directory and the machine has none for the user."""
    env = make_env(deployment)
    del env["XDG_RUNTIME_DIR"]
    assert not Path(f"/run/user/{os.geteuid()}").is_dir(), "this test is for a machine without a login manager"
    yield env
    key = f"http_localhost_{deployment.port}"
    for path in shared_memory.glob(f"*{key}*"):
        path.unlink()


def test_one_sign_in_serves_every_shell_of_the_machine(
    su_environment: dict[str, str], shared_memory: Path, deployment: Sandbox, home: Path
) -> None:
    assert login(su_environment).returncode == 0
    assert shared_memory.stat().st_mode & 0o777 == 0o700
    kept = shared_memory / f"http_localhost_{deployment.port}.session"
    assert kept.stat().st_mode & 0o777 == 0o600
    for shell in ("bash", "zsh", "dash", "fish"):
        done = tcenv("env", "--shell", shell, env=su_environment)
        assert (done.returncode, "TASKCLUSTER_ACCESS_TOKEN" in done.stdout) == (0, True)
    assert tcenv("exec", "--", "printenv", "TASKCLUSTER_CLIENT_ID", env=su_environment).stdout.endswith(f"/{NAME}\n")
    # direnv finds the same directory without a process.
    folder = home / "project"
    folder.mkdir()
    (folder / ".envrc").write_text(f"use taskcluster {deployment.root_url}\n")
    assert tcenv("direnv", "--install", env=su_environment).returncode == 0
    subprocess.run([require("direnv"), "allow", str(folder)], env=su_environment, check=True, capture_output=True)
    command = [require("direnv"), "exec", str(folder), "printenv", "TASKCLUSTER_CLIENT_ID"]
    shown = run_program(*command, env=su_environment, cwd=folder)
    assert shown.stdout == f"{deployment.user}/{NAME}\n", shown.stderr
    assert deployment.approvals == 1
    # A shell that has a runtime directory can log out of this session.
    assert tcenv("logout", "--shell", "sh", env=make_env(deployment)).returncode == 0
    assert not kept.exists()


def test_a_runtime_directory_of_another_user_counts_as_unset(
    su_environment: dict[str, str], shared_memory: Path, deployment: Sandbox, tmp_path: Path
) -> None:
    """`sudo -s` and `su` keep the variable of the former user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    foreign = tmp_path / "1000"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, 65534, 65534)
    assert login({**su_environment, "XDG_RUNTIME_DIR": str(foreign)}).returncode == 0
    assert list(foreign.iterdir()) == []
    assert (shared_memory / f"http_localhost_{deployment.port}.session").exists()


def test_an_open_runtime_directory_is_an_error(deployment: Sandbox, tmp_path: Path) -> None:
    shared = tmp_path / "open"
    shared.mkdir()
    shared.chmod(0o755)
    done = login(make_env(deployment, XDG_RUNTIME_DIR=str(shared)))
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    assert "is open to other users" in done.stderr
    assert deployment.approvals == 0


_WITH_SHARED_MEMORY = (
    "import sys\nfrom tcenv import paths\npaths._SHARED_MEMORY = sys.argv.pop(1)\n"
    "from tcenv.__main__ import main\nsys.exit(main())\n"
)


def run_with_shared_memory(shared: Path, *words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command on a machine whose shared memory is at `shared`."""
    command = [sys.executable, "-c", _WITH_SHARED_MEMORY, str(shared), *words]
    return run_program(*command, env=env)


def test_an_unsafe_directory_in_shared_memory_is_not_used(su_environment: dict[str, str], tmp_path: Path) -> None:
    """Every user may create a directory there, so tcenv stores no session in another user's."""
    for attack in ("link", "open", "file", *(["owner"] if os.geteuid() == 0 else [])):
        taken = tmp_path / attack
        taken.mkdir()
        place = taken / f"tcenv-{os.geteuid()}"
        if attack == "link":
            (taken / "target").mkdir(mode=0o700)
            place.symlink_to(taken / "target")
        elif attack == "file":
            place.write_text("")
        else:
            place.mkdir(mode=0o700 if attack == "owner" else 0o755)
            if attack == "owner":
                os.chown(place, 65534, 65534)
        env = {**su_environment, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/none"}
        listed = run_with_shared_memory(taken, "profile", "list", env=env)
        assert (listed.returncode, str(place) in listed.stderr) == (0, True), listed.stderr
        done = run_with_shared_memory(taken, "login", "--shell", "sh", env=env)
        assert done.returncode == 0, done.stderr
        assert str(place) in done.stderr
        assert "is not stored" in done.stderr
        assert not list(taken.rglob("*.session"))
        name = [line.split("'")[1] for line in done.stdout.splitlines() if "CLIENT_ID=" in line]
        assert name


def test_a_directory_on_disk_is_not_a_runtime_store(su_environment: dict[str, str], tmp_path: Path) -> None:
    done = run_with_shared_memory(
        tmp_path, "status", "--json", "--offline", env={**su_environment, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/none"}
    )
    assert json.loads(done.stdout)["store"] == "none"
    assert paths._is_memory("/dev/shm")
    assert not paths._is_memory("/proc")


def test_without_a_store_the_loaded_session_serves(deployment: Sandbox) -> None:
    """`exec` makes no new client each time, and each command reports what it cannot do."""
    env = make_env(deployment, TCENV_STORE="none")
    script = (
        'eval "$(tcenv login)"\nfor n in 1 2 3; do tcenv exec -- printenv TASKCLUSTER_CLIENT_ID; done\n'
        'tcenv status --json | grep signed_in\neval "$(tcenv login)"\n'
        'tcenv env >/dev/null; echo "env $?"\neval "$(tcenv logout)"\n'
        'echo "${TASKCLUSTER_ACCESS_TOKEN-none} $TASKCLUSTER_ROOT_URL"\n'
    )
    done = run_program("bash", "-c", script, env=env)
    client_id = f"{deployment.user}/{NAME}"
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines == [*[client_id] * 3, '"signed_in": true,', "env 3", f"none {deployment.root_url}"], done.stderr
    assert deployment.approvals == 1
    assert not deployment.clients
    assert "is not stored, so only this shell has it" in done.stderr
    assert done.stderr.count("TCENV_STORE=file") == 2


def test_auto_does_not_choose_a_keyring_of_plain_files(
    su_environment: dict[str, str], tmp_path: Path, home: Path
) -> None:
    package = tmp_path / "plain.py"
    package.write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n    priority = 9\n    kept = {}\n"
        "    def get_password(self, s, u):\n        return self.kept.get(u)\n"
        "    def set_password(self, s, u, p):\n        self.kept[u] = p\n"
        "    def delete_password(self, s, u):\n        self.kept.pop(u, None)\n"
    )
    env = {**su_environment, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "plain.Keyring"}
    asked = run_with_shared_memory(home, "status", "--json", "--offline", env=env)
    assert json.loads(asked.stdout)["store"] == "none"
    chosen = run_with_shared_memory(home, "status", "--json", "--offline", env={**env, "TCENV_STORE": "keyring"})
    assert json.loads(chosen.stdout)["store"] == "keyring"


def test_a_broken_keyring_is_not_used(su_environment: dict[str, str], tmp_path: Path, home: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken')\n")
    env = {**su_environment, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "broken.Keyring"}
    asked = run_with_shared_memory(home, "status", "--json", "--offline", env=env)
    assert json.loads(asked.stdout)["store"] == "none"
