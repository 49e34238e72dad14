"""cmd.exe. It evaluates one line at a time: `for /f "delims=" %i in ('tcenv login --shell cmd') do @%i`.

cmd does not scan the value of %i again, so `%`, `^` and `&` need no escape. `cmd /v:on`, which is not the default,
would remove a `!`. No test runs cmd, since it needs Windows."""

from __future__ import annotations

from tcenv.shells import PLAIN, Shell, Unrepresentable, check_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A line holds 8191 characters, including `set` and the name.
_LONGEST = 8000


class Cmd(Shell):
    eval_line = "for /f \"delims=\" %i in ('tcenv {} --shell cmd') do @%i"
    source_line = 'for /f "usebackq delims=" %i in ({}) do @%i'

    def quote(self, text: str) -> str:
        """Return `text` as it stands in `set "NAME=…"`. The last quote of the line ends the value."""
        if not check_text(text):
            raise Unrepresentable("an empty value, which cmd cannot set")
        if not (text.isascii() and text.isprintable()):
            raise Unrepresentable("a control character, or one outside of ASCII (its code page is not known)")
        if len(text) > _LONGEST:
            raise Unrepresentable(f"more than {_LONGEST} characters")
        return text

    def quote_word(self, word: str) -> str:
        """Put a word in double quotes, and double each double quote in it."""
        return word if word and not set(word) - PLAIN else '"' + word.replace('"', '""') + '"'

    def make_reading_line(self, path: str) -> str:
        return self.source_line.format('"' + path + '"')

    def export(self, change: Mapping[str, str | None]) -> str:
        return "".join(
            f'set "{name}="\r\n' if value is None else f'set "{name}={self.quote(value)}"\r\n'
            for name, value in change.items()
        )

    def make_failure(self) -> str:
        """Run a command that fails. `exit /b` would need a batch file."""
        return "cmd /c exit 1\r\n"


SHELL = Cmd()
