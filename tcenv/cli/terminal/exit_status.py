"""End every command: report a failure as a sentence and an exit status, and make the evaluation fail too if a shell
evaluates stdout."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence

from tcenv import paths
from tcenv.cli.terminal import messages
from tcenv.errors import Hint, Interrupted, TcenvError
from tcenv.output import write_last
from tcenv.shells import EVALUATED, load_shell
from tcenv.shells.detect import choose_shell, get_named_shell

_SIGINT = 2
# The errors of a file system that is full, read-only, broken or closed to the user, and of a process with too many open
# files. They are no bugs of tcenv.
_MACHINE_ERRORS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO),
    *(errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
    *(errno.EMFILE, errno.ENFILE),
)


def carry_out(arguments: Sequence[str], function: Callable[[], int]) -> int:
    """Run `function`, which carries out `arguments`, and return the exit status (see docs/configuration.md). Exceptions
    pass to `__main__`, which calls `report_failure` or `report_interruption`."""
    try:
        status = function()
        sys.stdout.flush()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    finally:
        if paths.ignored:
            messages.warn(f"Ignored: {'; '.join(paths.ignored)}, not to you.")
    if status:
        fail_evaluation(arguments)
    return status


def report_failure(arguments: Sequence[str], failure: BaseException) -> int:
    """Say why `failure` ended the run, and fail the evaluation. Returns the exit status."""
    status = _report(failure)
    fail_evaluation(arguments)
    return status


def report_interruption(
    arguments: Sequence[str], number: int, notes: Sequence[str] = (), hint: Hint | None = None
) -> int:
    """Say that a signal ended the run, and fail the evaluation. `notes` tell what had happened by then. Returns the
    exit status."""
    sentence = "Interrupted." if number == _SIGINT else f"Ended by {_get_signal_name(number)}."
    messages.report_error(Interrupted(" ".join([sentence, *notes]), hint))
    fail_evaluation(arguments)
    return 128 + number


def _report(failure: BaseException) -> int:
    """Say why `failure` ended the command. Returns the exit status."""
    if isinstance(failure, BrokenPipeError):
        # The reader of the output has closed it. Python's own exit must not fail on that again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    if isinstance(failure, TcenvError):
        messages.report_error(failure)
        return failure.exit_code
    if isinstance(failure, OSError) and failure.filename is not None and failure.errno in _MACHINE_ERRORS:
        messages.report_error(TcenvError(f"{failure.filename}: {failure.strerror}."))
        return 1
    _report_bug(failure)
    return 1


def _get_signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _report_bug(failure: BaseException) -> None:
    """Report an unforeseen error: where it happened, without any value."""
    kind = f"{type(failure).__module__}.{type(failure).__qualname__}"
    messages.report_error(
        TcenvError(f"Something went wrong inside tcenv ({kind}).", "Please report it with these lines:")
    )
    import traceback

    for frame in traceback.extract_tb(failure.__traceback__):
        print(f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.name}", file=sys.stderr)


def fail_evaluation(arguments: Sequence[str]) -> None:
    """Print the statement that makes the evaluation of the output fail, if a shell evaluates it and no terminal shows it."""
    if not arguments or arguments[0] not in EVALUATED or os.isatty(1):
        return
    if any(argument == "--format" or argument.startswith("--format=") for argument in arguments):
        return
    try:
        named = get_named_shell(_find_option(arguments, "--shell"), csh="--csh" in arguments)
        text = load_shell(choose_shell(named)).make_failure()
    except Exception:  # an unknown shell, or too few descriptors to find out
        text = "false\n"
    try:
        write_last(text.encode())
    except (OSError, TcenvError):
        return


def _find_option(arguments: Sequence[str], name: str) -> str | None:
    """Return the value of an option on a command line that may be wrong."""
    for position, argument in enumerate(arguments):
        if argument == name and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(name + "="):
            return argument[len(name) + 1 :]
    return None
