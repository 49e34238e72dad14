"""Log one line for each call of a run. No line holds a token, a query or a body."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass

from tcenv.errors import UsageError

# The only route with a secret in its path.
_TRIGGER = re.compile(r"(/hooks/.*/trigger)/[^/]+/?\Z", re.IGNORECASE)


@dataclass
class Entry:
    """The log entry of a call, filled in while it runs. `scopes` are those to which it was narrowed (None: it was
    not)."""

    method: str
    path: str
    scopes: tuple[str, ...] | None = None
    note: str = ""


class CallLog:
    """Append lines of JSON to a file that only this user can read."""

    def __init__(self, path: str, clean: Callable[[str], str]) -> None:
        """Open `path`. `clean` removes the run's secrets from a text. Raises UsageError."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        try:
            self._descriptor = os.open(path, flags, 0o600)
            found = os.fstat(self._descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(0, "it is no regular file")
            if hasattr(os, "fchmod"):
                os.fchmod(self._descriptor, 0o600)
        except OSError as error:
            raise UsageError(
                f"The log {path} cannot be written: {error.strerror}.", "Name another file: --log FILE"
            ) from None
        self._clean = clean

    def write(self, entry: Entry, status: int, milliseconds: float) -> None:
        """Write the line of an answered call. Does not fail on a full disk."""
        now = time.time()
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"
        line = {
            "time": moment,
            "method": entry.method,
            "path": self._clean(_TRIGGER.sub(r"\1/…", entry.path.partition("?")[0])),
            "status": status,
            "ms": round(milliseconds, 1),
            "scopes": None if entry.scopes is None else list(entry.scopes),
        }
        if entry.note:
            line["note"] = self._clean(entry.note)
        try:
            os.write(self._descriptor, (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "replace"))
        except OSError:
            return
