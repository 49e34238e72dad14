"""Which shell will evaluate our output: the nearest ancestor process that is one. On Linux from /proc, which tells the program
itself where argv[0] and `SHELL` mislead; elsewhere by shellingham. Must stay importable for next to nothing (hot path)."""

from __future__ import annotations

import os
import sys

from tcenv.errors import UsageError
from tcenv.shells import ALIASES, SHELLS

# busybox is many programs, and a Unix program called cmd or posix is no shell.
_NAMES = frozenset((*SHELLS, *ALIASES)) - {"busybox", "posix", "cmd"}
# Shells by other names, each read like the one on the right.
_RELATED = {
    "rbash": "bash",
    "rzsh": "zsh",
    "posh": "sh",
    "bsd-csh": "tcsh",
    "ksh2020": "ksh",
    "lksh": "mksh",
    "oksh": "mksh",
    "pdksh": "mksh",
    "pwsh-preview": "powershell",
}
# Programs that run another, which their arguments name: emulators, and boxes of many programs.
_CARRIERS = ("busybox", "toybox", "qemu-", "rosetta")
_PYTHONS = ("python", "pypy")
_DEEPEST = 64


def detect_shell(pid: int | None = None) -> str:
    """The canonical name of the nearest shell among the ancestors of this process (or `pid` and its own). Raises UsageError."""
    if pid is None:
        pid = os.getppid()
    found = _by_proc(pid) if sys.platform.startswith("linux") else _by_shellingham(pid)
    if found is None:
        found = _login_shell()
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
    try:
        program = _file_name(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    except OSError:
        # Another user's (sudo): its name, which may be a script's, and its arguments can still be read.
        return _named(_file_name(_read(pid, "comm").rstrip("\n"))) or _by_arguments(_arguments(pid))
    if program.startswith((*_CARRIERS, *_PYTHONS)):
        return _by_arguments(_arguments(pid))
    return _named(program)


def _arguments(pid: int) -> list[str]:
    return _read(pid, "cmdline").split("\0")


def _read(pid: int, what: str) -> str:
    try:
        with open(f"/proc/{pid}/{what}", "rb") as file:
            return file.read(4096).decode(errors="replace")
    except OSError:
        return ""


def _by_arguments(arguments: list[str]) -> str | None:
    """The shell that a process with these arguments is."""
    if not arguments:
        return None
    # xonsh may make its whole command line its name.
    program = _file_name(arguments[0].partition(" ")[0])
    if program.startswith(_CARRIERS):
        return _by_arguments(arguments[1:])
    if program.startswith(_PYTHONS):
        script = next((argument for argument in arguments[1:] if not argument.startswith("-")), "")
        return "xonsh" if _file_name(script) == "xonsh" else None
    return _named(program)


def _file_name(path: str) -> str:
    """The last part of `path` without what login shells and wrappers put around it: `-bash`, `.zsh-wrapped`, `pwsh.exe`."""
    name = path[path.rfind("/") + 1 :].lstrip("-.").lower()
    return name.removesuffix(".exe").removesuffix("-wrapped").removesuffix("-static")


def _named(program: str) -> str | None:
    """The shell that goes by the file name `program`, which may carry a version: `ksh93`, `bash-5.2`."""
    for candidate in (program, program.rstrip("0123456789.-")):
        if candidate in _NAMES:
            return ALIASES.get(candidate, candidate)
    return _RELATED.get(program)


def _login_shell() -> str | None:
    return _named(_file_name(os.environ.get("SHELL", "")))


def _by_shellingham(pid: int) -> str | None:
    """By shellingham's list of processes. On Unix its own judgement is not asked: it takes a login shell for `SHELL`,
    and does not know all of our shells."""
    import shellingham

    if os.name == "posix":
        from shellingham.posix import ps

        try:
            for process in ps.iter_process_parents(str(pid), _DEEPEST):
                found = _by_arguments(list(process.args))
                if found is None and process.args[0] == "-su":
                    # `su -` names the shell so, and has set SHELL to it.
                    found = _login_shell()
                if found is not None:
                    return found
        except OSError:
            pass
        return None
    try:
        name = str(shellingham.detect_shell(pid)[0])
    except shellingham.ShellDetectionFailure:
        return None
    return "cmd" if name == "cmd" else _named(_file_name(name))


def choose_shell(option: str | None) -> str:
    """Return the shell that will evaluate the output: the option, `TCENV_SHELL`, or the shell that runs this process.
    Raises UsageError."""
    return option or os.environ.get("TCENV_SHELL") or detect_shell()
