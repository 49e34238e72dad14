"""Refuse to run in the background of a shell that cannot run functions there: the shell would wait for tcenv, and no key
would reach tcenv."""

from __future__ import annotations

import os
import stat

from tcenv import cli
from tcenv.errors import UsageError


def require_foreground(command: str) -> None:
    """Raise UsageError if an interactive shell, which names itself in `__TCENV_FUNCTION`, runs its function for `tcenv
    COMMAND &`. tcenv is in the shell's own process group only there and in a pipeline."""
    if cli.from_function in ("", "1") or os.getpgrp() != os.getppid() or _is_in_pipeline():
        return
    raise UsageError(
        f"{cli.from_function} cannot run its function `tcenv` in the background.",
        f"Run the program itself: command tcenv {command} &",
    )


def _is_in_pipeline() -> bool:
    return any(stat.S_ISFIFO(os.fstat(stream).st_mode) for stream in (0, 1))
