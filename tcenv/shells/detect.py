"""Which shell will evaluate our output: the nearest ancestor process that is one. On Linux from /proc, which tells the program
itself where argv[0] and `SHELL` mislead; elsewhere by shellingham. Must stay importable for next to nothing (hot path)."""

from __future__ import annotations

import os
import sys

from tcenv.errors import UsageError
from tcenv.shells import ALIASES, SHELLS

_NAMES = frozenset((*SHELLS, *ALIASES)) - {"posix", "cmd"}
# Programs that are many: what they are this time stands in their arguments.
_INTERPRETERS = ("python", "busybox", "toybox", "pypy")
_DEEPEST = 64


def detect_shell(pid: int | None = None) -> str:
    """The canonical name of the nearest shell among the ancestors of this process (or `pid` and its own). Raises UsageError."""
    if sys.platform.startswith("linux"):
        found = _by_proc(os.getppid() if pid is None else pid)
    else:
        found = _by_shellingham()
    if found is None:
        found = _named(os.path.basename(os.environ.get("SHELL", "")))
    if found is None:
        raise UsageError("The shell that runs tcenv cannot be told.", "Name it: --shell bash, or set TCENV_SHELL.")
    return found


def _by_proc(pid: int) -> str | None:
    for _ in range(_DEEPEST):
        if pid <= 0:
            break
        found = _of_process(pid)
        if found is not None:
            return found
        pid = _parent(pid)
    return None


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in parentheses, and may itself hold any of these.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _of_process(pid: int) -> str | None:
    arguments = _arguments(pid)
    try:
        programs = [os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")]
    except OSError:
        # Another user's (sudo): its name, which may be a script's, and its arguments can still be read.
        programs = [_command_name(pid), *arguments[:1]]
    if os.path.basename(programs[0]).startswith(_INTERPRETERS):
        programs = arguments[:2] if arguments[1:3] != ["-m", "xonsh"] else ["xonsh"]
    return next(filter(None, (_named(os.path.basename(program)) for program in programs)), None)


def _arguments(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read(4096).decode(errors="replace").split("\0")
    except OSError:
        return []


def _command_name(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            return file.read().decode(errors="replace").rstrip("\n")
    except OSError:
        return ""


def _named(program: str) -> str | None:
    """The shell that goes by the file name `program`: `-bash`, `.zsh-wrapped`, `ksh93`, `bash-5.2`, `pwsh.exe`."""
    name = program.lstrip("-.").removesuffix("-wrapped").removesuffix(".exe").lower()
    for candidate in (name, name.rstrip("0123456789.-")):
        if candidate in _NAMES:
            return ALIASES.get(candidate, candidate)
    return {"rbash": "bash", "rzsh": "zsh", "lksh": "mksh", "bsd-csh": "tcsh", "ksh2020": "ksh"}.get(name)


def _by_shellingham() -> str | None:
    import shellingham

    try:
        name, path = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        return None
    # For a login shell it answers with $SHELL, whatever runs; elsewhere than on Linux that stays the best guess.
    return _named(str(name)) or _named(os.path.basename(str(path)))
