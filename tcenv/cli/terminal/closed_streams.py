"""Standard streams that the caller has closed. Whatever is opened first would take their numbers, and what is meant for people or
for a shell would go into a session's file, or what is secret to a socket."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from tcenv.errors import TcenvError


def replace_closed(arguments: Sequence[str]) -> None:
    """Put something harmless in place of every closed one, for this process alone: what `exec` becomes finds them closed,
    as its caller wanted. Raises TcenvError for a command that needs them."""
    missing = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    # Closed on exec, like everything that Python opens.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in missing:
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - they live as long as we do
    if arguments[:1] == ["exec"] or not missing:
        return
    if "stderr" in missing:
        _speak_on_terminal()
    what = {"stdout": "Standard output (1)", "stderr": "Standard error (2)"}
    raise TcenvError(
        f"{' and '.join(what[name] for name in missing)} {'is' if len(missing) == 1 else 'are'} closed.",
        "To discard the output, send it to /dev/null: " + (">/dev/null" if missing == ["stdout"] else "2>/dev/null"),
    )


def _speak_on_terminal() -> None:
    try:
        sys.stderr = open("/dev/tty", "w", encoding="utf-8")  # noqa: SIM115
    except OSError:
        return
