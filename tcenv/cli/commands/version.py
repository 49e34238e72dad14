"""`tcenv version`."""

from __future__ import annotations

from typing import Any


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Print the version."""
    from tcenv import __version__, output

    output.write(f"tcenv {__version__}\n")
    return 0
