"""Quote for elvish, and find its start-up file."""

from __future__ import annotations

import os

from tcenv.shells import Shell, check_text, get_config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Elvish(Shell):
    eval_line = "eval (tcenv {} | slurp)"
    source_line = "eval (slurp < {})"
    minimum_version = "0.19"
    template = "init.elv"
    completion = "tcenv.elv"

    def quote(self, text: str) -> str:
        """Put `text` in single quotes, and double each single quote in it. No other character is special there."""
        return "'" + check_text(text).replace("'", "''") + "'"

    def guard(self, text: str, environ: Mapping[str, str]) -> str:
        """Evaluate `text` as a string, since a shell that cannot parse it reads nothing behind it. `tmp` is as old as what
        the text needs."""
        refusal = f"echo '{self.explain_too_old()}.' >&2"
        return f"if (eq (resolve tmp) special) {{\n  eval {self.quote(text)}\n}} else {{\n  {refusal}\n}}\n"

    def export(self, change: Mapping[str, str | None]) -> str:
        return "".join(
            f"unset-env {name}\n" if value is None else f"set-env {name} {self.quote(value)}\n"
            for name, value in change.items()
        )

    def make_failure(self) -> str:
        return "fail 'tcenv failed'\n"

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        run = f"(external {self.quote(path)}) {words}"
        return f"if (has-external {self.quote(path)}) {{ eval ({run} | slurp) }}"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(get_config_directory(environ, home), "elvish", "rc.elv")

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        own = self.find_startup_file(environ, home)
        return [program, "-rc", os.path.join(files, "rc.elv")], {"__TCENV_RC": own} if os.path.exists(own) else {}


SHELL = Elvish()
