"""What the wheel for Windows has beside the pure one: `tcenv.cmd`. Made on Windows, and elsewhere where `TCENV_WHEEL` says
`windows`; the pure wheel, which every other system installs, must not carry it."""

from __future__ import annotations

import os
import sys
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The program itself is the same on all three.
_WINDOWS = "py3-none-win32.win_amd64.win_arm64"


class CustomBuildHook(BuildHookInterface[Any]):
    """Called by hatchling for each wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the command to the wheel, and have its name say for which system it is."""
        named = os.environ.get("TCENV_WHEEL", "windows" if sys.platform == "win32" else "pure")
        if named not in ("windows", "pure"):
            raise ValueError(f"TCENV_WHEEL={named}: windows and pure are the wheels that there are")
        if named == "windows":
            build_data["shared_scripts"]["tcenv/bin/tcenv.cmd"] = "tcenv.cmd"
            build_data["pure_python"] = False
            build_data["tag"] = _WINDOWS
