"""Check which signals end a process, and that none of them interrupts held signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tcenv.signals import IGNORED_BY_PYTHON, list_ending_signals
from tests.portholder import wait_until
from tests.programs import run_program

pytestmark = pytest.mark.signals
FAULTS = {signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV, signal.SIGSYS}
_HOLD = """
import os, sys
from tcenv.signals import HeldSignals
number = int(sys.argv[1])
with HeldSignals() as received:
    os.kill(os.getpid(), number)
    print("finished", received == [number], flush=True)
    if sys.argv[2] == "forget":
        received.clear()
print("went on", flush=True)
"""

_RUN = """
import os, sys
from tcenv.shells.child import run_child
status = run_child(["sleep", "600"], os.environ, lambda: print("started", flush=True))
open(sys.argv[1], "w").write(str(status))
"""


def test_the_list_of_ending_signals_is_the_systems() -> None:
    """The test sends each signal to a process that does nothing."""
    ending = set()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            process.stdin.close()  # type: ignore[union-attr]
            if process.wait(60) == -number:
                ending.add(int(number))
    assert ending - FAULTS == {*list_ending_signals(), *(getattr(signal, name) for name in IGNORED_BY_PYTHON)}


def test_held_signals_interrupt_nothing() -> None:
    for number in list_ending_signals():
        for what, status, answer in (("obey", -number, "finished True\n"), ("forget", 0, "finished True\nwent on\n")):
            if number == signal.SIGINT and what == "obey":
                status = -signal.SIGINT
            done = run_program(sys.executable, "-c", _HOLD, str(number), what)
            assert (done.returncode, done.stdout) == (status, answer), signal.strsignal(number)


def test_closing_a_window_ends_its_command(tmp_path: Path) -> None:
    """`tmux new-window 'tcenv ssh HOST'` makes tcenv lead the session, and the system notifies only the leader."""
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-c", _RUN, str(tmp_path / "status")])
    assert b"started" in os.read(terminal, 100)
    os.close(terminal)
    wait_until(lambda: os.waitpid(process, os.WNOHANG)[0])
    assert (tmp_path / "status").read_text() == str(128 + signal.SIGHUP)
