"""Find the command line that starts this Python again with tcenv, and without files of the current directory."""

from __future__ import annotations

import os
import site
import sys

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def get_interpreter_command() -> list[str]:
    """Return the words of the command line. Use `-I`, unless tcenv is installed in the user's site directory or on
    PYTHONPATH, which `-I` ignores."""
    elsewhere = [site.getusersitepackages(), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return [sys.executable, "-P" if _ROOT in elsewhere else "-I"]


def get_approver_command() -> str:
    """Return a value of BROWSER that approves on the sandbox's page."""
    return f"{' '.join(get_interpreter_command())} -m tcenv.sandbox.approve %s"
