"""PowerShell. Not run by its tests: no PowerShell could be had; the text is checked against its published rules."""

from __future__ import annotations

from tcenv.shells import Unrepresentable, checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quote(text: str) -> str:
    """`text` in single quotes, or all of it as numbers of UTF-16: PowerShell reads a program's output by the console's code
    page, makes every end of line the system's own, and takes typographic quotes for plain ones."""
    if checked(text).isascii() and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    data = text.encode("utf-16-le")
    units = (str(low + 256 * high) for low, high in zip(data[::2], data[1::2], strict=True))
    return f"(-join [char[]]({','.join(units)}))"


def statements(change: Mapping[str, str | None]) -> str:
    # `Invoke-Expression` takes no empty text.
    lines = [] if change else ["[void]0;\n"]
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
