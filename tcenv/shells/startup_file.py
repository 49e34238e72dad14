"""Compose, find, add and remove the guarded line of `tcenv init --install` in a start-up file.

The line names the program by its path, because a shell reads start-up files before PATH is complete. It does nothing if
the program is gone. This module reads and writes no file."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Sequence

from tcenv.shells import Shell

# The end of the line. It identifies the line.
MARK = "# tcenv init --install"


def find_own_program() -> str:
    """Return the path by which this tcenv was called. Keep links, since an upgrade may change their targets."""
    called = sys.argv[0]
    if os.name == "nt":
        return _get_program_on_windows(called)
    if os.path.basename(called).partition(".")[0] == "tcenv":
        found: str | None = called
        if not os.path.dirname(called):
            import shutil

            found = shutil.which(called)
        if found and os.access(found, os.X_OK):
            return os.path.abspath(found)
    return os.path.join(sysconfig.get_path("scripts"), "tcenv")


def _get_program_on_windows(called: str) -> str:
    """Return the path with slashes, which every shell there takes and none reads as an escape. The launcher leaves its ending
    out of the name by which it was called."""
    found = os.path.abspath(called.removesuffix(".exe") + ".exe")
    if not os.path.isfile(found) or os.path.basename(found).lower() != "tcenv.exe":
        found = os.path.join(sysconfig.get_path("scripts"), "tcenv.exe")
    return found.replace(os.sep, "/")


def make_line(shell: Shell, path: str, options: Sequence[str], home: str) -> str:
    """Return the line for `shell` that evaluates the output of `PATH init SHELL OPTIONS`. Raises UsageError."""
    return f"{shell.make_startup_line(path, ' '.join(['init', shell.name, *options]), home)} {MARK}"


def add_line(text: str, line: str) -> str:
    """Return `text` with tcenv's line replaced by `line`, or with `line` appended if it has none."""
    lines = text.splitlines(keepends=True)
    found = [number for number, other in enumerate(lines) if _is_own_line(other)]
    if found:
        lines[found[0]] = line + "\n"
        return "".join(other for number, other in enumerate(lines) if number not in found[1:])
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines) + line + "\n"


def remove_line(text: str) -> str:
    """Return `text` without tcenv's line, and otherwise unchanged."""
    return "".join(line for line in text.splitlines(keepends=True) if not _is_own_line(line))


def is_evaluated(text: str, shell: Shell) -> bool:
    """Return whether a start-up file with this text evaluates `tcenv init`, by tcenv's line or by one that the user
    wrote."""
    signs = [f"tcenv init {shell.name}", *([shell.saved_text] if shell.saved_text else [])]
    lines = [line.strip() for line in text.splitlines()]
    return any(_is_own_line(line) or (line[:1] != "#" and any(sign in line for sign in signs)) for line in lines)


def is_followed(text: str, shell: Shell) -> bool:
    """Return whether anything but comments follows the last line that evaluates `tcenv init`."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [number for number, line in enumerate(lines) if is_evaluated(line, shell)]
    return bool(found) and found[-1] + 1 < len(lines)


def _is_own_line(line: str) -> bool:
    return line.rstrip().endswith(MARK) and not line.lstrip().startswith("#")
