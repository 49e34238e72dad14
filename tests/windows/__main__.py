"""Run the Windows tests in this process's console, which they need for Ctrl-C. Write pytest's output to a file, since a console
would change it: `python -m tests.windows FILE [PYTEST'S OPTIONS AND FILES]`."""

from __future__ import annotations

import signal
import subprocess
import sys


def main(file: str, *options: str) -> int:
    """Run the tests. Return pytest's exit status."""
    # The tests press Ctrl-C, which reaches every process of the console.
    for name in ("SIGINT", "SIGBREAK"):
        signal.signal(getattr(signal, name), lambda number, frame: None)
    command = [sys.executable, "-m", "pytest", "-q", "--confcutdir=tests/windows", *(options or ["tests/windows"])]
    with open(file, "wb") as errors:
        return subprocess.call(command, stdout=errors, stderr=subprocess.STDOUT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
