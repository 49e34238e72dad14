"""Write requested output to standard output: all of it, or the command fails and says why.

The hot path imports this module, so it imports next to nothing."""

from __future__ import annotations

import os
import sys

from tcenv.signals import block_all

# Of a file's mode, as `stat` has them: its kind, a regular file, and the permissions to read for the group and all others.
_KIND, _REGULAR, _OTHERS_READ = 0o170000, 0o100000, 0o044

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from tcenv.errors import TcenvError


def write(text: str) -> None:
    """Write `text` at once. Raises BrokenPipeError if its reader has gone, TcenvError if it cannot be written."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        # The buffer keeps the text. Python's own exit must not fail on it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        raise make_write_error(error) from None


def write_last(data: bytes) -> None:
    """Write all of `data` to standard output as the last step of the process. Blocks signals first: after one, the shell
    would get statements that load a session, and then one that fails. Raises as `write` does."""
    block_all()
    try:
        write_unbuffered(data)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise make_write_error(error) from None


def write_unbuffered(data: bytes) -> None:
    """Write all of `data` to standard output, past Python's buffers. Raises OSError."""
    while data:
        data = data[os.write(1, data) :]


def is_readable_by_others() -> bool:
    """Return whether standard output is a regular file that other users may read. Nobody else can open a file without a
    name, which ksh93 uses for command substitution."""
    if os.name != "posix":
        return False
    status = os.fstat(1)
    return status.st_mode & _KIND == _REGULAR and bool(status.st_mode & _OTHERS_READ and status.st_nlink)


def make_write_error(error: OSError) -> TcenvError:
    """Return the error for standard output that cannot be written."""
    from tcenv.errors import TcenvError

    return TcenvError(f"Standard output cannot be written to: {error.strerror}.")


def measure_width(descriptor: int = 1) -> int:
    """Return the columns of a terminal: those that COLUMNS names, else its own, or 80 if it does not tell."""
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(descriptor).columns
    except (OSError, ValueError):
        return 80


def exit_now(status: int) -> NoReturn:
    """End without the interpreter's shutdown. `$(…)` would wait for it, and with the libraries of a sign-in or a proxy it
    takes longer than all that the user waits for."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)
