"""Run the real shells: how each runs a script, evaluates tcenv's output (the lines of docs/shells.md), reads the text of
`tcenv init` and calls its prompt hook without a terminal."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcenv import shells
from tcenv.shells import Shell, get_canonical_name, load_shell
from tests.command_lines import can_fork_xonsh, run_xonsh
from tests.programs import require
from tests.world import make_init_text

# The child is perl because it starts five times as fast as Python.
_DUMP = """open my $file, '>:raw', $ARGV[0] or die;
print $file map { "$_=$ENV{$_}\\0" } keys %ENV;
"""
# What `check_trace` prints while the shell traces.
STILL_TRACED = "traced-still"


def read_environment(path: Path) -> dict[str, str]:
    """Return the environment that a shell's child wrote to `path` (`RealShell.make_dump`)."""
    entries = path.read_bytes().decode(errors="surrogateescape").split("\0")
    return dict(entry.partition("=")[::2] for entry in entries if entry)


@dataclass(frozen=True)
class RealShell:
    """A shell on this machine. `{}` stands for what its methods fill in.

    `line` evaluates the output of a command. `chain` runs its second statement only if the first succeeds. `source` reads
    a file; an empty one means that the script has the text of the file. `hook` does what a prompt does (empty: the shell
    has no hook). `trace` starts the shell's own trace, and `check_trace` prints STILL_TRACED as long as it is on.
    `status` is the last exit status."""

    name: str
    program: str
    flags: tuple[str, ...]
    line: str
    chain: str = "{} && {}"
    source: str = ". {}"
    hook: str = ""
    trace: str = ""
    check_trace: str = ""
    status: str = "$?"

    @property
    def command(self) -> list[str]:
        """Return the words that start the shell without start-up files."""
        return [require(self.program), *self.flags]

    @property
    def init(self) -> str:
        """Return the name by which tcenv knows the shell."""
        return get_canonical_name(self.name)

    @property
    def caret(self) -> str:
        """Return what nushell needs before an external command."""
        return "^" if self.name == "nu" else ""

    def run(
        self, script: str, env: Mapping[str, str], timeout: float = 60, *, may_fork: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run `script` as a command line of the shell, bounded in time: a prompt that hangs is a failure. With `may_fork`,
        its process may have another command line."""
        command = [*self.command, "-Command" if self.name == "powershell" else "-c", script]
        if may_fork and can_fork_xonsh(command[0], env):
            return run_xonsh(command, env, timeout)
        return subprocess.run(
            command,
            env=dict(env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run_lines(self, *lines: str, env: Mapping[str, str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run the lines as a script, in a fork where that saves a start."""
        return self.run("\n".join(lines), env, timeout, may_fork=True)

    def make_evaluation(self, command: str) -> str:
        """Return the line by which the shell evaluates the output of `command`."""
        return self.line.format(command)

    def make_call(self, words: str) -> str:
        """Return the line that calls the function of `tcenv init`. In tcsh, an alias counts from the next line on."""
        return f"eval tcenv {words}" if self.init == "tcsh" else f"tcenv {words}"

    def make_dump(self, path: Path) -> str:
        """Return a statement that writes the environment of the shell's children to `path`."""
        program = path.parent / "dump.pl"
        program.write_text(_DUMP)
        return f"{self.caret}{require('perl')} {program} {path}"

    def make_source(self, path: Path) -> str:
        """Return a statement that reads the file at `path`."""
        return self.source.format(path) if self.source else path.read_text()

    def write_init_text(self, env: Mapping[str, str], folder: Path, *options: str) -> Path:
        """Write the text of `tcenv init` to a file that the shell can read without a terminal."""
        text = make_init_text(self.init, "--no-completion", *options, env=env)
        if self.name == "elvish":
            # Without its guard the functions are the caller's; there is no line editor without a terminal.
            text = text.partition("  eval '")[2].rpartition("'\n} else {")[0].replace("''", "'")
            text = "\n".join(line for line in text.splitlines() if "edit:" not in line).replace(
                "if (not (has-env __TCENV_ELVISH_HOOK)) {\n}", ""
            )
        path = folder / f"init.{self.name}"
        path.write_text(text + "\n")
        return path


_FLAGS = {
    "bash": ("--norc",),
    "zsh": ("-f",),
    "yash": ("--norcfile",),
    "fish": ("--no-config",),
    "tcsh": ("-f",),
    "elvish": ("-norc",),
    "nu": ("--no-config-file",),
    "xonsh": ("--no-rc",),
    "powershell": ("-NoProfile", "-NoLogo"),
}
_CHAINS = {"fish": "{}; and {}", "elvish": "{}; {}", "nu": "{}; {}", "xonsh": "{}\n{}"}
_SOURCES = {"fish": "source {}", "tcsh": "source {}", "nu": "source {}", "csh": "echo {}", "elvish": "", "xonsh": ""}
_HOOKS = {
    "bash": "__tcenv_hook",
    "zsh": "__tcenv_hook",
    "ksh": "x=${ __tcenv_hook; }",
    "mksh": "x=${ __tcenv_hook; }",
    "fish": "emit fish_prompt",
    "tcsh": "eval precmd",
    "elvish": "tcenv-hook",
    "nu": "__tcenv_hook",
    "xonsh": "_tcenv_hook()",
}
_SET_X = ("set -x", "case $- in *x*) echo traced-still ;; esac")
_TRACES = {
    **dict.fromkeys(("bash", "zsh", "sh", "busybox", "ksh", "mksh", "yash"), _SET_X),
    "fish": ("set -g fish_trace 1", 'test "$fish_trace" = 1; and echo traced-still'),
    "tcsh": ("set echo; set verbose", 'if ( $?echo && $?verbose ) printf "%s%s" traced -still'),
}


def _make_shell(name: str, program: str, flags: tuple[str, ...], line: str) -> RealShell:
    return RealShell(
        name,
        program,
        flags,
        line,
        _CHAINS.get(name, "{} && {}"),
        _SOURCES.get(name, ". {}"),
        _HOOKS.get(name, ""),
        *_TRACES.get(name, ("", "")),
        "$status" if name in ("fish", "tcsh") else "$?",
    )


def _find_shell(name: str) -> RealShell:
    shell = load_shell(name)
    line = shell.eval_line.replace("tcenv {} --shell nu", "{}").replace("tcenv {}", "{}")
    return _make_shell(name, (shell.executables or (name,))[0], _FLAGS.get(name, ()), line)


SHELLS = (
    # cmd needs Windows.
    *(_find_shell(name) for name in shells.SHELLS if name != "cmd"),
    _make_shell("busybox", "busybox", ("sh",), Shell.eval_line.replace("tcenv {}", "{}")),
    _make_shell("csh", "bsd-csh", ("-f",), "eval `{}`"),
)
BY_NAME = {shell.name: shell for shell in SHELLS}
POSIX = tuple(shell for shell in SHELLS if shell.line == BY_NAME["bash"].line)
# Shells that read the text of `tcenv init` in a script. csh has none, and test_powershell.py has PowerShell's.
SCRIPTED = tuple(shell for shell in SHELLS if shell.name not in ("csh", "powershell"))
HOOKED = tuple(shell for shell in SHELLS if shell.hook)
TRACED = tuple(shell for shell in SHELLS if shell.trace)
