"""`tcenv init`."""

from __future__ import annotations

import sys
from typing import Any


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Print the start-up text of the shell `argument`."""
    from tcenv.shells.startup import startup_text

    hook, completion = not options.get("no_hook"), not options.get("no_completion")
    sys.stdout.write(startup_text(argument or "", _store(), hook=hook, completion=completion))
    return 0


def _store() -> str:
    """The configuration's store. A shell starts whatever is wrong with that file: the commands that need it say so."""
    from tcenv.settings import index

    try:
        known = index.read()
    except Exception:  # stale, damaged or not there
        return _store_in_full()
    return (known and known.store) or "auto"


def _store_in_full() -> str:
    from tcenv.errors import TcenvError
    from tcenv.settings import configuration

    try:
        return configuration.load().store or "auto"
    except (TcenvError, OSError):
        return "auto"
