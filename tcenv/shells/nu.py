"""nushell, by way of JSON for `load-env`. A null takes a variable away from every program that nushell starts; in nushell
itself it reads as nothing."""

from __future__ import annotations

from tcenv.shells import checked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPED = {'"': '\\"', "\\": "\\\\", **{chr(code): f"\\u{code:04x}" for code in (*range(32), 127)}}


def quote(text: str) -> str:
    """`text` as a JSON string."""
    return '"' + "".join(_ESCAPED.get(character, character) for character in checked(text)) + '"'


def statements(change: Mapping[str, str | None]) -> str:
    pairs = ",".join(f"{quote(name)}:{'null' if value is None else quote(value)}" for name, value in change.items())
    return "{" + pairs + "}\n"


def failure() -> str:
    """JSON that is no record: `load-env` refuses it."""
    return "false\n"
