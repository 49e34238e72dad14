"""Standard output, for what a command was asked for: all of it is written, or the command fails and says why."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.errors import TcenvError


def write(text: str) -> None:
    """Write `text` at once. Raises BrokenPipeError where whoever read it has gone, TcenvError where it cannot be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is buffered stays there: Python's own exit must not trip over it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise unwritable(error) from None


def unwritable(error: OSError) -> TcenvError:
    """What the user is told where standard output cannot be written to."""
    from tcenv.errors import TcenvError

    return TcenvError(f"Standard output cannot be written to: {error.strerror}.")
