"""Find yash's start-up file, and plan its subshell."""

from __future__ import annotations

import os

from tcenv.shells.posix import EnvShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Yash(EnvShell):
    template = "init.sh"
    own_file = ".yashrc"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        """Return `~/.yashrc`. An interactive yash reads ENV only in POSIX mode."""
        return os.path.join(home, ".yashrc")

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        command, variables = super().plan_subshell(program, environ, home, files)
        return [*command, "--rcfile", variables["ENV"]], variables


SHELL = Yash()
