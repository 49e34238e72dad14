"""Find bash's start-up file, and keep aliases out of the text in it."""

from __future__ import annotations

import os
import sys

from tcenv import paths
from tcenv.shells.posix import PosixShell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_WITHOUT_ALIASES = """\
# None of your aliases is expanded in what follows, and the function takes the place of one called tcenv.
__tcenv_aliases=-u
\\builtin shopt -q expand_aliases && __tcenv_aliases=-s
\\builtin shopt -u expand_aliases
\\builtin unalias tcenv 2>/dev/null || \\builtin :
"""
_WITH_ALIASES = """\
\\builtin shopt "$__tcenv_aliases" expand_aliases
\\builtin unset -v __tcenv_aliases
"""


class Bash(PosixShell):
    minimum_version = "3.2"
    template = "init.bash"
    completion = "tcenv.bash"

    def guard(self, text: str, environ: Mapping[str, str]) -> str:
        """Switch aliases off while bash reads `text`. Only then does it expand them, in functions too."""
        return _WITHOUT_ALIASES + text + _WITH_ALIASES

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(home, ".bashrc")

    def explain_unread(self, path: str, home: str) -> tuple[str, str] | None:
        """Check the first of the files that a login shell reads. macOS opens login shells."""
        candidates = [os.path.join(home, name) for name in (".bash_profile", ".bash_login", ".profile")]
        login = next((path for path in candidates if os.path.lexists(path)), None)
        if login is None:
            if sys.platform != "darwin":
                return None
            login = candidates[0]
        elif _mentions_bashrc(login):
            return None
        return (
            f"Login shells read {login}, which does not read {path}.",
            f"Add to {login}: [ ! -r ~/.bashrc ] || . ~/.bashrc",
        )

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        rc = os.path.join(files, "rc.bash")
        # In POSIX mode bash ignores --rcfile and reads the file that ENV names.
        posix = {"ENV": rc, "__TCENV_ENV": environ.get("ENV", "")} if "POSIXLY_CORRECT" in environ else {}
        return [program, "--rcfile", rc], posix


def _mentions_bashrc(path: str) -> bool:
    try:
        with open(path, encoding="utf-8", errors="replace", opener=paths.open_regular) as file:
            return any("bashrc" in line and not line.lstrip().startswith("#") for line in file)
    except OSError:
        return False


SHELL = Bash()
