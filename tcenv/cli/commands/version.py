"""`tcenv version`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tcenv import __version__, output

if TYPE_CHECKING:
    pass


class Options(NamedTuple):
    """Print the version."""


def run(options: Options) -> int:
    """Print the version."""
    output.write(f"tcenv {__version__}\n")
    return 0
