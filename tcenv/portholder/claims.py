"""Decide how long to hold the port of a sign-in or a proxy after its end."""

from __future__ import annotations

import time

from tcenv.portholder.leftovers import Leftovers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.portholder.late_answer import LateAnswer
    from tcenv.portholder.messages import Table

# The longest time to hold the port of `tcenv proxy`, in seconds.
_LONGEST = 24 * 3600


class Claim:
    """A sign-in or a proxy that used the port. It sent the holder its `details`: its `kind`, and depending on that

    - `sign-in`: `path` (of the callback), `seconds` (how long to hold the port), and the keys that `late_answer` and
      `late_approval` need;
    - `proxy`: `until`, the end of the session that it signed with (seconds since the epoch);
    - `run`: `address`, the root URL of its programs, and `processes`, those that were still alive at its end."""

    def __init__(self, details: Table) -> None:
        self.details = details
        self.kind = details["kind"]
        self.path = details.get("path", "")
        self.late: list[LateAnswer] = []
        self._leftovers: Leftovers | None = None
        seconds = float(details.get("seconds", "0"))
        if self.kind == "proxy":
            seconds = min(float(details.get("until", "0")) - time.time(), _LONGEST)
        elif self.kind == "run":
            self._leftovers = Leftovers(details.get("address", ""), details.get("processes", ""))
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Return whether this claim no longer needs the port."""
        return not self._leftovers.is_any_alive() if self._leftovers is not None else time.monotonic() >= self._end
