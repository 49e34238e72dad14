"""The real shells: how each runs a script, and how each evaluates tcenv's output (the lines of docs/shells.md)."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcenv import shells
from tcenv.shells import Shell, load_shell
from tests.command_lines import can_fork_xonsh, run_xonsh
from tests.programs import require
from tests.shells.child import make_dump


@dataclass(frozen=True)
class RealShell:
    """A shell on this machine. `line` evaluates `{}`, a command that prints statements; `chain` is a statement that runs
    only if the one before it succeeded."""

    name: str
    program: str
    flags: tuple[str, ...]
    line: str
    chain: str = "{} && {}"

    def run(
        self, script: str, env: Mapping[str, str], timeout: float = 60, *, may_fork: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run `script` as a command line of the shell, without start-up files. With `may_fork`, its process may have another
        command line."""
        command = [require(self.program), *self.flags, script]
        if may_fork and can_fork_xonsh(command[0], env):
            return run_xonsh(command, env, timeout)
        return subprocess.run(
            command,
            env=dict(env),
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )

    def evaluate(self, command: str) -> str:
        """The line by which the shell evaluates the output of `command`."""
        return self.line.format(command)

    def dump(self, path: Path) -> str:
        """A statement that writes the environment of the shell's children to `path`."""
        return f"{'^' if self.name == 'nu' else ''}{make_dump(path, path.parent)}"


# How a shell runs a script without start-up files, and how it chains two statements, where it differs from `sh -c` and `&&`.
_FLAGS = {
    "bash": ("--norc", "-c"),
    "zsh": ("-f", "-c"),
    "yash": ("--norcfile", "-c"),
    "fish": ("--no-config", "-c"),
    "tcsh": ("-f", "-c"),
    "elvish": ("-norc", "-c"),
    "nu": ("--no-config-file", "-c"),
    "xonsh": ("--no-rc", "-c"),
    "powershell": ("-NoProfile", "-NoLogo", "-Command"),
}
_CHAINS = {"fish": "{}; and {}", "elvish": "{}; {}", "nu": "{}; {}", "xonsh": "{}\n{}"}
# Needs Windows.
_ELSEWHERE = ("cmd",)


def _real(name: str) -> RealShell:
    shell = load_shell(name)
    line = shell.evaluation.replace("tcenv {} --shell nu", "{}").replace("tcenv {}", "{}")
    program = (shell.executables or (name,))[0]
    return RealShell(name, program, _FLAGS.get(name, ("-c",)), line, _CHAINS.get(name, "{} && {}"))


SHELLS = (
    *(_real(name) for name in shells.SHELLS if name not in _ELSEWHERE),
    RealShell("busybox", "busybox", ("sh", "-c"), Shell.evaluation.replace("tcenv {}", "{}")),
    RealShell("csh", "bsd-csh", ("-f", "-c"), "eval `{}`"),
)
_POSIX = SHELLS[0].line
BY_NAME = {shell.name: shell for shell in SHELLS}
POSIX = tuple(shell for shell in SHELLS if shell.line == _POSIX)
