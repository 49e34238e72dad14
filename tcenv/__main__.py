"""Start a run: handle signals, then try the hot path, the prompt hook, completion, the plain reader and the full command
line. Also report a failure or a signal, so that a shell that evaluates the output fails too."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` costs a tenth of the hot path: its enumerations
import os
import sys

from tcenv import core_dumps
from tcenv.output import exit_now
from tcenv.signals import block_all, handle_ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tcenv.errors import Hint

_HOT_COMMANDS = ("env", "exec", "login")
# The signals that have come.
_received: list[int] = []


class EndingSignal(BaseException):
    """A signal that ends the run. It is no Exception, so no library takes it for an error or for the end of a prompt."""

    # The hint to show, if the interrupted code has set one.
    hint: Hint | None = None

    def __init__(self, number: int) -> None:
        self.number = number


def main(blocked_before: Iterable[int] | None = None) -> int:
    """Run the command line of this process and return the exit status. The command's script blocks all signals.
    `blocked_before` are the signals that were blocked before that (None: this run does not use the script)."""
    arguments = sys.argv[1:]
    reason: BaseException
    try:
        try:
            sys.unraisablehook = _handle_unraisable
            _handle_signals(blocked_before)
            if blocked_before is None:
                _forget_the_current_directory()
            core_dumps.forbid()
            _take_callers_variables()
            _repair_streams(arguments)
            return _run_command_line(arguments)
        except Exception as failure:
            block_all()
            # If a signal handler raises while Python compiles a module, the error may be a SyntaxError.
            reason = EndingSignal(_received[0]) if _received else failure
    except EndingSignal as signal:
        block_all()
        reason = signal
    return _report_end(arguments, reason)


def _forget_the_current_directory() -> None:
    """Remove from the search path the entries that `python -m` and relative entries of PYTHONPATH add, so that no file
    of the current directory runs as code. The command's script does not need this: it restarts the interpreter instead."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    relative = {os.path.abspath(entry) for entry in entries if not os.path.isabs(entry)}
    if not sys.flags.safe_path:
        relative.add(sys.path[0])
    sys.path[:] = [entry for entry in sys.path if entry not in relative]


def _take_callers_variables() -> None:
    """Take from the environment what the command's script and the shell's function of `tcenv init` tell this process."""
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE"):
        value = os.environ.pop(f"__TCENV_{name}", None)
        if value is not None:
            # The script has restarted without this variable. Restore it for the programs that tcenv starts.
            os.environ[name] = value
    function = os.environ.pop("__TCENV_FUNCTION", "")
    if function:
        from tcenv import cli

        cli.from_function = function


def _repair_streams(arguments: list[str]) -> None:
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        from tcenv.cli.terminal import streams

        streams.replace_closed(arguments)
    if os.name == "nt" or (sys.stdout.encoding, sys.stderr.encoding) != ("utf-8", "utf-8"):
        from tcenv.cli.terminal import streams

        streams.set_encoding()


def _handle_signals(blocked_before: Iterable[int] | None) -> None:
    handle_ending(_raise_signal)
    if blocked_before is not None:
        # This delivers the signals that arrived while they were blocked.
        _signal.pthread_sigmask(_signal.SIG_SETMASK, blocked_before)


def _raise_signal(number: int, frame: object) -> None:
    _received.append(number)
    # The second signal must not interrupt the handling of the first. A third one does, for a user who has waited too long.
    if len(_received) != 2:
        raise EndingSignal(number)


def _handle_unraisable(unraisable: sys.UnraisableHookArgs) -> None:
    """Print an exception that nothing can catch, such as one in a finalizer. For a signal, end the run."""
    if not isinstance(unraisable.exc_value, EndingSignal):
        sys.__unraisablehook__(unraisable)
        return
    block_all()
    exit_now(_report_end(sys.argv[1:], unraisable.exc_value))


def _report_end(arguments: list[str], reason: BaseException) -> int:
    """Say that a signal or an unforeseen error ended the run, also to a shell that evaluates. Returns the exit status."""
    try:
        from tcenv.cli.terminal import exit_status

        if isinstance(reason, EndingSignal):
            return exit_status.report_interruption(
                arguments, reason.number, getattr(reason, "__notes__", ()), reason.hint
            )
        return exit_status.report_failure(arguments, reason)
    except Exception:
        # Even this import has failed: no descriptors or no memory are left. Most shells know `false`.
        os.write(2, b"tcenv: error: tcenv cannot run here: too few resources, or its files cannot be read.\n")
        if not os.isatty(1):
            os.write(1, b"false\n")
        return 1


def _run_command_line(arguments: list[str]) -> int:
    is_verbose = False
    if arguments and _sets_verbosity(arguments):
        from tcenv import verbosity

        arguments = [arguments[0], *verbosity.take_options(arguments[1:])]
        is_verbose = verbosity.is_verbose
    # The hot path prints nothing about what it does.
    if arguments and arguments[0] in _HOT_COMMANDS and not is_verbose:
        from tcenv import hotpath

        status = hotpath.run(arguments, _report_reuse, _announce)
        if status is not None:
            exit_now(status)
        if _received:
            raise EndingSignal(_received[0])
    if arguments and arguments[0] == "hook":
        from tcenv import prompt_hook

        status = prompt_hook.run(arguments[1:], _note)
        if status is not None:
            exit_now(status)
    if arguments == ["--profiles"]:
        # For completion, which calls this at a keystroke.
        from tcenv.config.completion_names import print_names

        exit_now(print_names())
    if arguments == ["--purposes"]:
        from tcenv.config.completion_names import print_purposes

        exit_now(print_purposes())
    if arguments[:1] == ["help"] and arguments[1:2] not in (["--help"], ["-h"]):
        arguments = [*arguments[1:], "--help"]
    elif arguments == ["--version"]:
        arguments = ["version"]
    if arguments:
        from tcenv.cli.parsing import plain_reader

        status = plain_reader.run(arguments)
        if status is not None:
            exit_now(status)
    from tcenv.cli.parsing.app import run

    return run(arguments)


def _sets_verbosity(arguments: list[str]) -> bool:
    environ = os.environ
    return (
        "TCENV_QUIET" in environ
        or "TCENV_VERBOSE" in environ
        or any(word in ("-q", "--quiet", "-v", "--verbose") for word in arguments[1:])
    )


def _announce(text: str, hint: Hint | None) -> None:
    from tcenv.cli.terminal import messages

    messages.warn(text, *(hint.parts if hint is not None else ()))


def _note(*parts: str | tuple[str, ...]) -> None:
    from tcenv.cli.terminal import messages

    messages.note(*parts)


def _report_reuse(fields: Mapping[str, str]) -> None:
    from tcenv.cli.terminal import messages

    messages.note_reuse(fields)


if __name__ == "__main__":
    sys.exit(main())
