"""Tell how to start this Python anew with tcenv in it, and without the current directory's files."""

from __future__ import annotations

import os
import site
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def get_interpreter_command() -> list[str]:
    """Return the words of a command line: with `-I` unless tcenv is found by the user's own site directory or by PYTHONPATH,
    which that leaves out."""
    elsewhere = [site.getusersitepackages(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return [sys.executable, "-P" if _ROOT in elsewhere else "-I"]


def get_approver_command() -> str:
    """Return the value of BROWSER that approves on the sandbox's page."""
    return f"{' '.join(get_interpreter_command())} -m tcenv.sandbox.approve %s"
