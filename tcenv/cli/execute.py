"""`tcenv exec`."""

from __future__ import annotations

import os
from typing import Any

from tcenv.cli.loaded import session_and_change
from tcenv.shells import environment
from tcenv.shells.process import replace_process


def run(argument: str | None, options: dict[str, Any], command: list[str]) -> int:
    """Become `command`, with the session loaded. Returns only where the system cannot replace a process."""
    _, change = session_and_change(argument, options)
    replace_process(command, environment.applied(change, os.environ))
