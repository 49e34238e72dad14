"""Carry out `tcenv help`: show the help of a command."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.parsing.app import run as run_full

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o


class Options(NamedTuple):
    """Show the help of a command.

    Examples:
        tcenv help login
        tcenv help profile set
    """

    words: o.HelpWords = ()


def run(options: Options) -> int:
    """Show the help of a command. `__main__` reads plain words as `COMMAND --help`, and leaves all others to this."""
    return run_full([*options.words, "--help"])
