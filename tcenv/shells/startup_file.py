"""The guarded line of `tcenv init --install` in a start-up file: composing it, finding it, adding and removing it.

The line names the program by its path, because start-up files are read before PATH is complete, and does nothing where the
program is gone. This module reads and writes no file."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tcenv.shells import Shell

# Ends the line, and identifies it.
MARK = "# tcenv init --install"


def program() -> str:
    """Return the path by which this tcenv was called. Links stay, since an upgrade may change where they lead."""
    called = sys.argv[0]
    if os.path.basename(called).partition(".")[0] == "tcenv":
        found: str | None = called
        if not os.path.dirname(called):
            import shutil

            found = shutil.which(called)
        if found and os.access(found, os.X_OK):
            return os.path.abspath(found)
    import sysconfig

    return os.path.join(sysconfig.get_path("scripts"), "tcenv")


def line(shell: Shell, path: str, options: Sequence[str], home: str) -> str:
    """Return the line for `shell` that evaluates the output of `PATH init SHELL OPTIONS`. Raises UsageError."""
    return f"{shell.startup_line(path, ' '.join(['init', shell.name, *options]), home)} {MARK}"


def with_line(text: str, wanted: str) -> str:
    """Replace the line in `text`, or append it."""
    lines = text.splitlines(keepends=True)
    ours = [number for number, one in enumerate(lines) if _is_ours(one)]
    if ours:
        lines[ours[0]] = wanted + "\n"
        return "".join(one for number, one in enumerate(lines) if number not in ours[1:])
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    return "".join(lines) + wanted + "\n"


def without_line(text: str) -> str:
    """Remove the line from `text` and change nothing else."""
    return "".join(one for one in text.splitlines(keepends=True) if not _is_ours(one))


def evaluates(text: str, shell: Shell) -> bool:
    """Tell whether a start-up file with this text evaluates `tcenv init`, by our line or by one that the user wrote."""
    signs = [f"tcenv init {shell.name}", *([shell.saved_text] if shell.saved_text else [])]
    lines = [one.strip() for one in text.splitlines()]
    return any(_is_ours(one) or (not one.startswith("#") and any(sign in one for sign in signs)) for one in lines)


def is_followed(text: str, shell: Shell) -> bool:
    """Tell whether more than comments follows the last line that evaluates `tcenv init`."""
    lines = [one for one in text.splitlines() if one.strip() and (_is_ours(one) or not one.lstrip().startswith("#"))]
    ours = [number for number, one in enumerate(lines) if evaluates(one, shell)]
    return bool(ours) and ours[-1] + 1 < len(lines)


def _is_ours(one: str) -> bool:
    return one.rstrip().endswith(MARK) and not one.lstrip().startswith("#")
