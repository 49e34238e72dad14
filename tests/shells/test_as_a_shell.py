"""`exec --proxy` runs its command as a shell would: statuses, arguments, streams, signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.world import TCENV, list_commands, sign_in, tcenv


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


def test_statuses_pass_through(sandbox: Sandbox, tmp_path: Path) -> None:
    env = sign_in(sandbox)
    signals = (signal.SIGTERM, signal.SIGKILL, signal.SIGPIPE)
    by_signals = [(["sh", "-c", f"kill -{int(number)} $$"], 128 + number) for number in signals]
    for command, status in (*list_commands(tmp_path), *by_signals):
        done = tcenv("exec", "--proxy", "--", *command, env=env)
        assert done.returncode == status, command
        assert "Traceback" not in done.stderr
        assert "inside tcenv" not in done.stderr


def test_arguments_and_streams_are_untouched(sandbox: Sandbox) -> None:
    env = sign_in(sandbox)
    odd = ["", " ", "--", "-x", "--proxy", "a'b\"c", "$HOME", "*", "é\n"]
    text = "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"
    command = [TCENV, "exec", "--proxy", "--", sys.executable, "-c", text, *odd]
    done = subprocess.run(command, env=env, input="in", capture_output=True, text=True)
    assert json.loads(done.stdout) == [odd, "in"]
    assert done.stderr == ""


@pytest.mark.signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_what_is_sent_to_us_reaches_the_command_once(number: signal.Signals, sandbox: Sandbox) -> None:
    env = sign_in(sandbox)
    text = (
        "import os, signal, sys, time\n"
        "seen, again = [], []\n"
        f"signal.signal({int(number)}, lambda *_: seen.append(1))\n"
        "signal.signal(signal.SIGUSR2, lambda *_: again.append(1))\n"
        "print('ready', flush=True)\n"
        "while not seen:\n"
        "    time.sleep(0.01)\n"
        # A second one would come before another signal that goes the same way.
        "os.kill(os.getppid(), signal.SIGUSR2)\n"
        "while not again:\n"
        "    time.sleep(0.01)\n"
        "sys.exit(50 + len(seen))\n"
    )
    process = subprocess.Popen(
        [TCENV, "exec", "--proxy", "--", sys.executable, "-c", text], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    assert process.wait(60) == 51


def test_a_signal_that_ends_the_command_is_told_as_shells_do(sandbox: Sandbox) -> None:
    env = sign_in(sandbox)
    process = subprocess.Popen(
        [TCENV, "exec", "--proxy", "--", "sh", "-c", "echo ready; exec sleep 600"], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM


def test_the_command_is_started_as_if_by_a_shell(sandbox: Sandbox) -> None:
    """No signal is blocked or ignored that was not so before."""
    env = sign_in(sandbox)
    reading = ["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]

    def signals(text: str) -> list[int]:
        # Two are the C library's own business (32 and 33), and no program's.
        return [int(line.split()[1], 16) & ~(3 << 31) for line in text.splitlines()]

    direct = subprocess.run(reading, env=env, capture_output=True, text=True).stdout
    assert signals(tcenv("exec", "--proxy", "--", *reading, env=env).stdout) == signals(direct)


def test_what_comes_as_the_command_ends_does_not_end_us(sandbox: Sandbox) -> None:
    env = sign_in(sandbox)
    for words in (["--proxy"], ["--proxy", "--for", "1h"]):
        for _ in range(5):
            done = tcenv(
                "exec", *words, "--", "sh", "-c", "trap '' INT TERM; kill -INT $PPID; kill -TERM $PPID; exit 7", env=env
            )
            assert (done.returncode, done.stderr) == (7, "")
