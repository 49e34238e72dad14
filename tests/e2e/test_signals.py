"""Which signals end a process, and that none of them ends one that holds them."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tcenv.signals import IGNORED_BY_PYTHON, list_ending_signals

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


def test_the_list_is_the_systems() -> None:
    """Ask the system itself: send each signal to a process that does nothing."""
    ending = set()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            process.send_signal(number)
            process.send_signal(signal.SIGCONT)
            process.stdin.close()  # type: ignore[union-attr]
            if process.wait(60) == -number:
                ending.add(int(number))
    assert ending - FAULTS == {*list_ending_signals(), *(getattr(signal, name) for name in IGNORED_BY_PYTHON)}


def test_none_of_them_interrupts_what_holds_them() -> None:
    for number in list_ending_signals():
        for what, status, told in (("obey", -number, "finished True\n"), ("forget", 0, "finished True\nwent on\n")):
            if number == signal.SIGINT and what == "obey":
                status = -signal.SIGINT
            done = subprocess.run([sys.executable, "-c", _HOLD, str(number), what], capture_output=True, text=True)
            assert (done.returncode, done.stdout) == (status, told), signal.strsignal(number)
