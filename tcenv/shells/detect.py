"""Detect the shell that evaluates tcenv's output: the nearest ancestor process that is a shell.

On Linux /proc names the program itself; argv[0] and `SHELL` may mislead. On other systems shellingham lists the
processes. Part of the hot path."""

from __future__ import annotations

import os
import sys

from tcenv.errors import UsageError
from tcenv.shells import PROGRAMS, SHELLS

# Emulators and multi-call binaries. Their arguments name the program that they run.
_EMULATORS = ("busybox", "toybox", "qemu-", "rosetta")
# Interpreters of shells. Their first argument that is not an option names the shell.
_INTERPRETERS = ("python", "pypy", "dotnet")
_MAX_ANCESTORS = 64


class UndetectedShell(UsageError):
    """No shell is among the ancestors, and `SHELL` names none."""


def detect_shell(pid: int | None = None) -> str:
    """Return the registered name of the nearest shell among the ancestors of this process, or among `pid` and its
    ancestors. Raises UndetectedShell."""
    if pid is None:
        pid = os.getppid()
    found = _detect_in_proc(pid) if sys.platform.startswith("linux") else _detect_by_shellingham(pid)
    if found is None:
        found = _get_login_shell()
    if found is None:
        raise UndetectedShell(
            "tcenv cannot detect the shell that runs it.", "Name it: --shell bash, or set TCENV_SHELL."
        )
    return found


def _detect_in_proc(pid: int) -> str | None:
    for _ in range(_MAX_ANCESTORS):
        if pid <= 0:
            break
        found = _find_shell_of(pid)
        if found is not None:
            return found
        pid = _find_parent(pid)
    return None


def _find_parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The second field is the program's name in parentheses. It may hold blanks and parentheses.
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _find_shell_of(pid: int) -> str | None:
    try:
        program = _clean_name(os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)"))
    except OSError:
        # For another user's process (sudo), /proc still shows its name, which may be a script's, and its arguments.
        return _find_by_name(_clean_name(_read(pid, "comm").rstrip("\n"))) or _find_in_arguments(_read_arguments(pid))
    if program.startswith((*_EMULATORS, *_INTERPRETERS)):
        return _find_in_arguments(_read_arguments(pid))
    return _find_by_name(program)


def _read_arguments(pid: int) -> list[str]:
    return _read(pid, "cmdline").split("\0")


def _read(pid: int, name: str) -> str:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read(4096).decode(errors="replace")
    except OSError:
        return ""


def _find_in_arguments(arguments: list[str]) -> str | None:
    """Return the shell that a process with these arguments runs."""
    if not arguments:
        return None
    # xonsh may set its process name to its whole command line.
    program = _clean_name(arguments[0].partition(" ")[0])
    if program.startswith(_EMULATORS):
        return _find_in_arguments(arguments[1:])
    if program.startswith(_INTERPRETERS):
        script = next((argument for argument in arguments[1:] if not argument.startswith("-")), "")
        return _find_by_name(_clean_name(script).removesuffix(".dll"))
    return _find_by_name(program)


def _clean_name(path: str) -> str:
    """Return the last part of `path` without what login shells and wrappers add: `-bash`, `.zsh-wrapped`,
    `pwsh.exe`."""
    name = path[path.rfind("/") + 1 :].lstrip("-.").lower()
    return name.removesuffix(".exe").removesuffix("-wrapped").removesuffix("-static")


def _find_by_name(program: str) -> str | None:
    """Return the shell whose program is called `program`, with or without a version: `bash-5.2`."""
    for candidate in (program, program.rstrip("0123456789.-")):
        if candidate in PROGRAMS:
            return PROGRAMS[candidate]
    return None


def _get_login_shell() -> str | None:
    return _find_by_name(_clean_name(os.environ.get("SHELL", "")))


def _detect_by_shellingham(pid: int) -> str | None:
    """Detect the shell in shellingham's list of processes. On Unix, use only that list: for a login shell, shellingham
    itself reports `SHELL`, and it does not know all shells that tcenv knows."""
    import shellingham

    if os.name == "posix":
        from shellingham.posix import ps

        try:
            for process in ps.iter_process_parents(str(pid), _MAX_ANCESTORS):
                found = _find_in_arguments(list(process.args))
                if found is None and process.args[0] == "-su":
                    # `su -` gives the shell this name, and sets SHELL to the shell's path.
                    found = _get_login_shell()
                if found is not None:
                    return found
        except OSError:
            pass
        return None
    try:
        name = str(shellingham.detect_shell(pid)[0])
    except shellingham.ShellDetectionFailure:
        return None
    return name if name in SHELLS else _find_by_name(_clean_name(name))


def choose_shell(option: str | None) -> str:
    """Return the shell that will evaluate the output: the option's, that of `TCENV_SHELL`, or the one that runs this
    process. Raises UsageError."""
    return option or os.environ.get("TCENV_SHELL") or detect_shell()


def get_named_shell(option: str | None, *, csh: bool) -> str | None:
    """Return the shell that the option `--shell` names, or tcsh for `--csh`. Returns None without either."""
    return option or ("tcsh" if csh else None)
