"""Run the sandbox in the foreground: its output, its options and its end."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

import tcenv
from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import approve
from tests.callback import listen_for_callback, make_sign_in_url
from tests.programs import run_program

COMMANDS = [["-m", "tcenv.sandbox"], ["-m", "tcenv", "sandbox"]]


@pytest.mark.signals
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stdout_holds_only_the_root_url_and_a_signal_ends_the_sandbox(
    command: list[str], ending: signal.Signals
) -> None:
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
def test_a_taken_port_is_an_error(command: list[str]) -> None:
    with Sandbox() as tc:
        done = run_program(sys.executable, *command, "--port", str(tc.port))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"cannot listen on port {tc.port}" in done.stderr


@contextmanager
def run_sandbox(*options: str) -> Iterator[tuple[int, str]]:
    """Run the sandbox's command. Yield its process id and its root URL."""
    command = [sys.executable, "-m", "tcenv.sandbox", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    try:
        yield process.pid, process.stdout.readline().strip()
    finally:
        process.terminate()
        assert process.wait(60) == 0


def test_the_option_user_names_the_user() -> None:
    with run_sandbox("--user", "me|x@y") as (_, root_url):
        assert "me|x@y" in requests.get(root_url).text
    wrong = run_program(sys.executable, "-m", "tcenv.sandbox", "--user", "a b")
    assert wrong.returncode == 2
    assert "cannot be a clientId" in wrong.stderr


@pytest.mark.parametrize(("options", "asks"), [([], True), (["--signed-in"], False)])
def test_the_option_signed_in_skips_the_dialog(options: list[str], asks: bool) -> None:
    with run_sandbox(*options) as (_, root_url), listen_for_callback() as callback:
        url = make_sign_in_url(root_url, callback.url)
        assert ('role="dialog"' in requests.get(url).text) is asks
        assert approve(url) == 200
        assert 'role="dialog"' not in requests.get(url).text


def test_bodies_of_any_size_pass_in_constant_memory() -> None:
    with run_sandbox() as (process, root_url):

        def measure_peak() -> int:
            """Return the sandbox's largest memory use so far, in MiB."""
            status = Path(f"/proc/{process}/status").read_text()
            return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) // 1024

        api = f"{root_url}/api/sandbox/v1"
        assert requests.get(f"{api}/ping").ok
        idle, piece, pieces = measure_peak(), bytes(1 << 20), 200
        assert requests.post(f"{api}/upload", data=iter([piece] * pieces)).json()["bytes"] == pieces << 20
        with requests.get(f"{api}/download/{pieces << 20}", stream=True) as answer:
            assert sum(len(got) for got in answer.iter_content(1 << 20)) == pieces << 20
        # This client requests a gigabyte and reads one byte.
        with socket.create_connection(("127.0.0.1", urlsplit(api).port or 0)) as connection:
            host = urlsplit(api).netloc.encode()
            connection.sendall(b"GET /api/sandbox/v1/download/1000000000 HTTP/1.1\r\nHost: %b\r\n\r\n" % host)
            assert connection.recv(1)
            assert requests.get(f"{api}/ping").ok
        assert measure_peak() - idle < 16


def test_only_the_sandbox_command_imports_the_sandbox() -> None:
    package = Path(tcenv.__file__).parent
    importers = {
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if file.parent.name != "sandbox" and re.search(r"(from|import) tcenv\.sandbox", file.read_text())
    }
    assert importers == {"cli/commands/sandbox.py"}
