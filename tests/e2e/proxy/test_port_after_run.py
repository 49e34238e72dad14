"""Check the proxy's port after its run: it is free if no process of the run is left. Otherwise it answers with 410."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.portholder import exchange, get_runtime_directory, is_free, parse_status, wait_for_holder, wait_until
from tests.programs import require, run_program
from tests.world import TCENV, find_holder_process, sign_in, tcenv

CALL = "PUT /api/secrets/v1/secret/x HTTP/1.1\r\nConnection: close\r\nContent-Length: 6\r\n\r\nsecret"


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    return sign_in(deployment)


def run_behind_proxy(env: dict[str, str], command: str, *options: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run a command that prints its proxy's address first. Return the result and the proxy's port."""
    done = tcenv(
        "exec", "--proxy", *options, "--", "sh", "-c", f"echo $TASKCLUSTER_ROOT_URL; {command}", env=env, timeout=110
    )
    return done, int(done.stdout.split()[0].rpartition(":")[2])


@pytest.mark.parametrize("options", [(), ("--read-only",), ("--unsigned",)])
def test_the_port_is_free_when_no_process_is_left(env: dict[str, str], options: tuple[str, ...]) -> None:
    done, port = run_behind_proxy(env, "sh -c 'exit 3'", *options)
    assert done.returncode == 3, done.stderr
    assert is_free(port)
    wait_until(lambda: find_holder_process(get_runtime_directory()) is None)


@pytest.mark.parametrize(
    ("left", "status_of_run"),
    [
        ("sleep 600 & echo $!", 0),
        ("setsid sh -c 'echo $$; exec sleep 600' & exit 4", 4),
        # An orphan without the run's environment and descriptors.
        (
            "exec 3>&1; (setsid env -i sh -c 'echo $$; exec sleep 600 >&- 2>&- <&-' 3>&- &)\n"
            'until [ "$(wc -l </proc/$$/fd/3)" = 2 ]; do sleep 0.02; done; exit 5',
            5,
        ),
        ("sh -c 'sleep 600 & echo $!' & wait; kill -TERM $$", 143),
    ],
)
def test_the_port_is_held_while_a_process_is_left(
    env: dict[str, str], tmp_path: Path, left: str, status_of_run: int
) -> None:
    began = time.monotonic()
    # Write to files, so that this waits for the run's end and not for that of its pipes.
    out = tmp_path / "out"
    done = subprocess.run(
        [TCENV, "exec", "--proxy", "--", "bash", "-c", f"echo $TASKCLUSTER_ROOT_URL; {left}"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=out.open("w"),
        stderr=(tmp_path / "err").open("w"),
        timeout=110,
    )
    assert done.returncode == status_of_run
    assert "tcenv: " not in (tmp_path / "err").read_text()
    assert time.monotonic() - began < 100
    url, process = wait_until(lambda: out.read_text().split() if out.read_text().count("\n") == 2 else [])
    port = int(url.rpartition(":")[2])
    for request in (CALL, "GET / HTTP/1.1\r\n\r\n", "nonsense"):
        assert parse_status(exchange(port, request + "\r\n\r\n")) == 410
    assert parse_status(exchange(port, CALL, "::1")) == 410
    os.kill(int(process), signal.SIGKILL)
    wait_until(lambda: is_free(port))
    wait_until(lambda: find_holder_process(get_runtime_directory()) is None)


def test_a_killed_proxys_port_is_held_while_its_command_runs(env: dict[str, str]) -> None:
    process = subprocess.Popen(
        [TCENV, "exec", "--proxy", "--", "sh", "-c", "echo $TASKCLUSTER_ROOT_URL $$; exec sleep 600"],
        env=env,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    url, command = process.stdout.readline().split()
    port = int(url.rpartition(":")[2])
    assert wait_for_holder()
    process.kill()
    process.wait()
    assert parse_status(exchange(port, CALL)) == 410
    os.kill(int(command), signal.SIGKILL)
    wait_until(lambda: is_free(port))


def start_proxy(env: dict[str, str], *options: str) -> tuple[subprocess.Popen[str], int]:
    """Start a proxy in the foreground. Return its process and its port."""
    started = subprocess.Popen([TCENV, "proxy", "--shell", "sh", *options], env=env, stdout=subprocess.PIPE, text=True)
    assert started.stdout
    found = re.search(r"http://127\.0\.0\.1:(\d+)", started.stdout.read())
    assert found
    return started, int(found[1])


def test_one_process_holds_all_ports_and_gives_them_back(env: dict[str, str]) -> None:
    ports = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        started, port = start_proxy(env)
        ports.append(port)
        started.send_signal(number)
        assert started.wait(60) == 0
        assert parse_status(exchange(port, CALL)) == 410
    process = wait_for_holder()
    again, port = start_proxy(env, "--port", str(ports[0]))
    assert port == ports[0]
    # The new proxy refuses a call without a host, with 403 under older versions of aiohttp.
    assert parse_status(exchange(port, CALL)) in (400, 403)
    assert wait_for_holder() == process
    again.kill()
    again.wait()
    for port in ports:
        assert parse_status(exchange(port, CALL)) == 410
    mine = run_program(require("pgrep"), "-f", f"hold_ports.*{get_runtime_directory()}")
    assert mine.stdout.split() == [str(process)]


def test_the_proxy_reaps_orphans(env: dict[str, str], tmp_path: Path) -> None:
    """The proxy is the parent of orphans and must not leave them as zombies."""
    program = (
        "import os, subprocess, time\n"
        "for _ in range(20):\n"
        "    subprocess.run(['sh', '-c', '(sleep 0.05 &)'])\n"
        "ps = ['ps', '-o', 'stat=,comm=', '--ppid', str(os.getppid())]\n"
        "def orphans():\n"
        "    children = subprocess.run(ps, capture_output=True, text=True).stdout.splitlines()\n"
        "    return [line for line in children if line.startswith('Z') or 'sleep' in line]\n"
        "end = time.monotonic() + 60\n"
        "while (left := orphans()) and time.monotonic() < end:\n"
        "    time.sleep(0.05)\n"
        "print(len(left))\n"
    )
    done = tcenv("exec", "--proxy", "--", sys.executable, "-c", program, env=env, timeout=110)
    assert done.stdout == "0\n", done.stderr
