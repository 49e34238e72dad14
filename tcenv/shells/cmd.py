"""cmd.exe, evaluated a line at a time by `for /f "delims=" %i in ('tcenv login --shell cmd') do @%i`. What stands in %i is
not scanned again: neither `%` nor `^` nor `&` is special there, and no escape is wanted. (`cmd /v:on`, which is not the
default, would take a `!` away.) Not run by its tests: no Windows could be had."""

from __future__ import annotations

from tcenv.shells import Unrepresentable, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# A line holds 8191 characters, the name and `set` included.
_LONGEST = 8000


def quote(text: str) -> str:
    """`text` as it stands between the quotes of `set "NAME=…"`, the last of which on the line ends it."""
    if not checked(text):
        raise Unrepresentable("an empty value, which cmd takes for none")
    if not (text.isascii() and text.isprintable()):
        raise Unrepresentable("a control character, or one outside of ASCII (its code page is not known)")
    if len(text) > _LONGEST:
        raise Unrepresentable(f"more than {_LONGEST} characters")
    return text


def statements(change: Mapping[str, str | None]) -> str:
    return "".join(
        f'set "{name}="\r\n' if value is None else f'set "{name}={quote(value)}"\r\n' for name, value in change.items()
    )


def failure() -> str:
    """`call` and `exit /b` would need a batch file; a command that fails is one anywhere."""
    return "cmd /c exit 1\r\n"
