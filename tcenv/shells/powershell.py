"""Quote for PowerShell, and find its start-up file."""

from __future__ import annotations

import os

from tcenv.shells import Shell, Unrepresentable, check_text, export_json, get_config_directory
from tcenv.shells.subshell import find_program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PowerShell(Shell):
    eval_line = "tcenv {} | Out-String | Invoke-Expression"
    source_line = "Get-Content -Raw {} | Invoke-Expression"
    executables = ("pwsh", "powershell")
    minimum_version = "5.1"
    template = "init.ps1"
    completion = "tcenv.ps1"
    line_comes_last = True

    def quote(self, text: str) -> str:
        """Put printable ASCII in single quotes, and write all other text as UTF-16 numbers. PowerShell decodes a
        program's output with the console's code page, rewrites line ends, and takes typographic quotes for plain
        ones."""
        if check_text(text).isascii() and text.isprintable():
            return "'" + text.replace("'", "''") + "'"
        data = text.encode("utf-16-le")
        units = (str(low + 256 * high) for low, high in zip(data[::2], data[1::2], strict=True))
        return f"(-join [char[]]({','.join(units)}))"

    def export(self, change: Mapping[str, str | None]) -> str:
        # `Invoke-Expression` rejects an empty text.
        lines = [] if change else ["[void]0;\n"]
        for name, value in change.items():
            if value is None:
                lines.append(f"Remove-Item -LiteralPath Env:{name} -ErrorAction Ignore;\n")
            elif value == "":
                raise Unrepresentable("an empty value, which PowerShell cannot set")
            else:
                lines.append(f"$Env:{name} = {self.quote(value)};\n")
        return "".join(lines)

    def make_failure(self) -> str:
        return "throw 'tcenv failed';\n"

    def make_word_list(self, words: Sequence[str]) -> str:
        return ", ".join(self.quote(word) for word in words)

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        quoted = self.quote(path)
        return f"if (Test-Path -LiteralPath {quoted}) {{ & {quoted} {words} | Out-String | Invoke-Expression }}"

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        """Return `$PROFILE.CurrentUserAllHosts`. On Windows only PowerShell knows it, since Documents may be on
        OneDrive."""
        if os.name != "nt":
            return os.path.join(get_config_directory(environ, home), "powershell", "profile.ps1")
        import subprocess

        command = [find_program(self), "-NoProfile", "-NoLogo", "-Command", "$PROFILE.CurrentUserAllHosts"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        except (OSError, subprocess.SubprocessError):
            return super().find_startup_file(environ, home)
        return done.stdout.strip() or super().find_startup_file(environ, home)

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        """Run tcenv's file by -Command, which PowerShell runs after the profile."""
        return [program, "-NoLogo", "-NoExit", "-Command", f". {self.quote(os.path.join(files, 'rc.ps1'))}"], {}

    def export_for_subshell(self, change: Mapping[str, str | None]) -> str:
        """Return data instead of statements. Traces and logs would show statements."""
        return export_json(change)


SHELL = PowerShell()
