"""tcsh, and the older csh. Evaluated by ``eval `tcenv login` ``, whose backquotes split at white space, expand braces, and
replace `!` by history: what could be hurt is written as octal numbers, which printf turns back. A newline cannot be carried:
it splits words even inside of double-quoted backquotes. csh itself stops with "Word too long" at some thousand characters."""

from __future__ import annotations

from tcenv.shells import Unrepresentable, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Without `!`: a backslash before it is taken away or kept according to `histchars`, which is the user's.
_UNHURT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@/:.+|_-%,=")
# What fits into one argument of printf: Linux allows 128 KiB.
_LONGEST = 32_000


def quote(text: str) -> str:
    """`text` in single quotes, or all of it in octal numbers. Raises Unrepresentable."""
    if "\n" in checked(text):
        raise Unrepresentable("a newline")
    if not set(text) - _UNHURT:
        return f"'{text}'"
    data = text.encode()
    if len(data) > _LONGEST:
        raise Unrepresentable(f"more than {_LONGEST} bytes")
    return "\"`''printf '" + "".join(f"\\{byte:03o}" for byte in data) + "'`\""


def statements(change: Mapping[str, str | None]) -> str:
    """One line, each statement waiting for the one before. Empty quotes keep the user's aliases away from the builtins; a
    backslash would keep the shell itself away from them."""
    steps = (
        f"''unsetenv {name}" if value is None else f"''setenv {name} {quote(value)}" for name, value in change.items()
    )
    return " && ".join(steps) + ";\n" if change else ""


def failure() -> str:
    return "false;\n"
