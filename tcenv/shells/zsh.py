"""zsh."""

from __future__ import annotations

import os
import shutil

from tcenv.shells.posix import PosixShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Zsh(PosixShell):
    lowest = "5.8"
    template = "init.zsh"
    completion = "_tcenv"

    def guard(self, text: str, environ: Mapping[str, str]) -> str:
        """Evaluate `text` with zsh's own options and without aliases, whatever the user has set. Its functions keep these
        options. zsh parses a whole text before it runs the first line, so `text` is a string; a backslash at each end of a
        line is for csh_junkie_quotes."""
        quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\\n")
        return f"\\builtin emulate -R zsh -o no_aliases -c $'{quoted}'\n\\builtin unalias tcenv 2>/dev/null || \\builtin :\n"

    def startup_file(self, environ: Mapping[str, str], home: str) -> str:
        """Ask zsh for ZDOTDIR, which users set in `.zshenv` without exporting it."""
        folder = self._ask(environ) or environ.get("ZDOTDIR") or home
        return os.path.join(folder, ".zshrc")

    def startup_files(self, environ: Mapping[str, str], home: str) -> list[str]:
        return [*super().startup_files(environ, home), os.path.join(home, ".zshrc")]

    def _ask(self, environ: Mapping[str, str]) -> str:
        import subprocess

        program = shutil.which("zsh", path=environ.get("PATH"))
        if program is None:
            return ""
        command = [program, "-c", 'print -rn -- "$__tcenv_separator${ZDOTDIR:-$HOME}"']
        # `.zshenv` may print text before the separator.
        separator = "\n--tcenv--\n"
        try:
            done = subprocess.run(
                command,
                env={**environ, "__tcenv_separator": separator},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=5,
            )
        except (OSError, subprocess.TimeoutExpired):
            return ""
        folder = os.fsdecode(done.stdout).rpartition(separator)[2]
        return folder if os.path.isabs(folder) else ""

    def subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        return [program], {"ZDOTDIR": os.path.join(files, "zsh"), "__TCENV_ZDOTDIR": environ.get("ZDOTDIR", "")}


SHELL = Zsh()
