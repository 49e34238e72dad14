"""The sandbox in the foreground: what scripts read, what people read, how it ends."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

import tcenv
from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import approve
from tests.callback import listen_for_callback, make_sign_in_url

COMMANDS = [["-m", "tcenv.sandbox"], ["-m", "tcenv", "sandbox"]]


@pytest.mark.signals
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
        out, err = running.communicate(timeout=60)
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
        assert running.wait(60) == 0
    wrong = subprocess.run(
        [sys.executable, "-m", "tcenv.sandbox", "--user", "a b"], capture_output=True, text=True, timeout=60
    )
    assert wrong.returncode == 2
    assert "cannot be a clientId" in wrong.stderr


@pytest.mark.parametrize(("options", "asks"), [([], True), (["--signed-in"], False)])
def test_people_sign_in_first_unless_they_are_spared_it(options: list[str], asks: bool) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "tcenv.sandbox", *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert running.stdout is not None
        root_url = running.stdout.readline().strip()
        with listen_for_callback() as told:
            url = make_sign_in_url(root_url, told.url)
            assert ('role="dialog"' in requests.get(url).text) is asks
            assert approve(url) == 200
            assert 'role="dialog"' not in requests.get(url).text
    finally:
        running.terminate()
        assert running.wait(60) == 0


def test_bodies_of_any_size_pass_in_constant_memory() -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "tcenv.sandbox"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )

    def most() -> int:
        """The largest that it has been, in MiB."""
        status = Path(f"/proc/{running.pid}/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024

    try:
        assert running.stdout is not None
        api = f"{running.stdout.readline().strip()}/api/sandbox/v1"
        assert requests.get(f"{api}/ping").ok
        idle, piece, pieces = most(), bytes(1 << 20), 200
        assert requests.post(f"{api}/upload", data=iter([piece] * pieces)).json()["bytes"] == pieces << 20
        with requests.get(f"{api}/download/{pieces << 20}", stream=True) as answer:
            assert sum(len(got) for got in answer.iter_content(1 << 20)) == pieces << 20
        # Somebody who asks for much, and reads none of it.
        with socket.create_connection(("127.0.0.1", urlsplit(api).port or 0)) as connection:
            host = urlsplit(api).netloc.encode()
            connection.sendall(b"GET /api/sandbox/v1/download/1000000000 HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
            assert connection.recv(1)
            assert requests.get(f"{api}/ping").ok
        assert most() - idle < 16
    finally:
        running.terminate()
        assert running.wait(60) == 0


def test_only_the_sandbox_command_brings_the_sandbox_along() -> None:
    package = Path(tcenv.__file__).parent
    importers = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if file.parent.name != "sandbox" and re.search(r"(from|import) tcenv\.sandbox", file.read_text())
    }
    assert importers == {"cli/commands/sandbox.py"}
