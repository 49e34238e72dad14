"""Standard streams that the caller has closed. Whatever is opened first would take their numbers, and what is meant for people or
for a shell would go into a session's file, or what is secret to a socket."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tcenv.errors import TcenvError


def replace_closed(arguments: Sequence[str]) -> None:
    """Open /dev/null in place of every closed one, for this process alone: what `exec` becomes finds them closed, as its
    caller wanted. Raises TcenvError for a closed standard output, except for `exec`."""
    missing = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    # Closed on exec, like everything that Python opens.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in missing:
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - they live as long as we do
    if "stdout" in missing and arguments[:1] != ["exec"]:
        raise TcenvError("Standard output (1) is closed.", "To discard the output, send it to /dev/null: >/dev/null")
