"""The real shells: how each runs a script, and how each evaluates tcenv's output (the lines that CLI.md promises)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.need import need

_DUMP = "import json,os,sys; json.dump({k: v for k, v in os.environ.items()}, open(sys.argv[1], 'w'))"


@dataclass(frozen=True)
class RealShell:
    """A shell on this machine. `line` evaluates `{}`, a command that prints statements; `chain` is a statement that runs
    only if the one before it succeeded."""

    name: str
    program: str
    flags: tuple[str, ...]
    line: str
    chain: str = "{} && {}"

    def run(self, script: str, env: Mapping[str, str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `script` as a command line of the shell, without start-up files."""
        return subprocess.run(
            [need(self.program), *self.flags, script],
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
        """A statement that writes the environment of the shell's children to `path` as JSON."""
        quote = '"' if self.name in ("nu", "xonsh") else "'"
        caret = "^" if self.name == "nu" else ""
        program = f"{caret}{quote}{sys.executable}{quote}" if self.name == "nu" else sys.executable
        helper = path.parent / "dump.py"
        helper.write_text(_DUMP)
        return f"{program} {helper} {path}"


def environment_after(path: Path) -> dict[str, str]:
    """What `dump` wrote."""
    return dict(json.loads(path.read_text()))


_POSIX = 'eval "$({})"'
SHELLS = (
    RealShell("bash", "bash", ("--norc", "-c"), _POSIX),
    RealShell("zsh", "zsh", ("-f", "-c"), _POSIX),
    RealShell("sh", "dash", ("-c",), _POSIX),
    RealShell("busybox", "busybox", ("sh", "-c"), _POSIX),
    RealShell("ksh", "ksh93", ("-c",), _POSIX),
    RealShell("mksh", "mksh", ("-c",), _POSIX),
    RealShell("yash", "yash", ("--norcfile", "-c"), _POSIX),
    RealShell("fish", "fish", ("--no-config", "-c"), "{} | source", "{}; and {}"),
    RealShell("tcsh", "tcsh", ("-f", "-c"), "eval `{}`"),
    RealShell("csh", "bsd-csh", ("-f", "-c"), "eval `{}`"),
    RealShell("elvish", "elvish", ("-norc", "-c"), "eval ({} | slurp)", "{}; {}"),
    RealShell("nu", "nu", ("--no-config-file", "-c"), "{} | from json | load-env", "{}; {}"),
    RealShell("xonsh", "xonsh", ("--no-rc", "-c"), "execx($({}))", "{}\n{}"),
)
BY_NAME = {shell.name: shell for shell in SHELLS}
POSIX = tuple(shell for shell in SHELLS if shell.line == _POSIX)
