"""tcenv does not use the files of another user, and writes nothing into another user's directory."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import approve
from tests.privileged.users import STRANGER, make_prefix
from tests.programs import require
from tests.world import TCENV, make_env, read_session_fields, sign_in, tcenv

# An account that every system has.
OTHER, NAME = 1, "daemon"
USER = STRANGER

pytestmark = pytest.mark.usefixtures("as_root")


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")


@pytest.fixture
def public() -> Iterator[Path]:
    """Make a folder that other users can pass through, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="tcenv-ownership-") as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


@pytest.fixture
def config(home: Path) -> Path:
    path = home / ".config/tcenv/config.toml"
    path.parent.mkdir(parents=True)
    return path


def run_as_user(*words: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run tcenv as USER."""
    return subprocess.run(
        [*make_prefix(USER), TCENV, *words],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def make_home_env(deployment: Sandbox, home: Path, **more: str) -> dict[str, str]:
    """Return an environment with the directories of another home."""
    return make_env(
        deployment,
        HOME=str(home),
        XDG_RUNTIME_DIR=str(home / "run"),
        XDG_CONFIG_HOME=str(home / ".config"),
        XDG_STATE_HOME=str(home / ".local/state"),
        XDG_CACHE_HOME=str(home / ".cache"),
        **more,
    )


def make_plain_env(home: Path, **more: str) -> dict[str, str]:
    """Return an environment with another home and without XDG directories."""
    env = {name: value for name, value in make_env().items() if not name.startswith("XDG_")}
    return {**env, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **more}


def give(path: Path, user: int) -> None:
    """Give away a file, or a directory with all that is in it."""
    for each in [path, *(path.rglob("*") if path.is_dir() else ())]:
        os.chown(each, user, user, follow_symlinks=False)


def read_statuses(folder: Path) -> dict[str, tuple[int, int, float]]:
    """Return owner, mode and time of change of a folder and of each file in it."""
    found = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        found[str(path)] = (status.st_uid, status.st_mode, status.st_mtime)
    return found


@pytest.mark.parametrize("reached", ["directly", "through a link", "by its name"])
def test_the_browser_of_another_users_configuration_never_runs(
    reached: str, deployment: Sandbox, home: Path, config: Path, tmp_path: Path
) -> None:
    ran = tmp_path / "ran"
    text = f'browser = "touch {ran}"\ndefault = "x"\n[profiles.x]\nroot_url = "{deployment.root_url}"\n'
    file = config if reached == "directly" else tmp_path / "theirs.toml"
    file.write_text(text)
    give(file, OTHER)
    if reached == "through a link":
        config.symlink_to(file)
    env = make_env(deployment, **({"TCENV_CONFIG": str(file)} if reached == "by its name" else {}))
    for words in (
        ["login", "--shell", "sh"],
        ["env", "--shell", "sh"],
        ["exec", "--", "true"],
        ["status"],
        ["profile", "list"],
        ["profile", "set", "y", "--root-url", "https://y.example.com"],
        ["purpose", "set", "y", "--scope", "a"],
        ["logout", "--shell", "sh"],
    ):
        done = tcenv(*words, env=env)
        assert done.returncode == 1, words
        named = config if reached == "through a link" else file
        assert f"{named} belongs to {NAME}" in done.stderr, words
        assert not done.stdout.replace("\\false;\n", "")
    assert not ran.exists()
    assert file.read_text() == text
    assert deployment.approvals == 0


def test_another_users_link_to_the_users_own_file_is_used(deployment: Sandbox, config: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text(f'default = "x"\n[profiles.x]\nroot_url = "{deployment.root_url}"\n')
    config.symlink_to(own)
    os.chown(config, OTHER, OTHER, follow_symlinks=False)
    assert tcenv("profile", "show", env=make_env()).returncode == 0


def test_roots_configuration_serves_a_user_unless_others_can_write_it(deployment: Sandbox, public: Path) -> None:
    """Nix and Home Manager keep files that belong to root, and link to them."""
    store, own = public / "store.toml", public / "home"
    store.write_text(f'default = "x"\n[profiles.x]\nroot_url = "{deployment.root_url}"\n')
    store.chmod(0o444)
    own.mkdir()
    env = make_plain_env(own, TCENV_CONFIG=str(store))
    give(own, USER)
    shown = run_as_user("profile", "show", env=env)
    assert (shown.returncode, deployment.root_url in shown.stdout) == (0, True), shown.stderr
    changed = run_as_user("profile", "set", "y", "--root-url", "https://y.example.com", env=env)
    assert changed.returncode != 0
    for mode in (0o664, 0o646):
        store.chmod(mode)
        refused = run_as_user("profile", "show", env=env)
        assert (refused.returncode, f"{store} belongs to root" in refused.stderr) == (1, True)


@pytest.mark.parametrize(("options", "status"), [("", 1), ("mount -o remount,ro,bind $0;", 0)])
def test_in_a_user_namespace_a_read_only_mount_shows_a_file_of_root(options: str, status: int, tmp_path: Path) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "c.toml").write_text('default = "x"\n[profiles.x]\nroot_url = "https://x.example.com"\n')
    give(folder / "c.toml", OTHER)
    script = f'mount --bind $0 $0; {options} exec "$1" profile show'
    done = subprocess.run(
        [require("unshare"), "-Urm", "sh", "-c", script, str(folder), TCENV],
        env=make_env(TCENV_CONFIG=str(folder / "c.toml")),
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    assert ("belongs to nobody" in done.stderr) == bool(status)


@pytest.mark.parametrize("kind", ["device", "pipe", "directory"])
def test_a_configuration_that_is_no_regular_file_is_an_error(kind: str, home: Path) -> None:
    path = Path("/dev/null") if kind == "device" else home / "c"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    env = make_env(TCENV_CONFIG=str(path), TASKCLUSTER_ROOT_URL="https://tc.example.com")
    for words in (
        ["env", "--shell", "sh"],
        ["status"],
        ["profile", "list"],
        ["profile", "set", "x", "--root-url", "https://x.org"],
    ):
        done = tcenv(*words, env=env)
        assert (done.returncode, f"{path}: it is a {kind}, not a file" in done.stderr) == (2, True), (
            words,
            done.stderr,
        )
    if kind == "device":
        assert stat.S_ISCHR(path.stat().st_mode)


def test_an_index_of_another_user_adds_no_scope(deployment: Sandbox, config: Path, home: Path) -> None:
    config.write_text(
        f'default = "x"\n[profiles.x]\nroot_url = "{deployment.root_url}"\n'
        '[purposes.little]\nscopes = ["queue:scheduler-id:a"]\n'
    )
    env = sign_in(deployment)
    assert tcenv("profile", "list", env=env).returncode == 0
    index = home / ".cache/tcenv/profiles.index"
    good = index.read_text()
    index.write_text(good.replace("queue:scheduler-id:a", "*", 1))
    index.chmod(0o644)
    give(index, OTHER)
    words = ("env", "--as", "little", "--format", "json")
    done = tcenv(*words, env=env)
    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert f"{index} belongs to {NAME}" in done.stderr
    certificate = json.loads(json.loads(done.stdout)["TASKCLUSTER_CERTIFICATE"])
    assert certificate["scopes"] == ["queue:scheduler-id:a"]
    # The directory is the user's own, so tcenv has replaced the index.
    assert index.read_text() == good
    assert tcenv(*words, env=env).stderr == ""
    # In another user's directory, the index stays, and tcenv never reads it.
    give(index.parent, OTHER)
    again = tcenv(*words, env=env)
    assert (again.returncode, again.stderr.count("\n"), f"{index} belongs to {NAME}" in again.stderr) == (0, 1, True)


def test_notes_of_another_user_are_not_read(deployment: Sandbox, home: Path) -> None:
    """These notes say which clientId to expect, and which clients to delete."""
    env = sign_in(deployment)
    give(home / ".local/state/tcenv/clients", OTHER)
    done = tcenv("status", env=env)
    assert done.returncode == 0
    before = read_statuses(home / ".local/state/tcenv/clients")
    done = tcenv("login", "--reset", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if f"belongs to {NAME}" in line]) == 1
    assert read_statuses(home / ".local/state/tcenv/clients") == before


def test_root_leaves_nothing_in_the_home_of_a_user(deployment: Sandbox, home: Path) -> None:
    """With `sudo -E tcenv`, the variables are the user's, and the files would be root's."""
    user = home / "user"
    for name in ("run", ".config", ".cache", ".local"):
        (user / name).mkdir(parents=True, mode=0o700)
    (user / ".bashrc").write_text("# mine\n")
    give(user, USER)
    env = make_home_env(deployment, user)
    before = read_statuses(user)
    for words, status in {
        ("login", "--shell", "sh"): 0,
        ("status",): 0,
        ("exec", "--", "true"): 0,
        ("profile", "list"): 0,
        ("logout", "--shell", "sh"): 0,
        ("profile", "set", "x", "--root-url", "https://x.example.com"): 1,
        ("init", "bash", "--install", "--yes"): 1,
        ("init", "fish", "--install", "--yes"): 1,
        ("direnv", "--install"): 1,
    }.items():
        done = tcenv(*words, env=env)
        assert done.returncode == status, (words, done.stderr)
        assert "inside tcenv" not in done.stderr
        if status:
            assert f"belongs to user {USER}" in done.stderr, words
        assert read_statuses(user) == before, words
    stored = tcenv("login", "--shell", "sh", env={**env, "TCENV_STORE": "file"})
    assert (stored.returncode, f"belongs to user {USER}" in stored.stderr) == (0, True)
    assert read_statuses(user) == before


def test_a_file_that_root_rewrites_keeps_its_owner(home: Path) -> None:
    file = home / ".bashrc"
    file.write_text("# theirs\n")
    file.chmod(0o640)
    os.chown(file, OTHER, 2)
    assert tcenv("init", "bash", "--install", "--yes", env=make_env()).returncode == 0
    status = file.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (OTHER, 2, 0o640)
    assert "tcenv init --install" in file.read_text()


def test_a_user_does_not_replace_a_file_of_another_user(public: Path) -> None:
    """The user's group may write the file."""
    own = public / "user"
    own.mkdir()
    give(own, USER)
    file = own / ".bashrc"
    file.write_text("# theirs\n")
    os.chown(file, OTHER, USER)
    file.chmod(0o664)
    done = run_as_user("init", "bash", "--install", "--yes", env=make_plain_env(own))
    assert (done.returncode, f"{file} belongs to {NAME}" in done.stderr) == (1, True), done.stderr
    assert file.read_text() == "# theirs\n"
    assert [name for name in os.listdir(own) if name.endswith(".tmp")] == []


def test_a_session_belongs_to_the_user(deployment: Sandbox) -> None:
    assert read_session_fields(sign_in(deployment))["TASKCLUSTER_CLIENT_ID"].startswith(deployment.user)


def test_directories_of_root_in_a_home_do_not_stop_the_user(deployment: Sandbox, public: Path) -> None:
    """`sudo -E` with another program may leave them. tcenv works without them, and one line says so."""
    user = public / "user"
    (user / "run").mkdir(parents=True, mode=0o700)
    give(user, USER)
    for name in (".local", ".local/state", ".local/state/tcenv", ".cache", ".cache/tcenv"):
        (user / name).mkdir(mode=0o700)
    env = make_home_env(deployment, user, PYTHONDONTWRITEBYTECODE="1") | {"BROWSER": "true"}
    command = [*make_prefix(USER), TCENV, "login", "--shell", "sh"]
    signing_in = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert signing_in.stderr is not None
    # Root approves, because the interpreter may be in root's home.
    approve(next(line.strip() for line in signing_in.stderr if line.strip().startswith("http")))
    errors = signing_in.communicate(timeout=60)[1]
    assert (signing_in.returncode, errors.count(f"{user}/.local belongs to root")) == (0, 1), errors
    for words in (
        ["env", "--shell", "sh"],
        ["status"],
        ["login", "--reset", "--shell", "sh"],
        ["profile", "set", "x", "--root-url", deployment.root_url],
        ["profile", "list"],
        ["logout", "--all", "--shell", "sh"],
    ):
        done = run_as_user(*words, env=env)
        assert done.returncode == 0, (words, done.stderr)
        assert len([line for line in done.stderr.splitlines() if "belongs to root" in line]) <= 1, done.stderr


def test_a_group_that_the_user_is_not_in_loses_its_access(public: Path) -> None:
    own = public / "user"
    own.mkdir()
    (own / ".bashrc").write_text("# mine\n")
    give(own, USER)
    os.chown(own / ".bashrc", USER, 2)
    (own / ".bashrc").chmod(0o660)
    done = run_as_user("init", "bash", "--install", "--yes", env=make_plain_env(own))
    assert done.returncode == 0, done.stderr
    status = (own / ".bashrc").stat()
    assert (status.st_uid, status.st_mode & 0o777) == (USER, 0o600)
