"""tcsh, and the older csh.

``eval `tcenv login` `` splits at white space, expands braces and replaces `!` by history, so write a value that holds
any of these as octal numbers for printf. tcsh cannot carry a newline, which splits words even inside double-quoted
backquotes. csh stops with "Word too long" after some thousand characters."""

from __future__ import annotations

import os

from tcenv.shells import Shell, Unrepresentable, check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Excludes `!`: the user's `histchars` decides whether a backslash before it stays.
_SAFE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@/:.+|_-%,=")
# Must fit into one argument of printf: Linux allows 128 KiB.
_LONGEST = 32_000


class Tcsh(Shell):
    eval_line = "eval `tcenv {}`"
    source_line = "source {}"
    executables = ("tcsh", "csh")
    minimum_version = "6.21"
    template = "init.tcsh"
    sourcing_line = (
        "set __tcenv_shell = @SHELL@; set __tcenv_made = @PROGRAM@; set __tcenv_hook = @HOOK@; "
        "set __tcenv_prompts = @PROMPT@; set __tcenv_evaluated = ( @EVALUATED@ ); "
        "set __tcenv_variables = ( @VARIABLES@ ); source $__tcenv_shell:q/init.tcsh;\n"
    )

    def quote(self, text: str) -> str:
        """Put `text` in single quotes, or write all of it in octal numbers. Raises Unrepresentable."""
        if "\n" in check_text(text):
            raise Unrepresentable("a newline")
        if not set(text) - _SAFE:
            return f"'{text}'"
        data = text.encode()
        if len(data) > _LONGEST:
            raise Unrepresentable(f"more than {_LONGEST} bytes")
        return "\"`''printf '" + "".join(f"\\{byte:03o}" for byte in data) + "'`\""

    def export(self, change: Mapping[str, str | None]) -> str:
        """Chain the statements in one line. Empty quotes bypass the user's aliases. A backslash would also hide
        the builtins from tcsh."""
        steps = (
            f"''unsetenv {name}" if value is None else f"''setenv {name} {self.quote(value)}"
            for name, value in change.items()
        )
        return " && ".join(steps) + ";\n" if change else ""

    def make_failure(self) -> str:
        return "false;\n"

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        """Return a line that only interactive shells run, because scripts read the file too. `:q` works in backquotes
        unless double quotes surround them."""
        return (
            f"set __tcenv_program = {self.quote(path)}; "
            f"if ( $?prompt && -x $__tcenv_program:q ) eval `$__tcenv_program:q {words}`"
        )

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        paths = self.list_startup_files(environ, home)
        return next((path for path in paths if os.path.lexists(path)), paths[0])

    def list_startup_files(self, environ: Mapping[str, str], home: str) -> list[str]:
        return [os.path.join(home, name) for name in (".tcshrc", ".cshrc")]


SHELL = Tcsh()
