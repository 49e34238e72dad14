"""Find a store without a login manager, and work without any store."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv import paths
from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.world import NAME, TCENV, find_session_file, make_env, sign_in, tcenv


@pytest.fixture
def no_manager(deployment: Sandbox, shared_memory: Path) -> Iterator[dict[str, str]]:
    """In the environment of `su -` no variable names a runtime directory, and this machine has none for the user."""
    env = make_env(deployment)
    del env["XDG_RUNTIME_DIR"]
    assert not Path(f"/run/user/{os.geteuid()}").is_dir(), "this test is for a machine without a login manager"
    yield env
    key = f"http_localhost_{deployment.port}"
    for path in shared_memory.glob(f"*{key}*"):
        path.unlink()


def login(env: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    return tcenv("login", "--shell", "sh", *more, env=env)


def test_one_sign_in_serves_every_shell_of_the_machine(
    no_manager: dict[str, str], shared_memory: Path, deployment: Sandbox, home: Path
) -> None:
    assert login(no_manager).returncode == 0
    assert shared_memory.stat().st_mode & 0o777 == 0o700
    kept = shared_memory / f"http_localhost_{deployment.port}.session"
    assert kept.stat().st_mode & 0o777 == 0o600
    for shell in ("bash", "zsh", "dash", "fish"):
        done = tcenv("env", "--shell", shell, env=no_manager)
        assert (done.returncode, "TASKCLUSTER_ACCESS_TOKEN" in done.stdout) == (0, True)
    assert tcenv("exec", "--", "printenv", "TASKCLUSTER_CLIENT_ID", env=no_manager).stdout.endswith(f"/{NAME}\n")
    # direnv finds the same place without a process.
    folder = home / "project"
    folder.mkdir()
    (folder / ".envrc").write_text(f"use taskcluster {deployment.root_url}\n")
    assert tcenv("direnv", "--install", env=no_manager).returncode == 0
    subprocess.run([require("direnv"), "allow", str(folder)], env=no_manager, check=True, capture_output=True)
    command = [require("direnv"), "exec", str(folder), "printenv", "TASKCLUSTER_CLIENT_ID"]
    shown = subprocess.run(command, env=no_manager, cwd=folder, capture_output=True, text=True, timeout=60)
    assert shown.stdout == f"{deployment.user}/{NAME}\n", shown.stderr
    assert deployment.approvals == 1
    # A shell with a runtime directory of its own signs out of it all the same.
    assert tcenv("logout", "--shell", "sh", env=make_env(deployment)).returncode == 0
    assert not kept.exists()


def test_a_runtime_directory_of_another_user_counts_as_unset(
    no_manager: dict[str, str], shared_memory: Path, deployment: Sandbox, tmp_path: Path
) -> None:
    """`sudo -s` and `su` leave the variable of the user who was before."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a directory away")
    foreign = tmp_path / "1000"
    foreign.mkdir(mode=0o700)
    os.chown(foreign, 65534, 65534)
    assert login({**no_manager, "XDG_RUNTIME_DIR": str(foreign)}).returncode == 0
    assert list(foreign.iterdir()) == []
    assert (shared_memory / f"http_localhost_{deployment.port}.session").exists()


def test_one_that_is_open_to_others_is_an_error(deployment: Sandbox, tmp_path: Path) -> None:
    shared = tmp_path / "open"
    shared.mkdir()
    shared.chmod(0o755)
    done = login(make_env(deployment, XDG_RUNTIME_DIR=str(shared)))
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    assert "is open to other users" in done.stderr
    assert deployment.approvals == 0


_ELSEWHERE = (
    "import sys\nfrom tcenv import paths\npaths._SHARED_MEMORY = sys.argv.pop(1)\n"
    "from tcenv.__main__ import main\nsys.exit(main())\n"
)


def elsewhere(shared: Path, *words: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command on a machine whose shared memory is at `shared`."""
    command = [sys.executable, "-c", _ELSEWHERE, str(shared), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)


def test_a_place_that_somebody_has_taken_is_left_and_said(no_manager: dict[str, str], tmp_path: Path) -> None:
    """Anybody may make a directory there; one that another user made holds no session."""
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
        done = elsewhere(
            taken, "login", "--shell", "sh", env={**no_manager, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/none"}
        )
        assert done.returncode == 0, done.stderr
        assert str(place) in done.stderr
        assert "is not stored" in done.stderr
        assert not list(taken.rglob("*.session"))
        name = [line.split("'")[1] for line in done.stdout.splitlines() if "CLIENT_ID=" in line]
        assert name


def test_what_is_not_in_memory_is_no_runtime_store(no_manager: dict[str, str], tmp_path: Path) -> None:
    done = elsewhere(
        tmp_path, "status", "--json", "--offline", env={**no_manager, "DBUS_SESSION_BUS_ADDRESS": "unix:path=/none"}
    )
    assert json.loads(done.stdout)["store"] == "none"
    assert paths._is_memory("/dev/shm")
    assert not paths._is_memory("/proc")


def test_where_nothing_is_kept_what_is_loaded_serves(deployment: Sandbox) -> None:
    """`exec` makes no new client each time, and each command says what it cannot do."""
    env = make_env(deployment, TCENV_STORE="none")
    script = (
        'eval "$(tcenv login)"\nfor n in 1 2 3; do tcenv exec -- printenv TASKCLUSTER_CLIENT_ID; done\n'
        'tcenv status --json | grep signed_in\neval "$(tcenv login)"\n'
        'tcenv env >/dev/null; echo "env $?"\neval "$(tcenv logout)"\n'
        'echo "${TASKCLUSTER_ACCESS_TOKEN-none} $TASKCLUSTER_ROOT_URL"\n'
    )
    done = subprocess.run(["bash", "-c", script], env=env, capture_output=True, text=True, timeout=120)
    client_id = f"{deployment.user}/{NAME}"
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert lines == [*[client_id] * 3, '"signed_in": true,', "env 3", f"none {deployment.root_url}"], done.stderr
    assert deployment.approvals == 1
    assert not deployment.clients
    assert "is not stored, so only this shell has it" in done.stderr
    assert done.stderr.count("TCENV_STORE=file") == 2


def test_a_keyring_that_writes_plain_files_is_not_taken_by_itself(
    no_manager: dict[str, str], tmp_path: Path, home: Path
) -> None:
    package = tmp_path / "plain.py"
    package.write_text(
        "from keyring.backend import KeyringBackend\n"
        "class Keyring(KeyringBackend):\n    priority = 9\n    kept = {}\n"
        "    def get_password(self, s, u):\n        return self.kept.get(u)\n"
        "    def set_password(self, s, u, p):\n        self.kept[u] = p\n"
        "    def delete_password(self, s, u):\n        self.kept.pop(u, None)\n"
    )
    env = {**no_manager, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "plain.Keyring"}
    asked = elsewhere(home, "status", "--json", "--offline", env=env)
    assert json.loads(asked.stdout)["store"] == "none"
    chosen = elsewhere(home, "status", "--json", "--offline", env={**env, "TCENV_STORE": "keyring"})
    assert json.loads(chosen.stdout)["store"] == "keyring"


def test_a_broken_keyring_is_none(no_manager: dict[str, str], tmp_path: Path, home: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('broken')\n")
    env = {**no_manager, "PYTHONPATH": str(tmp_path), "PYTHON_KEYRING_BACKEND": "broken.Keyring"}
    asked = elsewhere(home, "status", "--json", "--offline", env=env)
    assert json.loads(asked.stdout)["store"] == "none"


def test_scopes_without_end_can_be_read_again(deployment: Sandbox) -> None:
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


@pytest.mark.parametrize("what", ["link", "directory"])
def test_a_lock_that_is_none_is_said(what: str, deployment: Sandbox) -> None:
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


def test_the_longest_time_to_wait_is_taken(deployment: Sandbox) -> None:
    env = make_env(deployment)
    del env["TCENV_TIMEOUT"]
    assert login(env, "--timeout", "1000y").returncode == 0


def test_what_a_killed_writer_left_goes_with_the_next_write(deployment: Sandbox) -> None:
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


HOMELESS = (
    ("login",), ("env",), ("logout",), ("status",), ("exec", "--", "true"), ("shell",), ("scopes",), ("doctor",),
    ("direnv", "--install"), ("init", "bash", "--install", "--yes"), ("init", "fish", "--install", "--yes"),
    ("init", "nu", "--install", "--yes"), ("profile", "list"), ("profile", "show"),
    ("profile", "set", "a", "--root-url", "https://a.example.com"), ("purpose", "list"),
    ("purpose", "set", "p", "--scope", "a"), ("proxy",), ("signin",), ("login", "--reset"),
    ("exec", "--proxy", "--", "true"),
)  # fmt: skip


@pytest.mark.parametrize("wrong", ["~", "relative", ".", ""])
def test_a_home_that_is_no_absolute_path_is_refused(wrong: str, deployment: Sandbox, home: Path) -> None:
    """What lies there, from the current directory on or from the root, is somebody else's."""
    for folder in (home / wrong / ".config/tcenv", home / ".config/tcenv"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(f'browser = "touch {home}/run-by-tcenv %s"\ndefault = "evil"\n')
    before = sorted(home.rglob("*"))
    env = {k: v for k, v in make_env(deployment).items() if not k.startswith("XDG_") or k == "XDG_RUNTIME_DIR"}
    del env["BROWSER"]
    # Each command meets one of them, and what every shell runs meets all.
    turn = ["~", "relative", ".", ""].index(wrong)
    for words in {*HOMELESS[turn::4], ("login",), ("env",)}:
        done = tcenv(*words, env={**env, "HOME": wrong})
        assert done.returncode == (1 if words == ("doctor",) else 2), (words, done)
        assert "Your home directory is not known." in done.stdout + done.stderr, words
        assert sorted(home.rglob("*")) == before, words


def test_a_home_that_cannot_be_written(deployment: Sandbox, home: Path) -> None:
    """Mounted read-only, as in a container: nothing is remembered, and everything works."""
    mounted = home / "ro"
    mounted.mkdir()
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        mounted.chmod(0o500)
        wrapped = []
    else:
        wrapped = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o ro none {mounted} && exec "$@"', "sh"]
    env = {k: v for k, v in make_env(deployment).items() if not k.startswith("XDG_") or k == "XDG_RUNTIME_DIR"}
    env["HOME"] = str(mounted)
    for words in (["login", "--shell", "sh"], ["env", "--shell", "sh"], ["status"], ["logout", "--shell", "sh"]):
        done = subprocess.run(
            [*wrapped, "tcenv", *words],
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, (words, done.stderr)
        assert "inside tcenv" not in done.stderr
    wrong = subprocess.run(
        [*wrapped, "tcenv", "profile", "set", "a", "--root-url", "https://a.example.com"],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert wrong.returncode != 0
    assert "config.toml" in wrong.stderr
    assert "inside tcenv" not in wrong.stderr


def test_what_cannot_be_read_is_said(deployment: Sandbox, home: Path) -> None:
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


@pytest.mark.parametrize("place", ["config.toml", "index", "clients"])
def test_a_pipe_in_a_files_place_holds_nobody_up(place: str, home: Path) -> None:
    """Only the user can put one there, perhaps by accident, and a prompt must not hang on it."""
    with Sandbox() as tc:
        env = sign_in(tc)
        state = Path(env["HOME"]) / ".local/state/tcenv"
        config = Path(env["HOME"]) / ".config/tcenv/config.toml"
        index = Path(env["HOME"]) / ".cache/tcenv/profiles.index"
        path = {"config.toml": config, "index": index, "clients": next(state.rglob("clients/**/*.json"))}[place]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        for words in (
            ["status", "--offline"],
            ["profile", "list"],
            ["init", "bash"],
            ["env", "--shell", "sh"],
            ["doctor"],
        ):
            done = subprocess.run([TCENV, *words], env=env, capture_output=True, text=True, timeout=60)
            assert "inside tcenv" not in done.stderr
            if place == "config.toml" and words[0] in ("profile", "doctor"):
                assert "config.toml: it is a pipe, not a file" in done.stdout + done.stderr
