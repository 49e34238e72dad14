"""What the tests have gone through, noted for `make fuzz`, which writes docs/reliability.md of it; never a claim of its own."""

from __future__ import annotations

import json
import os

# Read once: the tests themselves begin without any variable of tcenv.
_FACTOR = float(os.environ.get("TCENV_TEST_FUZZ", "0.02"))
_NOTES = os.environ.get("TCENV_TEST_NOTES")


def scale(count: int) -> int:
    """How many of the `count` of the long form this run goes through: TCENV_TEST_FUZZ is the factor, small in `make test`."""
    return max(1, int(count * _FACTOR))


def record(attack: str, count: int, lost: int = 0) -> None:
    """Note that `attack` was gone through `count` times. Nothing happens outside of `make fuzz`."""
    if _NOTES:
        with open(_NOTES, "a", encoding="utf-8") as file:
            file.write(json.dumps({"attack": attack, "count": count, "lost": lost}) + "\n")
