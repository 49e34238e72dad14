"""The way in: the hot path first, else the full command line."""

from __future__ import annotations

import sys

_HOT = ("env", "exec", "login")


def main() -> int:
    """Run the command line of this process; the exit status."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in _HOT:
        from tcenv import quick

        status = quick.run(arguments)
        if status is not None:
            return status
    if arguments == ["--profiles"]:
        # For completion, which calls this at a keystroke.
        from tcenv.profilenames import print_names

        return print_names()
    if arguments and not arguments[0].startswith("-"):
        from tcenv.cli import everyday

        status = everyday.run(arguments)
        if status is not None:
            return status
    from tcenv.cli.app import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
