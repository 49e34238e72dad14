"""How the wheel for Windows differs from the pure one: its command is an entry point, of which installers make an .exe. Elsewhere
it is a script. `TCENV_WHEEL` says which one to build; by default the one for the system that builds."""

from __future__ import annotations

import os
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_WINDOWS_TAG = "py3-none-win32.win_amd64.win_arm64"


def _is_for_windows() -> bool:
    named = os.environ.get("TCENV_WHEEL", "windows" if sys.platform == "win32" else "pure")
    if named not in ("windows", "pure"):
        raise ValueError(f"TCENV_WHEEL={named}: windows and pure are the wheels that there are")
    return named == "windows"


class Command(MetadataHookInterface):
    """Declare the entry point."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set `project.scripts`."""
        metadata["scripts"] = {"tcenv": "tcenv.__main__:main"} if _is_for_windows() else {}


class Wheel(BuildHookInterface[Any]):
    """Add the script, or say in the wheel's name that it is for Windows."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Change what is built."""
        if _is_for_windows():
            build_data["pure_python"] = False
            build_data["tag"] = _WINDOWS_TAG
        else:
            build_data["shared_scripts"]["tcenv/bin/tcenv"] = "tcenv"
