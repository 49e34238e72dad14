"""Quote for xonsh, and find its start-up file."""

from __future__ import annotations

import os

from tcenv.shells import Shell, check_text, get_config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Xonsh(Shell):
    eval_line = "execx($(tcenv {}))"
    source_line = "source {}"
    minimum_version = "0.12"
    template = "init.xsh"

    def quote(self, text: str) -> str:
        """Write `text` as a Python literal in ASCII."""
        return ascii(check_text(text))

    def export(self, change: Mapping[str, str | None]) -> str:
        return "".join(
            f"${{...}}.pop({self.quote(name)}, None)\n" if value is None else f"${name} = {self.quote(value)}\n"
            for name, value in change.items()
        )

    def make_failure(self) -> str:
        return "raise RuntimeError('tcenv failed')\n"

    def make_word_list(self, words: Sequence[str]) -> str:
        return ", ".join(ascii(word) for word in words)

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        """Return a line without `$(…)`: before 0.23, an interactive xonsh at times loses what that captures."""
        command = ", ".join(map(self.quote, (path, *words.split())))
        run = f"__import__('subprocess').run([{command}], stdout=-1, text=True)"
        return f"__import__('os').access({self.quote(path)}, 1) and execx({run}.stdout)"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        own, other = self.list_startup_files(environ, home)[:2]
        return own if os.path.lexists(own) else other

    def list_startup_files(self, environ: Mapping[str, str], home: str) -> list[str]:
        places = [os.path.join(get_config_directory(variables, home), "xonsh", "rc.xsh") for variables in (environ, {})]
        return [os.path.join(home, ".xonshrc"), *places]

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        users = (
            "/etc/xonsh/xonshrc",
            os.path.join(home, ".xonshrc"),
            os.path.join(get_config_directory(environ, home), "xonsh", "rc.xsh"),
        )
        rc = [path for path in users if os.path.exists(path)]
        return [program, "--rc", *rc, os.path.join(files, "rc.xsh")], {}


SHELL = Xonsh()
