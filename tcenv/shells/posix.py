"""What the shells of the Bourne family share. Statements end in `;`, so that an unquoted `eval $(tcenv login)`, which turns
newlines into spaces, reads them as well."""

from __future__ import annotations

from tcenv.shells import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quote(text: str) -> str:
    """`text` in single quotes, inside of which only their own end is special."""
    return "'" + checked(text).replace("'", "'\\''") + "'"


def statements(change: Mapping[str, str | None]) -> str:
    """The backslashes keep the user's aliases away from the builtins; `-v` keeps functions of these names alive."""
    return "".join(
        f"\\unset -v {name};\n" if value is None else f"\\export {name}={quote(value)};\n"
        for name, value in change.items()
    )


def failure() -> str:
    return "\\false;\n"
