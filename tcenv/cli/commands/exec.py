"""`tcenv exec`."""

from __future__ import annotations

import os
from typing import Any

from tcenv.cli.acquire import BEHIND_A_PROXY, session_and_change
from tcenv.shells import environment
from tcenv.shells.process import replace_process


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Become the `command` of `options`, with the session loaded, or run it behind a proxy of its own; its status."""
    options = dict(options)
    command = options.pop("command")
    if not any(options.get(key) for key in BEHIND_A_PROXY):
        _, change = session_and_change(argument, options)
        replace_process(command, environment.applied(change, os.environ))
    from tcenv.cli.commands import proxy

    return proxy.execute(argument, options, command)
