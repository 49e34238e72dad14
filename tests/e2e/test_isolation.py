"""Check that the tests find the same environment on every start. Run those about signals as `nohup` does."""

from __future__ import annotations

import json
import os
import pty
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import isolation
from tests.programs import require

PROJECT = Path(__file__).parents[2]
pytestmark = pytest.mark.linux
# Sets what the starter of the tests may have set, then becomes the command that follows.
_ODD_STARTER = """
import os, resource, signal, sys
os.umask(0o077)
resource.setrlimit(resource.RLIMIT_NOFILE, (200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD}:
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
os.close(0)
# This file is in the shared memory of the outer tests. The inner ones must not see it.
open(f"/dev/shm/starter-{os.getpid()}", "w").close()
os.execvp(sys.argv[1], sys.argv[1:])
"""
_ODD_VARIABLES = {
    "HOME": "/proc",
    "http_proxy": "http://127.0.0.1:9",
    "https_proxy": "http://127.0.0.1:9",
    "ALL_PROXY": "http://127.0.0.1:9",
    "XDG_RUNTIME_DIR": "/proc",
    "XDG_CONFIG_HOME": "/proc",
    "XDG_STATE_HOME": "/proc",
    "TASKCLUSTER_ROOT_URL": "https://tc.example.com",
    "TASKCLUSTER_ACCESS_TOKEN": "somebodys",
    "TCENV_PROFILE": "somebodys",
    "TCENV_STORE": "none",
    "PYTHONUNBUFFERED": "1",
    "LC_ALL": "tr_TR.UTF-8",
    "TMUX": "/tmp/tmux-0/default,1,0",
}
# Python itself ignores SIGPIPE and SIGXFSZ.
_BY_PYTHON = "0000000001001000"
_LOOK = """
import json, os, resource
from pathlib import Path
status = dict(line.split(":\\t") for line in Path("/proc/self/status").read_text().splitlines())
parent, above = os.getppid(), []
while parent > 1:
    above.append(f"/dev/shm/starter-{parent}")
    parent = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
print(json.dumps({
    "ignored": status["SigIgn"], "blocked": status["SigBlk"], "umask": status["Umask"],
    "stdin": os.readlink("/proc/self/fd/0"), "terminal": Path("/proc/self/stat").read_text().rpartition(")")[2].split()[4],
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "size": resource.getrlimit(resource.RLIMIT_FSIZE)[0],
    "shared": [place for place in above if os.path.exists(place)], "environ": dict(os.environ),
}))
"""


def test_a_child_inherits_nothing_of_the_starter() -> None:
    look = [sys.executable, "-c", _LOOK]
    found = json.loads(subprocess.run(look, capture_output=True, text=True, check=True, stdin=None).stdout)
    # glibc ignores its two internal signals (32 and 33) in processes of posix_spawn, such as make's children.
    found["ignored"] = f"{int(found['ignored'], 16) & ~(3 << 31):016x}"
    environment = found.pop("environ")
    assert found == {
        **{"ignored": _BY_PYTHON, "blocked": "0" * 16, "umask": "0022", "stdin": "/dev/null", "terminal": "0"},
        **{"files": 4096, "size": resource.RLIM_INFINITY},
        "shared": found["shared"] if isolation.shared_memory_problem else [],
    }
    assert not [name for name, value in _ODD_VARIABLES.items() if environment.get(name) == value]


@pytest.fixture
def starter() -> dict[str, str]:
    """Return an environment with sessions, proxies and odd settings."""
    if isolation.shared_memory_problem:
        pytest.skip(isolation.shared_memory_problem)
    own = {name: value for name, value in os.environ.items() if not name.startswith(("TCENV_TEST_", "PYTEST_"))}
    return {**own, **_ODD_VARIABLES}


def run_tests(
    starter: dict[str, str], command: Sequence[str], *words: str, stdin: int = subprocess.DEVNULL
) -> subprocess.CompletedProcess[str]:
    """Run pytest with `words`, started by `command` from what `starter` and _ODD_STARTER describe."""
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:xonsh", "-p", "no:cacheprovider", *words]
    line = [*command, sys.executable, "-c", _ODD_STARTER, *tests]
    return subprocess.run(line, cwd=PROJECT, env=starter, stdin=stdin, capture_output=True, text=True, check=False)


def test_signals_work_under_nohup_and_without_stdin(starter: dict[str, str]) -> None:
    files = {str(path) for path in (PROJECT / "tests").rglob("test_*.py") if "mark.signals" in path.read_text()}
    done = run_tests(starter, [require("nohup")], "-m", "signals", *sorted(files - {__file__}))
    assert (done.returncode, " passed" in done.stdout) == (0, True), done.stdout + done.stderr


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
@pytest.mark.parametrize("command", [("nohup",), ("setsid", "--ctty", "--wait")], ids=["nohup", "terminal"])
def test_an_odd_starter_changes_nothing(
    command: tuple[str, ...], workers: tuple[str, ...], starter: dict[str, str]
) -> None:
    ours, terminal = pty.openpty()
    name = f"{__file__}::{test_a_child_inherits_nothing_of_the_starter.__name__}"
    done = run_tests(starter, [require(command[0]), *command[1:]], *workers, name, stdin=terminal)
    os.close(ours)
    os.close(terminal)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
