"""Being put into the background by a shell whose functions cannot be: it would wait, and no key that is pressed would reach
us."""

from __future__ import annotations

import os

from tcenv import cli
from tcenv.errors import UsageError


def refuse_where_the_shell_waits(command: str) -> None:
    """Raise UsageError where an interactive fish runs its function `tcenv` for `tcenv COMMAND &`: then, and in a pipeline, we
    are in its own process group, where all else that it starts has one of its own."""
    if cli.from_function != "fish" or os.getpgrp() != os.getppid() or _in_a_pipeline():
        return
    raise UsageError(
        "fish cannot put its function `tcenv` into the background: it would wait here.",
        f"The program itself can be: command tcenv {command} &",
    )


def _in_a_pipeline() -> bool:
    import stat

    return any(stat.S_ISFIFO(os.fstat(stream).st_mode) for stream in (0, 1))
