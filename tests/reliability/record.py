"""What the tests have gone through, noted for `make fuzz`, which writes docs/reliability.md of it; never a claim of its own."""

from __future__ import annotations

import json
import os


def times(count: int) -> int:
    """How many of the `count` of the long form this run goes through: TCENV_FUZZ is the factor, small in `make test`."""
    return max(1, int(count * float(os.environ.get("TCENV_FUZZ", "0.02"))))


def record(attack: str, count: int, lost: int = 0) -> None:
    """Note that `attack` was gone through `count` times. Nothing happens outside of `make fuzz`."""
    path = os.environ.get("TCENV_RELIABILITY")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"attack": attack, "count": count, "lost": lost}) + "\n")
