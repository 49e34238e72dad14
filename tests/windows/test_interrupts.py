"""Interrupt runs: by Ctrl-C, by a closing console, and by killing them.

Wine 8 has neither Ctrl-Break nor the end of a console, so the tests raise the signal that Windows makes of these."""

from __future__ import annotations

import ctypes
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.windows.console import press_ctrl_c
from tests.windows.world import PYTHON, TCENV, make_env, store_session, tcenv


@pytest.fixture(autouse=True)
def console() -> None:
    assert ctypes.windll.kernel32.GetConsoleOutputCP(), "these tests need a console: python -m tests.windows"  # type: ignore[attr-defined,unused-ignore]


def make_env_without_approval(deployment: Sandbox, home: Path) -> dict[str, str]:
    """Return an environment with a browser that only creates the file `opened`."""
    script = home / "nobody.py"
    script.write_text(f"open({str(home / 'opened')!r}, 'w').close()\n")
    return make_env(deployment, BROWSER=f'"{PYTHON}" "{script}" %s')


@pytest.fixture
def waiting(deployment: Sandbox, home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start a sign-in that nobody approves."""
    with subprocess.Popen(
        [TCENV, "login", "--shell", "powershell"],
        env=make_env_without_approval(deployment, home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        wait_for_file(home / "opened", process)
        yield process
        process.kill()


def wait_for_file(path: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


def test_ctrl_c_interrupts_a_waiting_sign_in(waiting: subprocess.Popen[bytes], deployment: Sandbox) -> None:
    with press_ctrl_c():
        output, errors = waiting.communicate(timeout=60)
    assert waiting.returncode == 130, errors
    assert (output, errors.count(b"Traceback")) == (b"throw 'tcenv failed';\n", 0), errors
    # The next sign-in need not wait.
    done = tcenv("login", "--shell", "powershell", env=make_env(deployment))
    assert done.returncode == 0, done.stderr


_BREAKING = """
import os, signal, sys, threading, time
opened = sys.argv.pop(1)
def break_once_opened():
    while not os.path.exists(opened):
        time.sleep(0.05)
    signal.raise_signal(signal.SIGBREAK)
threading.Thread(target=break_once_opened, daemon=True).start()
from tcenv.__main__ import main
sys.argv[0] = "tcenv"
sys.exit(main())
"""


def test_a_closing_console_ends_the_wait(deployment: Sandbox, home: Path) -> None:
    """Windows' C library raises SIGBREAK for Ctrl-Break, a closing console and a logoff, in a thread of its own."""
    words = [PYTHON, "-c", _BREAKING, str(home / "opened"), "login", "--shell", "powershell"]
    done = subprocess.run(words, env=make_env_without_approval(deployment, home), capture_output=True, timeout=120)
    assert done.returncode == 128 + 21, done.stderr
    assert (done.stdout, done.stderr.count(b"Traceback")) == (b"throw 'tcenv failed';\n", 0), done.stderr


def test_a_killed_sign_in_does_not_delay_the_next(waiting: subprocess.Popen[bytes], deployment: Sandbox) -> None:
    waiting.kill()
    waiting.communicate(timeout=60)
    done = tcenv("login", "--retry", "--shell", "powershell", env=make_env(deployment))
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", [(), ("--proxy",)])
def test_ctrl_c_reaches_the_command_and_exec_returns_its_status(
    options: tuple[str, ...], deployment: Sandbox, home: Path
) -> None:
    """One command ends by Ctrl-C, and another handles it with a status of its own."""
    env = store_session(deployment)
    begun = f"open({str(home / 'begun')!r}, 'w').close()"
    handles = f"import signal, sys, time; signal.signal(signal.SIGINT, lambda *_: sys.exit(5)); {begun}"
    for program, status in (
        (f"import time; {begun}; time.sleep(60)", 130),
        (f"{handles}\nwhile True: time.sleep(0.1)", 5),
    ):
        with subprocess.Popen(
            [TCENV, "exec", *options, "--", PYTHON, "-c", program],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as run:
            wait_for_file(home / "begun", run)
            with press_ctrl_c():
                output, errors = run.communicate(timeout=60)
        assert (run.returncode, output) == (status, b""), errors
        # Only the first command prints a traceback.
        assert errors.count(b"Traceback") == (status == 130), errors
        (home / "begun").unlink()
