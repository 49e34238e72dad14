"""zsh."""

from __future__ import annotations

import os

from tcenv.shells.posix import PosixShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Zsh(PosixShell):
    template = "init.zsh"
    completion = "_tcenv"

    def startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(environ.get("ZDOTDIR") or home, ".zshrc")

    def subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        return [program], {"ZDOTDIR": os.path.join(files, "zsh"), "__TCENV_ZDOTDIR": environ.get("ZDOTDIR", "")}


SHELL = Zsh()
