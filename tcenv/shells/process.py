"""Becoming another program: nothing of tcenv is left behind where the system can replace a process. Hot path."""

from __future__ import annotations

import os
import sys

from tcenv.signals import restore_ignored

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def replace_process(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become `command`, found on the PATH of `environ`, its arguments untouched. Where it cannot be started, say so and
    exit with 127 (not found) or 126 (not executable), as shells do."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        _run(command, environ)
    restore_ignored()
    try:
        os.execvpe(command[0], list(command), dict(environ))
    except (FileNotFoundError, NotADirectoryError):
        if os.path.dirname(command[0]) and os.path.exists(command[0]):
            _refuse(f"tcenv: {command[0]}: its interpreter is not there", NOT_EXECUTABLE)
        _refuse(f"tcenv: {command[0]}: command not found", NOT_FOUND)
    except OSError as error:
        _refuse(f"tcenv: {command[0]}: {error.strerror}", NOT_EXECUTABLE)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    import shutil
    import subprocess

    found = shutil.which(command[0], path=environ.get("PATH"))
    if found is None:
        _refuse(f"tcenv: {command[0]}: command not found", NOT_FOUND)
    sys.exit(subprocess.call([found, *command[1:]], env=dict(environ)))


def _refuse(message: str, status: int) -> NoReturn:
    print("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in message), file=sys.stderr)
    sys.exit(status)
