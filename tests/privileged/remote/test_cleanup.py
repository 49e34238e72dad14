"""After any end of a run, no process, port or file of it stays on either side."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.portholder import wait_until
from tests.privileged.remote.test_refusals import RELAY
from tests.reliability.record import record, scale
from tests.remote_machine import RemoteMachine
from tests.world import TCENV

# Ignores the hangup, and has a child.
STUBBORN = "trap '' HUP TERM; sleep 1000 & echo begun; cat; wait"
# After ssh has started, a run takes about this long to begin (seconds).
BEGINNING = 0.5
# Run tcenv with short timeouts, so that no test waits for minutes.
SHORT = (
    "from tcenv.remote import client, connection, scripts\n"
    "scripts.QUIET, scripts.STEP, connection._BEAT = 10, 1, 1\n"
    "client._ALIVE = ('-o', 'ServerAliveInterval=2', '-o', 'ServerAliveCountMax=3')\n"
    "import sys; from tcenv.__main__ import main; sys.exit(main())"
)


@pytest.fixture(autouse=True)
def relay(remote: RemoteMachine) -> Path:
    """Write the program through which ssh connects. Its process stands for the network."""
    remote.use_shell("bash")
    program = remote.folder / "near/relay.py"
    program.write_text(RELAY)
    text = remote.config.read_text()
    if "ProxyCommand" not in text:
        remote.config.write_text(f"{text}  ProxyCommand {sys.executable} {program} %p\n")
    return program


def list_local_processes(run: subprocess.Popen[bytes]) -> dict[int, str]:
    """Return the processes of the run's session on this side, with their arguments."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (folder / "stat").read_text().rpartition(") ")[2].split()[:4]
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, ValueError):
            continue
        # The port holder has its own session.
        if int(session) == run.pid and state not in "ZX":
            found[int(folder.name)] = words
    return found


def find_relays(run: subprocess.Popen[bytes]) -> list[int]:
    """Return the processes that stand for the network."""
    return [
        process
        for process, words in list_local_processes(run).items()
        if "relay.py" in words and "/bin/sh" not in words
    ]


def list_sockets(env: dict[str, str]) -> list[str]:
    """Return the names of ssh's sockets."""
    return [path.name for path in (Path(env["XDG_RUNTIME_DIR"]) / "tcenv").iterdir() if path.name.startswith("_ssh-")]


def start_run(env: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*words, "ssh", "far", "--", STUBBORN],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def assert_nothing_is_left(run: subprocess.Popen[bytes], remote: RemoteMachine, env: dict[str, str]) -> None:
    wait_until(lambda: not list_local_processes(run))
    wait_until(remote.is_clean)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ending", ["the connection is cut", "tcenv is killed", "tcenv and ssh are killed"])
def test_nothing_stays_after_an_end_at_any_moment(ending: str, remote: RemoteMachine, env: dict[str, str]) -> None:
    count = max(5, scale(100)) if ending == "the connection is cut" else max(2, scale(30))
    for number in range(count):
        run = start_run(env, TCENV)
        assert run.stdin and run.stdout
        # One of them ends after the command has started.
        if number == 0:
            assert run.stdout.readline() == b"begun\n"
        else:
            # The relay starts when ssh connects.
            wait_until(lambda run=run: find_relays(run))  # type: ignore[misc]
            time.sleep(random.uniform(0, 2 * BEGINNING))
        if ending == "the connection is cut":
            victims = find_relays(run)
            assert victims
        else:
            victims = list(list_local_processes(run)) if ending == "tcenv and ssh are killed" else [run.pid]
        for process in victims:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        run.stdin.close()
        run.wait(60)
        assert_nothing_is_left(run, remote, env)
        if ending != "tcenv and ssh are killed":
            assert list_sockets(env) == []
    # The next run removes the sockets that a killed ssh leaves.
    done = subprocess.run([TCENV, "ssh", "far", "--", "true"], env=env, capture_output=True, timeout=120)
    assert (done.returncode, list_sockets(env)) == (0, []), done.stderr
    record("connections of tcenv ssh", count)


@pytest.mark.timeout(900)
def test_a_silent_network_ends_both_sides(remote: RemoteMachine, env: dict[str, str]) -> None:
    real = scale(100) >= 100
    run = start_run(env, TCENV) if real else start_run(env, sys.executable, "-c", SHORT)
    assert run.stdin and run.stdout
    assert run.stdout.readline() == b"begun\n"
    relay = next(process for process, words in list_local_processes(run).items() if "relay.py" in words)
    os.kill(relay, signal.SIGSTOP)
    assert run.wait(180) == 255
    wait_until(remote.is_clean, 240)
    if relay in list_local_processes(run):
        os.kill(relay, signal.SIGKILL)
    assert_nothing_is_left(run, remote, env)
    record("silent connections of tcenv ssh", 1)


def test_a_program_that_outlives_the_run_has_a_token_that_nothing_accepts(
    remote: RemoteMachine, env: dict[str, str], deployment: Sandbox
) -> None:
    """The port is closed on both sides."""
    script = "setsid sh -c 'env >kept; sleep 1000' </dev/null >/dev/null 2>&1 & "
    script += "until grep -q ROOT_URL kept; do sleep 0.1; done 2>/dev/null; cat kept"
    done = subprocess.run([TCENV, "ssh", "far", "--", script], env=env, capture_output=True, text=True, timeout=120)
    kept = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
    assert "sleep 1000" in remote.processes().values()
    address = kept["TASKCLUSTER_ROOT_URL"]
    called = subprocess.run(
        ["curl", "-sS", "-o", "/dev/null", f"{address}/api/queue/v1/ping"], capture_output=True, text=True, timeout=60
    )
    assert called.returncode == 7, called.stderr
    assert re.fullmatch(r"[\w-]{44}", kept["TASKCLUSTER_ACCESS_TOKEN"])
    assert all(kept["TASKCLUSTER_ACCESS_TOKEN"] != client.access_token for client in deployment.clients.values())
    for process in remote.processes():
        os.kill(process, signal.SIGKILL)
