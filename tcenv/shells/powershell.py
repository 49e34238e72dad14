"""PowerShell. Not run by its tests: no PowerShell could be had; the text is checked against its published rules."""

from __future__ import annotations

from tcenv.shells import Unrepresentable, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# PowerShell takes the typographic single quotes for the plain one.
_QUOTES = "'\u2018\u2019\u201a\u201b"


def quote(text: str) -> str:
    """`text` in single quotes, with whatever counts as one doubled."""
    return "'" + "".join(c * 2 if c in _QUOTES else c for c in checked(text)) + "'"


def statements(change: Mapping[str, str | None]) -> str:
    lines = []
    for name, value in change.items():
        if value is None:
            lines.append(f"Remove-Item -LiteralPath Env:{name} -ErrorAction Ignore;\n")
        elif value == "":
            raise Unrepresentable("an empty value, which PowerShell takes for none")
        else:
            lines.append(f"$Env:{name} = {quote(value)};\n")
    return "".join(lines)


def failure() -> str:
    return "throw 'tcenv failed';\n"
