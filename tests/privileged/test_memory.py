"""The parent of `exec --proxy` hides its memory from other programs of the same user, and works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.privileged.users import STRANGER, make_prefix

PROJECT = Path(__file__).parents[2]
# Tries to read its parent's memory and environment, and calls through the proxy.
_PROGRAM = """
import os, sys, urllib.request
for what in ("mem", "environ", "maps"):
    try:
        open(f"/proc/{os.getppid()}/{what}", "rb").read(1)
        print("read", what)
    except PermissionError:
        print("refused", what)
url = os.environ["TASKCLUSTER_PROXY_URL"] + "/api/auth/v1/ping"
print(urllib.request.urlopen(url, timeout=60).status)
"""


@pytest.fixture
def user() -> Iterator[list[str]]:
    """Return the words that run tcenv as a user who is not root, with their own home and runtime directory."""
    # pytest closes its own folder to other users.
    above = Path(tempfile.mkdtemp())
    above.chmod(0o711)
    home, runtime = above / "home", above / "runtime"
    for folder in (home, runtime):
        folder.mkdir(mode=0o700)
        os.chown(folder, STRANGER, STRANGER)
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "XDG_RUNTIME_DIR": str(runtime),
        "PYTHONPATH": f"{PROJECT}:{sysconfig.get_path('purelib')}",
        "TCENV_STORE": "runtime",
        "TCENV_TIMEOUT": "60s",
        "BROWSER": "/usr/bin/python3 -m tcenv.sandbox.approve %s",
        "SHELL": "/bin/sh",
    }
    words = [f"{name}={value}" for name, value in variables.items()]
    yield [*make_prefix(), "env", "-i", *words]
    shutil.rmtree(above)


def test_a_program_of_the_run_cannot_read_its_parent(user: list[str]) -> None:
    with Sandbox() as sandbox:
        command = ["/usr/bin/python3", "-m", "tcenv", "exec", "--root-url", sandbox.root_url, "--proxy", "--unsigned"]
        done = subprocess.run(
            [*user, *command, "--", "/usr/bin/python3", "-c", _PROGRAM],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
        )
    assert done.stdout == "refused mem\nrefused environ\nrefused maps\n200\n", done.stderr


def test_in_a_run_the_shell_is_detected(user: list[str]) -> None:
    """Detection reads /proc of each ancestor, and the files of a process that hides its memory belong to root."""
    with Sandbox() as sandbox:
        command = ["/usr/bin/python3", "-m", "tcenv", "exec", "--root-url", sandbox.root_url, "--proxy"]
        script = f"{' '.join(command)} -- /usr/bin/python3 -m tcenv doctor --json; echo $?"
        done = subprocess.run([*user, "bash", "-c", script], capture_output=True, text=True, cwd="/", timeout=120)
    assert '"text": "bash"' in done.stdout, done.stderr
