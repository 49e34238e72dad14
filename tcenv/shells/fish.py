"""Quote for fish, and find its start-up file."""

from __future__ import annotations

import os

from tcenv.shells import Shell, check_text, get_config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Fish(Shell):
    eval_line = "tcenv {} | source"
    source_line = "source {}"
    minimum_version = "3.6"
    template = "init.fish"
    completion = "tcenv.fish"

    def quote(self, text: str) -> str:
        """Put `text` in single quotes, and escape each backslash and single quote in it."""
        return "'" + check_text(text).replace("\\", "\\\\").replace("'", "\\'") + "'"

    def export(self, change: Mapping[str, str | None]) -> str:
        """Erase a variable from every scope that has it. Erasing a variable that does not exist would count as a
        failure."""
        return "".join(
            f"while builtin set -q {name}; builtin set -e {name}; or break; end;\n"
            if value is None
            else f"builtin set -gx {name} {self.quote(value)};\n"
            for name, value in change.items()
        )

    def make_failure(self) -> str:
        return "false;\n"

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        return f"test -x {self.quote(path)}; and {self.quote(path)} {words} | source"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(get_config_directory(environ, home), "fish", "config.fish")

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        return [program, "--init-command", f"source {self.quote(os.path.join(files, 'rc.fish'))}"], {}


SHELL = Fish()
