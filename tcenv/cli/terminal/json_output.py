"""Print JSON in the form that docs/json.md promises: an object with a `version`; times in ISO 8601, and durations in
seconds."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from tcenv import output

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: Raise this when a key goes or changes its meaning, but not for a new key.
VERSION = 1


def print_json(content: Mapping[str, Any]) -> None:
    """Print `content` with the version of its form."""
    output.write(json.dumps({"version": VERSION, **content}, indent=2) + "\n")


def describe_end(expires: int) -> dict[str, Any]:
    """Return the keys that tell when something ends: `expires` as ISO 8601 in UTC, `expires_in` in seconds."""
    return {
        "expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
        "expires_in": max(0, int(expires - time.time())),
    }
