"""Standard output, for what a command was asked for: all of it is written, or the command fails and says why."""

from __future__ import annotations

import os
import sys


def write(text: str) -> None:
    """Write `text` at once. Raises BrokenPipeError where whoever read it has gone, TcenvError where it cannot be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        from tcenv.errors import TcenvError

        # What is buffered stays there: Python's own exit must not trip over it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise TcenvError(f"Standard output cannot be written to: {error.strerror}.") from None
