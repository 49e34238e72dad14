"""Run a command as a child and wait for it as a shell does, with its signals, terminal and status. Use this for commands
that tcenv must outlive. For all others, `process` replaces tcenv with the command."""

from __future__ import annotations

import os
import signal
import sys

from tcenv import core_dumps
from tcenv.shells.process import SHELL, explain_failure, is_script, list_candidates, report_failure
from tcenv.signals import IGNORED_BY_PYTHON, list_ending_signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any


def run_child(command: Sequence[str], environ: Mapping[str, str], started: Callable[[], None]) -> int:
    """Run `command` with the environment `environ`, call `started` once it runs, wait for its end and return its
    status. Like a shell, return 128+n for a signal n, and print a message and return 127 or 126 if the command cannot
    be started."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        from tcenv.shells.windows import run_command

        return run_command(command, environ, started)
    if not hasattr(signal, "sigwaitinfo"):
        return _run_with_subprocess(command, environ, started)
    # Signals that users send to tcenv but mean for the command.
    waited_for = {*list_ending_signals(), signal.SIGTSTP, signal.SIGCHLD}
    # Block the signals from here on, to take them one by one. An ignored signal would never arrive.
    former = signal.signal(signal.SIGCHLD, _do_nothing)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, waited_for)
    try:
        child = _spawn(command, environ, mask)
        if isinstance(child, str):
            return report_failure(command[0], child)
        started()
        return _wait(child, waited_for)
    finally:
        # Discard signals that arrived as the command ended: they were meant for it.
        while signal.sigtimedwait(waited_for, 0) is not None:
            pass
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        signal.signal(signal.SIGCHLD, former)


def _spawn(command: Sequence[str], environ: Mapping[str, str], mask: set[signal.Signals] | set[int]) -> int | str:
    """Return the process id, or the reason why the command cannot be started."""
    defaults = [getattr(signal, name) for name in IGNORED_BY_PYTHON if hasattr(signal, name)]

    def spawn(path: str, arguments: list[str]) -> int:
        with core_dumps.OriginalLimit():
            return os.posix_spawn(path, arguments, dict(environ), setsigmask=list(mask), setsigdef=defaults)

    reason = ""
    for path in list_candidates(command[0], environ):
        if not os.path.exists(path):
            # Skip it, because even a failed posix_spawn starts a process.
            continue
        try:
            return spawn(path, list(command))
        except OSError as error:
            if is_script(path, error):
                return spawn(SHELL, ["sh", path, *command[1:]])
            reason = reason or explain_failure(path, error)
    return reason


def _wait(child: int, waited_for: set[int]) -> int:
    while True:
        # Check before waiting for a signal: the child may already have ended.
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            # After Ctrl-Z or `suspend`, stop this process too, so that the shell gets the terminal. Both resume
            # together.
            os.kill(os.getpid(), signal.SIGSTOP)
            _send(child, signal.SIGCONT)
            continue
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        _reap_others(child)
        info = signal.sigwaitinfo(waited_for)
        # A signal from the terminal (a positive code) has also reached the child. Pass on one that was sent only to
        # tcenv. A closed terminal sends SIGHUP to the leader of the session alone.
        if info.si_signo != signal.SIGCHLD and (info.si_code <= 0 or info.si_signo == signal.SIGHUP):
            _send(child, info.si_signo)


def _reap_others(child: int) -> None:
    """Reap the ended processes that this process has adopted (see `proxy.held_port`)."""
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid == child:
            return
        os.waitpid(ended.si_pid, 0)


def _send(child: int, number: int) -> None:
    try:
        os.kill(child, number)
    except ProcessLookupError:
        return


def _run_with_subprocess(command: Sequence[str], environ: Mapping[str, str], started: Callable[[], None]) -> int:
    """Run the command on macOS, which cannot wait for signals one by one. The terminal's signals go to the command."""
    import shutil
    import subprocess

    found = shutil.which(command[0], path=environ.get("PATH"))
    if found is None:
        return report_failure(command[0], "")
    former: dict[int, Any] = {signal.SIGINT: signal.signal(signal.SIGINT, _do_nothing)}
    try:
        with core_dumps.OriginalLimit():
            child = subprocess.Popen([found, *command[1:]], env=dict(environ))
        with child:
            for number in {*list_ending_signals()} - {signal.SIGINT}:
                former[number] = signal.signal(number, lambda sent, frame: child.send_signal(sent))
            started()
            code = child.wait()
        return code if code >= 0 else 128 - code
    except OSError as error:
        return report_failure(command[0], error.strerror or str(error))
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _do_nothing(number: int, frame: object) -> None:
    return None
