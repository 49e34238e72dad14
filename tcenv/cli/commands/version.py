"""`tcenv version`."""

from __future__ import annotations

from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    pass


class Options(NamedTuple):
    """Print the version."""


def run(options: Options) -> int:
    """Print the version."""
    from tcenv import __version__, output

    output.write(f"tcenv {__version__}\n")
    return 0
