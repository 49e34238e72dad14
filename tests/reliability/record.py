"""Record how often the tests ran an attack or a fault, for `make fuzz`, which writes docs/reliability.md from that."""

from __future__ import annotations

import json
import os

# Read at import, because the tests run without the variables of tcenv.
_FACTOR = float(os.environ.get("TCENV_TEST_FUZZ", "0.02"))
_NOTES = os.environ.get("TCENV_TEST_NOTES")


def scale(count: int) -> int:
    """Return the part of `count` that this run tests. TCENV_TEST_FUZZ is the factor, which is small in `make test`."""
    return max(1, int(count * _FACTOR))


def record(attack: str, count: int, lost: int = 0) -> None:
    """Record that a test ran `attack` `count` times. Does nothing outside of `make fuzz`."""
    if _NOTES:
        with open(_NOTES, "a", encoding="utf-8") as file:
            file.write(json.dumps({"attack": attack, "count": count, "lost": lost}) + "\n")
