"""Replace this process by a command, so that no process of tcenv remains. Part of the hot path."""

from __future__ import annotations

import errno
import os
import sys

from tcenv import core_dumps
from tcenv.signals import restore_ignored
from tcenv.text import replace_unprintable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

NOT_FOUND = 127
NOT_EXECUTABLE = 126
# POSIX runs a file by this shell if the kernel cannot run it.
SHELL = "/bin/sh"


def replace_process(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Replace this process by `command`, found on the PATH of `environ`, with unchanged arguments. If it cannot be
    started, print a message and exit as shells do: 127 (not found) or 126 (not executable)."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        from tcenv.shells.windows import run_command

        sys.exit(run_command(command, environ))
    restore_ignored()
    core_dumps.restore()
    reason = ""
    for path in list_candidates(command[0], environ):
        try:
            os.execve(path, list(command), dict(environ))
        except OSError as error:
            if is_script(path, error):
                os.execve(SHELL, ["sh", path, *command[1:]], dict(environ))
            reason = reason or explain_failure(path, error)
    sys.exit(report_failure(command[0], reason))


def list_candidates(name: str, environ: Mapping[str, str]) -> list[str]:
    """Return the paths to try for a command, in order."""
    if os.path.dirname(name):
        return [name]
    folders = environ.get("PATH", os.defpath).split(os.pathsep)
    return [os.path.join(folder or os.curdir, name) for folder in folders]


def is_script(path: str, error: OSError) -> bool:
    """Return whether the kernel refused a script without `#!`. Every shell and `execvp` run such a script with sh."""
    if error.errno != errno.ENOEXEC:
        return False
    try:
        with open(path, "rb") as file:
            return b"\0" not in file.read(256)
    except OSError:
        return False


def explain_failure(path: str, error: OSError) -> str:
    """Return why the file at `path` cannot be run, or "" if there is no such file."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return "its interpreter is missing" if os.path.exists(path) else ""
    return error.strerror or str(error)


def report_failure(name: str, reason: str) -> int:
    """Say why the command `name` does not run (an empty reason: it was not found). Returns its status, as shells do."""
    print(replace_unprintable(f"tcenv: {name}: {reason or 'command not found'}"), file=sys.stderr)
    return NOT_EXECUTABLE if reason else NOT_FOUND
