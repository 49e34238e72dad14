"""Carry out `tcenv version`: print the version."""

from __future__ import annotations

from typing import NamedTuple

from tcenv import __version__, output


class Options(NamedTuple):
    """Print the version."""


def run(options: Options) -> int:
    """Print the version."""
    output.write(f"tcenv {__version__}\n")
    return 0
