"""Run programs as another user of this machine."""

from __future__ import annotations

import subprocess

from tests.programs import require

# An account that owns nothing.
STRANGER = 4242
# That user cannot read the interpreter of the tests.
_PYTHON = ("/usr/bin/env", "python3", "-I", "-c")


def make_prefix(user: int = STRANGER) -> list[str]:
    """Return the words before a command that run it as `user`, without further groups."""
    return [require("setpriv"), f"--reuid={user}", f"--regid={user}", "--clear-groups"]


def make_python_command(program: str, *words: str, user: int = STRANGER) -> list[str]:
    """Return the command that runs a Python program, which imports nothing of tcenv, as `user`."""
    return [*make_prefix(user), *_PYTHON, program, *words]


def start_python(program: str, *words: str, user: int = STRANGER) -> subprocess.Popen[str]:
    """Start such a program. Its input and output are pipes."""
    command = make_python_command(program, *words, user=user)
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
