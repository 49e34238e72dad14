"""What a sign-in or a proxy has told the holder, and for how long its port is held after it."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.portholder.late_answer import LateAnswer
    from tcenv.portholder.leftovers import Leftovers
    from tcenv.portholder.messages import Table

# Seconds for which the port of `tcenv proxy` is held at most.
_LONGEST = 24 * 3600


class Claim:
    """A sign-in or a proxy that had the port. `told` has its `kind`, and with it:

    - `sign-in`: `path` (the callback's), `seconds` for which it is held, and what `late_answer` and `late_approval` need;
    - `proxy`: `until` (seconds since the epoch), the end of the session that it signed with;
    - `run`: `address`, the root URL that its programs have, and `processes`, those that were left."""

    def __init__(self, told: Table) -> None:
        self.told = told
        self.kind = told["kind"]
        self.path = told.get("path", "")
        self.late: list[LateAnswer] = []
        self._leftovers: Leftovers | None = None
        seconds = float(told.get("seconds", "0"))
        if self.kind == "proxy":
            seconds = min(float(told.get("until", "0")) - time.time(), _LONGEST)
        elif self.kind == "run":
            from tcenv.portholder.leftovers import Leftovers

            self._leftovers = Leftovers(told.get("address", ""), told.get("processes", ""))
        self._end = time.monotonic() + seconds

    def is_over(self) -> bool:
        """Return whether the port need not be held for it any longer."""
        return not self._leftovers.are_there() if self._leftovers is not None else time.monotonic() >= self._end
