"""Move the clock for a program and its children with libfaketime."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from tests.programs import require


class FakeClock:
    """The clock of programs that start with `variables`. It is the system's until `advance` moves it.

    The modification time of `file` is the current time of that clock."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "clock"
        show = [require("faketime"), "-f", "+0", "printenv", "LD_PRELOAD"]
        self.variables = {
            "LD_PRELOAD": subprocess.run(show, capture_output=True, text=True, check=True).stdout.strip(),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DISABLE_SHM": "1",
            # Timeouts and the times of files stay real.
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }
        self.advance(0)

    def advance(self, seconds: int) -> None:
        """Set the time to `seconds` after the system's."""
        part = self.file.with_suffix(".part")
        part.write_text(f"+{seconds}\n")
        now = time.time() + seconds
        os.utime(part, (now, now))
        os.replace(part, self.file)
