"""tcsh, and the older csh. Evaluated by ``eval `tcenv login` ``, whose backquotes split at white space, expand braces, and
replace `!` by history: what could be hurt is written as octal numbers, which printf turns back. A newline cannot be carried:
it splits words even inside of double-quoted backquotes."""

from __future__ import annotations

from tcenv.shells import Unrepresentable, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_UNHURT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@/:.+|_-%,=")


def quote(text: str) -> str:
    """`text` in single quotes, or all of it in octal numbers. Raises Unrepresentable."""
    if "\n" in checked(text):
        raise Unrepresentable("a newline")
    if not set(text) - _UNHURT - {"!"}:
        return "'" + text.replace("!", "\\!") + "'"
    octal = "".join(f"\\{byte:03o}" for byte in text.encode())
    return f"\"`printf '{octal}'`\""


def statements(change: Mapping[str, str | None]) -> str:
    return "".join(
        f"unsetenv {name};\n" if value is None else f"setenv {name} {quote(value)};\n" for name, value in change.items()
    )


def failure() -> str:
    return "false;\n"
