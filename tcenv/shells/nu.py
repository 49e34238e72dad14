"""nushell. It reads JSON by `load-env`. A null removes a variable from the environment of every program that nushell
starts; in nushell itself the variable then reads as nothing."""

from __future__ import annotations

import os

from tcenv.shells import Shell, check_text, config_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPED = {'"': '\\"', "\\": "\\\\"}


class Nu(Shell):
    evaluation = "tcenv {} --shell nu | from json | load-env"
    reading = "open --raw {} | from json | load-env"
    template = "init.nu"
    completion = "tcenv.nu"
    saved_text = "tcenv.nu"

    def quote(self, text: str) -> str:
        """Write `text` as a JSON string in printable ASCII, which no pipe's encoding changes."""
        return '"' + "".join(_ESCAPED.get(character) or _escape(character) for character in check_text(text)) + '"'

    def export(self, change: Mapping[str, str | None]) -> str:
        pairs = ",".join(
            f"{self.quote(name)}:{'null' if value is None else self.quote(value)}" for name, value in change.items()
        )
        return "{" + pairs + "}\n"

    def failure(self) -> str:
        """Return JSON that is not a record, which `load-env` refuses."""
        return "false\n"

    def startup_line(self, path: str, words: str, home: str) -> str:
        return f"source (if ({self.quote(path)} | path exists) {{ {self.quote(path)} }} else {{ null }})"

    def startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(config_directory(environ, home), "nushell", "config.nu")

    def subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        return [program, "--execute", f"source {self.quote(os.path.join(files, 'rc.nu'))}"], {}


def _escape(character: str) -> str:
    if " " <= character <= "~":
        return character
    data = character.encode("utf-16-be")
    return "".join(f"\\u{high:02x}{low:02x}" for high, low in zip(data[::2], data[1::2], strict=True))


SHELL = Nu()
