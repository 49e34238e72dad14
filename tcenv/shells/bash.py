"""bash."""

from __future__ import annotations

import os

from tcenv.shells.posix import PosixShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Bash(PosixShell):
    template = "init.bash"
    completion = "tcenv.bash"

    def startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(home, ".bashrc")

    def subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        rc = os.path.join(files, "rc.bash")
        # In POSIX mode bash reads the file that ENV names, and ignores --rcfile.
        posix = {"ENV": rc, "__TCENV_ENV": environ.get("ENV", "")} if "POSIXLY_CORRECT" in environ else {}
        return [program, "--rcfile", rc], posix


SHELL = Bash()
