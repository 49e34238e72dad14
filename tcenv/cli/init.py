"""`tcenv init`."""

from __future__ import annotations

import sys


def run(shell: str, *, hook: bool, completion: bool) -> int:
    """Print the start-up text of `shell`."""
    from tcenv.shells.startup import startup_text

    sys.stdout.write(startup_text(shell, hook=hook, completion=completion))
    return 0
