"""`tcenv init`."""

from __future__ import annotations

import sys
from typing import Any


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Print the start-up text of the shell `argument`."""
    from tcenv.shells.startup import startup_text

    hook, completion = not options.get("no_hook"), not options.get("no_completion")
    sys.stdout.write(startup_text(argument or "", hook=hook, completion=completion))
    return 0
