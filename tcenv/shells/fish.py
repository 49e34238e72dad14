"""fish."""

from __future__ import annotations

from tcenv.shells import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quote(text: str) -> str:
    """`text` in single quotes, inside of which a backslash and their end are special."""
    return "'" + checked(text).replace("\\", "\\\\").replace("'", "\\'") + "'"


def statements(change: Mapping[str, str | None]) -> str:
    """A variable may stand in several scopes; erasing one that is not there would count as a failure."""
    return "".join(
        f"while builtin set -q {name}; builtin set -e {name}; or break; end;\n"
        if value is None
        else f"builtin set -gx {name} {quote(value)};\n"
        for name, value in change.items()
    )


def failure() -> str:
    return "false;\n"
