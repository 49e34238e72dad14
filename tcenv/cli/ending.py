"""How every command ends: its failures as a sentence and an exit status, and, where a shell evaluates stdout, a statement
that makes the evaluation fail too."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from tcenv.cli import messages
from tcenv.cli.hotpath import write_out
from tcenv.errors import Interrupted, TcenvError, UsageError

# Their stdout is evaluated by a shell.
EVALUATED = ("login", "signin", "env", "logout")


class _Signalled(BaseException):
    def __init__(self, number: int) -> None:
        self.number = number


def carry_out(arguments: Sequence[str], function: Callable[[], int]) -> int:
    """Run `function`, the command that `arguments` ask for; the exit status that CLI.md promises for how it ended."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name) and signal.getsignal(getattr(signal, name)) == signal.SIG_DFL:
            signal.signal(getattr(signal, name), _raise)
    status = 1
    try:
        status = function()
    except TcenvError as failure:
        messages.error(failure)
        status = failure.exit_code
    except KeyboardInterrupt as interrupt:
        # What has happened by then is noted on the way up.
        done = " ".join(getattr(interrupt, "__notes__", ()))
        messages.error(Interrupted(f"Interrupted. {done}" if done else "Interrupted; nothing was changed."))
        status = Interrupted.exit_code
    except _Signalled as signalled:
        status = 128 + signalled.number
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1 if end.code else 0
    except BrokenPipeError:
        # Whoever read our output has gone; Python's own exit must not trip over it again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
    except Exception as failure:
        if hasattr(failure, "format_message"):
            status = _misread(arguments, failure)
        else:
            _confess(failure)
    if status:
        fail_evaluation(arguments)
    return status


def _misread(arguments: Sequence[str], failure: Any) -> int:
    """What the parser of the full command line could not read, in the voice of all other messages."""
    text = str(failure.format_message()).strip()
    words = getattr(getattr(failure, "ctx", None), "command_path", "tcenv")
    messages.error(UsageError(text[:1].upper() + text[1:], f"See: {words} --help"))
    return UsageError.exit_code


def _raise(number: int, frame: object) -> None:
    raise _Signalled(number)


def _confess(failure: Exception) -> None:
    """An error that nobody foresaw: where it happened, and nothing of the values that were at hand."""
    kind = f"{type(failure).__module__}.{type(failure).__qualname__}"
    messages.error(TcenvError(f"Something went wrong inside tcenv ({kind}).", "Please report it with these lines:"))
    for frame in traceback.extract_tb(failure.__traceback__):
        print(f"  {os.path.basename(frame.filename)}:{frame.lineno} {frame.name}", file=sys.stderr)


def fail_evaluation(arguments: Sequence[str]) -> None:
    """Print the statement that makes the evaluation of our output fail, where there is one and no terminal would show it."""
    if not arguments or arguments[0] not in EVALUATED or os.isatty(1):
        return
    if any(argument == "--format" or argument.startswith("--format=") for argument in arguments):
        return
    from tcenv.shells import dialect

    try:
        text = dialect(
            chosen_shell(_option(arguments, "--shell") or ("tcsh" if "--csh" in arguments else None))
        ).failure()
    except UsageError:
        text = "false\n"
    try:
        write_out(text.encode())
    except OSError:
        return


def _option(arguments: Sequence[str], name: str) -> str | None:
    for position, argument in enumerate(arguments):
        if argument == name and position + 1 < len(arguments):
            return arguments[position + 1]
        if argument.startswith(name + "="):
            return argument[len(name) + 1 :]
    return None


def chosen_shell(option: str | None) -> str:
    """The shell that will evaluate our output: the option, `TCENV_SHELL`, or the one that runs us. Raises UsageError."""
    named = option or os.environ.get("TCENV_SHELL")
    if named:
        return named
    from tcenv.shells.detect import detect_shell

    return detect_shell()
