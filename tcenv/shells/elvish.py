"""elvish."""

from __future__ import annotations

from tcenv.shells import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quote(text: str) -> str:
    """`text` in single quotes, inside of which only their own end is special; it is doubled."""
    return "'" + checked(text).replace("'", "''") + "'"


def statements(change: Mapping[str, str | None]) -> str:
    return "".join(
        f"unset-env {name}\n" if value is None else f"set-env {name} {quote(value)}\n" for name, value in change.items()
    )


def failure() -> str:
    return "fail 'tcenv failed'\n"
