"""`tcenv exec`."""

from __future__ import annotations

import os
from typing import Any

from tcenv.cli.loaded import session_and_change
from tcenv.shells import environment
from tcenv.shells.process import replace_process


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Become the `command` of `options`, with the session loaded. Returns only where the system cannot replace a process."""
    options = dict(options)
    command = options.pop("command")
    _, change = session_and_change(argument, options)
    replace_process(command, environment.applied(change, os.environ))
