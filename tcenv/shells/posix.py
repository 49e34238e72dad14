"""The common base of the Bourne family of shells.

Use a newline only where a blank would do, because an unquoted `eval $(tcenv login)` turns newlines into blanks."""

from __future__ import annotations

import os

from tcenv.shells import Shell, check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+@%,")


class PosixShell(Shell):
    """A shell of the Bourne family."""

    def quote(self, text: str) -> str:
        """Put `text` in single quotes, and escape each single quote in it. No other character is special there."""
        return "'" + check_text(text).replace("'", "'\\''") + "'"

    def export(self, change: Mapping[str, str | None]) -> str:
        """Chain the statements with `&&`, so that a read-only variable stops them all and fails the evaluation: no old
        root URL may remain beside a new token. Backslashes bypass the user's aliases; `-v` spares functions of the same
        names."""
        steps = []
        for name, value in change.items():
            # Unset it first: an array or an upper-case variable (`typeset -u`) would change the value or hide it from
            # programs.
            steps.append(f"\\unset -v {name}")
            if value is not None:
                # Under `set -k`, `export NAME=VALUE` would lose the assignment and print the environment.
                steps += [f"\\export {name}", *self._assignments(name, value)]
        return " &&\n".join(steps) + ";\n" if steps else ""

    def _assignments(self, name: str, value: str) -> list[str]:
        """Keep the `[` and `]` of an IPv6 address in separate words. An unquoted eval takes a word with both for a file
        name pattern, which `nullglob` would remove."""
        if "[" not in value:
            return [f"{name}={self.quote(value)}"]
        first, *rest = value.split("]")
        return [
            f"{name}={self.quote(first)}",
            *(f'{name}="${name}"{self.quote("]" + part)}' for part in rest),
        ]

    def make_failure(self) -> str:
        return "\\false;\n"

    def make_pattern(self, words: Sequence[str]) -> str:
        """Write a pattern of `case`."""
        return "|".join(words)

    def make_startup_line(self, path: str, words: str, home: str) -> str:
        rest = path.removeprefix(home.rstrip("/") + "/")
        word = f'"$HOME"/{rest}' if rest != path and not set(rest) - _PLAIN else self.quote(path)
        return f'[ ! -x {word} ] || eval "$({word} {words})"'


class EnvShell(PosixShell):
    """A shell that reads the file that ENV names. Without ENV it reads `own_file` in the home directory."""

    own_file: str | None = None

    def find_startup_file(self, environ: Mapping[str, str], home: str) -> str:
        if os.path.isabs(environ.get("ENV", "")):
            return environ["ENV"]
        if self.own_file is None:
            from tcenv.errors import UsageError

            raise UsageError(
                f"{self.name} has no start-up file that tcenv could find.",
                "POSIX shells read the file that ENV names: set it, or add the line where you want it.",
            )
        return os.path.join(home, self.own_file)

    def plan_subshell(
        self, program: str, environ: Mapping[str, str], home: str, files: str
    ) -> tuple[list[str], dict[str, str]]:
        variables = {"ENV": os.path.join(files, "rc.sh"), "__TCENV_ENV": environ.get("ENV", "")}
        if self.own_file is not None:
            variables["__TCENV_OWN"] = os.path.join(home, self.own_file)
        return [program], variables
