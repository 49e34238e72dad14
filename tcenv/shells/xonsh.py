"""xonsh."""

from __future__ import annotations

from tcenv.shells import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def quote(text: str) -> str:
    """`text` as a Python literal in ASCII."""
    return ascii(checked(text))


def statements(change: Mapping[str, str | None]) -> str:
    return "".join(
        f"${{...}}.pop({quote(name)}, None)\n" if value is None else f"${name} = {quote(value)}\n"
        for name, value in change.items()
    )


def failure() -> str:
    return "raise RuntimeError('tcenv failed')\n"
