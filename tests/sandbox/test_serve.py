"""The sandbox in the foreground: what scripts read, what people read, how it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

import tcenv
from tcenv.sandbox import Sandbox

COMMANDS = [["-m", "tcenv.sandbox"], ["-m", "tcenv", "sandbox"]]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stdout_is_the_root_url_alone_and_a_signal_ends_it_cleanly(command: list[str], ending: signal.Signals) -> None:
    running = subprocess.Popen(
        [sys.executable, *command, "--private"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert running.stdout is not None
        root_url = running.stdout.readline().strip()
        assert requests.get(f"{root_url}/api/auth/v1/ping").json()["alive"] is True
        assert requests.get(f"{root_url}/api/auth/v1/scopes/current").status_code == 403
        running.send_signal(ending)
        out, err = running.communicate(timeout=30)
    finally:
        running.kill()
    assert (running.returncode, out) == (0, "")
    assert f"TASKCLUSTER_ROOT_URL={root_url} tcenv login" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_port_that_is_taken_is_said_so(command: list[str]) -> None:
    with Sandbox() as tc:
        done = subprocess.run(
            [sys.executable, *command, "--port", str(tc.port)], capture_output=True, text=True, timeout=60
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on port {tc.port}" in done.stderr


def test_who_is_signed_in_can_be_said() -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "tcenv.sandbox", "--user", "me|x@y"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert running.stdout is not None
        assert "me|x@y" in requests.get(running.stdout.readline().strip()).text
    finally:
        running.terminate()
        assert running.wait(30) == 0
    wrong = subprocess.run(
        [sys.executable, "-m", "tcenv.sandbox", "--user", "a b"], capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode == 2
    assert "cannot be a clientId" in wrong.stderr


def test_only_the_sandbox_command_brings_the_sandbox_along() -> None:
    package = Path(tcenv.__file__).parent
    importers = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if file.parent.name != "sandbox" and re.search(r"(from|import) tcenv\.sandbox", file.read_text())
    }
    assert importers == {"cli/sandbox.py"}
