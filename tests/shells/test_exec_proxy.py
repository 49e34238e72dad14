"""`exec --proxy` runs its command as a shell does: statuses, arguments, streams and signals."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.world import TCENV, list_commands, sign_in, tcenv


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    return sign_in(deployment)


def test_statuses_pass_through(env: dict[str, str], tmp_path: Path) -> None:
    signals = (signal.SIGTERM, signal.SIGKILL, signal.SIGPIPE)
    by_signals = [(["sh", "-c", f"kill -{int(number)} $$"], 128 + number) for number in signals]
    for command, status in (*list_commands(tmp_path), *by_signals):
        done = tcenv("exec", "--proxy", "--", *command, env=env)
        assert done.returncode == status, command
        assert "Traceback" not in done.stderr
        assert "inside tcenv" not in done.stderr


def test_arguments_and_streams_are_untouched(env: dict[str, str]) -> None:
    odd = ["", " ", "--", "-x", "--proxy", "a'b\"c", "$HOME", "*", "é\n"]
    text = "import json, sys; print(json.dumps([sys.argv[1:], sys.stdin.read()]))"
    command = [TCENV, "exec", "--proxy", "--", sys.executable, "-c", text, *odd]
    done = subprocess.run(command, env=env, input="in", capture_output=True, text=True)
    assert json.loads(done.stdout) == [odd, "in"]
    assert done.stderr == ""


@pytest.mark.signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGQUIT])
def test_a_signal_to_tcenv_reaches_the_command_once(number: signal.Signals, env: dict[str, str]) -> None:
    text = (
        "import os, signal, sys, time\n"
        "seen, again = [], []\n"
        f"signal.signal({int(number)}, lambda *_: seen.append(1))\n"
        "signal.signal(signal.SIGUSR2, lambda *_: again.append(1))\n"
        "print('ready', flush=True)\n"
        "while not seen:\n"
        "    time.sleep(0.01)\n"
        # A second delivery would come before another signal that goes the same way.
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


def test_the_status_tells_which_signal_ended_the_command(env: dict[str, str]) -> None:
    process = subprocess.Popen(
        [TCENV, "exec", "--proxy", "--", "sh", "-c", "echo ready; exec sleep 600"], env=env, stdout=subprocess.PIPE
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    process.terminate()
    assert process.wait(60) == 128 + signal.SIGTERM


def test_the_command_starts_with_the_same_signals_blocked_and_ignored(env: dict[str, str]) -> None:
    show_signals = ["grep", "-E", "SigBlk|SigIgn", "/proc/self/status"]

    def signals(text: str) -> list[int]:
        # The C library uses signals 32 and 33 itself.
        return [int(line.split()[1], 16) & ~(3 << 31) for line in text.splitlines()]

    direct = subprocess.run(show_signals, env=env, capture_output=True, text=True).stdout
    assert signals(tcenv("exec", "--proxy", "--", *show_signals, env=env).stdout) == signals(direct)


def test_a_signal_at_the_end_of_the_command_does_not_end_tcenv(env: dict[str, str]) -> None:
    for words in (["--proxy"], ["--proxy", "--for", "1h"]):
        for _ in range(5):
            done = tcenv(
                "exec", *words, "--", "sh", "-c", "trap '' INT TERM; kill -INT $PPID; kill -TERM $PPID; exit 7", env=env
            )
            assert (done.returncode, done.stderr) == (7, "")
