"""Run the Windows tests in the console that this process has, which they need for Ctrl-C, and write what pytest says to a file,
where no console changes it: `python -m tests.windows FILE [PYTEST'S OPTIONS]`."""

from __future__ import annotations

import signal
import subprocess
import sys


def main(file: str, *options: str) -> int:
    """Return pytest's exit status."""
    # The tests press Ctrl-C, which reaches every process of the console.
    for name in ("SIGINT", "SIGBREAK"):
        signal.signal(getattr(signal, name), lambda number, frame: None)
    command = [sys.executable, "-m", "pytest", "-q", "--confcutdir=tests/windows", *options, "tests/windows"]
    with open(file, "wb") as said:
        return subprocess.call(command, stdout=said, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
