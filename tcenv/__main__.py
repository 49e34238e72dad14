"""The way in: the hot path first, else the full command line."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_HOT = ("env", "exec", "login")


def main() -> int:
    """Run the command line of this process; the exit status."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _HOT:
        from tcenv.cli import hotpath

        status = hotpath.run(arguments)
        if status is not None:
            return status
    if arguments == ["--profiles"]:
        # For completion, which calls this at a keystroke.
        from tcenv.settings.names import print_names

        return print_names()
    if arguments == ["--purposes"]:
        from tcenv.settings.names import print_purposes

        return print_purposes()
    if arguments[:1] == ["help"] and arguments[1:2] not in (["--help"], ["-h"]):
        arguments = [*arguments[1:], "--help"]
    elif arguments == ["--version"]:
        arguments = ["version"]
    if arguments:
        from tcenv.cli import dispatch

        status = dispatch.run(arguments)
        if status is not None:
            _leave(status)
    from tcenv.cli.app import run

    return run(arguments)


def _leave(status: int) -> NoReturn:
    """End without taking the interpreter down first: `$(…)` waits for that, and after a sign-in, with the client library
    loaded, it takes longer than all the rest since the answer came."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
