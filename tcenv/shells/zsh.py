"""Find zsh's start-up file, and keep aliases out of the text in it."""

from __future__ import annotations

import os
import shutil

from tcenv.shells.posix import PosixShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The functions of the text run with these options too, and restore the user's at their end, even after Ctrl-C. They are
# not traced, export nothing that they set, and can remove the user's DEBUG trap for themselves.
_OPTIONS = ("no_aliases", "no_xtrace", "no_verbose", "no_allexport", "local_options", "local_traps")


class Zsh(PosixShell):
    minimum_version = "5.8"
    template = "init.zsh"
    completion = "_tcenv"

    def guard(self, text: str, environ: Mapping[str, str]) -> str:
        """Evaluate `text` with zsh's own options and without aliases, whatever the user has set. zsh parses a whole text
        before it runs the first line, so `text` is a string. The backslash at each line's end is for csh_junkie_quotes."""
        quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\\n")
        options = "".join(f" -o {option}" for option in _OPTIONS)
        return f"\\builtin emulate -R zsh{options} -c $'{quoted}'\n\\builtin unalias tcenv 2>/dev/null || \\builtin :\n"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        """Ask zsh for ZDOTDIR, which users set in `.zshenv` without exporting it."""
        folder = self._ask_for_folder(environ) or environ.get("ZDOTDIR") or home
        return os.path.join(folder, ".zshrc")

    def list_startup_files(self, environ: Mapping[str, str], home: str) -> list[str]:
        return [*super().list_startup_files(environ, home), os.path.join(home, ".zshrc")]

    def _ask_for_folder(self, environ: Mapping[str, str]) -> str:
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

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        return [program], {"ZDOTDIR": os.path.join(files, "zsh"), "__TCENV_ZDOTDIR": environ.get("ZDOTDIR", "")}


SHELL = Zsh()
