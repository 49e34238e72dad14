"""nushell. It reads JSON by `load-env`. A null removes a variable from the environment of every program that nushell
starts; in nushell itself the variable then reads as nothing."""

from __future__ import annotations

import os

from tcenv.shells import Shell, export_json, get_config_directory, quote_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Nu(Shell):
    eval_line = "tcenv {} --shell nu | from json | load-env"
    source_line = "open --raw {} | from json | load-env"
    minimum_version = "0.98"
    template = "init.nu"
    completion = "tcenv.nu"
    completer = "@__tcenv_complete"
    saved_text = "tcenv.nu"

    def quote(self, text: str) -> str:
        return quote_json(text)

    def guard(self, text: str, environ: Mapping[str, str]) -> str:
        """Replace `text` for an old nushell, which refuses a whole configuration that it cannot parse. nushell tells its
        programs its version; otherwise ask the nushell on the PATH."""
        version = environ.get("NU_VERSION") or _ask_version(environ)
        numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
        if len(numbers) < 2 or numbers >= [int(part) for part in self.minimum_version.split(".")]:
            return text
        return f"print -e {self.quote(f'{self.explain_too_old()}; this is {version}.')}\n"

    def export(self, change: Mapping[str, str | None]) -> str:
        return export_json(change)

    def make_failure(self) -> str:
        """Return JSON that is not a record, which `load-env` refuses."""
        return "false\n"

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        # `source null` needs nushell 0.107.
        nothing = "null" if os.name == "nt" else '"/dev/null"'
        return f"source (if ({self.quote(path)} | path exists) {{ {self.quote(path)} }} else {{ {nothing} }})"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        return os.path.join(get_config_directory(environ, home), "nushell", "config.nu")

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        return [program, "--execute", f"source {self.quote(os.path.join(files, 'rc.nu'))}"], {}


def _ask_version(environ: Mapping[str, str]) -> str:
    """Return the version of the nushell on the PATH, or nothing."""
    import shutil
    import subprocess

    program = shutil.which("nu", path=environ.get("PATH"))
    if program is None:
        return ""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, env=dict(environ))
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()


SHELL = Nu()
