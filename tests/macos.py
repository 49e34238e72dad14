"""Run the branches for macOS: the real program on Linux, with a stand-in for each call that Linux lacks."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# `python -c`: the words behind it are the folder of the Mac's parts, and the command line.
_RUN = """
import os, sys
# Libraries have branches of their own, which would call what is not here: they are imported as on Linux.
import asyncio, aiohttp, keyring, rich.console, shellingham.posix.ps, subprocess, taskcluster, urllib.request, uuid
parts = sys.argv.pop(1)
sys.platform = "darwin"
real = os.confstr
os.confstr = lambda name: f"{parts}/T/" if name == 65537 else real(name)
from tcenv import macos
macos.FDESETUP, macos.SCUTIL = f"{parts}/fdesetup", f"{parts}/scutil"
macos.get_machine_id = lambda: open(f"{parts}/machine").read()
uname = os.uname()
os.uname = lambda: os.uname_result((uname[0], open(f"{parts}/host").read(), *uname[2:]))
from tcenv.__main__ import main
sys.argv[0] = "tcenv"
sys.exit(main())
"""


class Mac:
    """The parts of a Mac in a folder: its user's temporary directory, FileVault's state and its names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.temporary = folder / "T"
        self.temporary.mkdir(parents=True, mode=0o700)
        self.set_names(machine="aa" * 16, local="Jos-MacBook", host="Jos-MacBook.local")
        self.set_filevault("On")

    def set_names(self, *, machine: str, local: str, host: str) -> None:
        (self.folder / "machine").write_text(machine)
        (self.folder / "host").write_text(host)
        self._program("scutil", f'test "$*" = "--get LocalHostName" && echo "{local}"')

    def set_filevault(self, state: str) -> None:
        self._program("fdesetup", f'test "$*" = status && echo "FileVault is {state}."')

    def _program(self, name: str, line: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def tcenv(self, *arguments: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the command as on this Mac."""
        env = {name: value for name, value in env.items() if name != "XDG_RUNTIME_DIR"}
        return subprocess.run(
            [sys.executable, "-c", _RUN, str(self.folder), *arguments],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )
