"""The start-up text of every shell, with and without its parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tcenv.shells import SHELLS, startup_file
from tcenv.shells.init_text import startup_text

PROJECT = str(Path(__file__).parents[2])


@pytest.mark.parametrize("completion", [True, False], ids=["completion", "no-completion"])
@pytest.mark.parametrize("hook", [True, False], ids=["hook", "no-hook"])
@pytest.mark.parametrize("shell", [name for name in SHELLS if name != "cmd"])
def test_startup_text(shell: str, hook: bool, completion: bool, shown: SnapshotAssertion) -> None:
    text = startup_text(shell, hook=hook, completion=completion)
    text = text.replace(startup_file.program(), "/home/user/.local/bin/tcenv")
    text = text.replace(os.environ["XDG_RUNTIME_DIR"], "/run/user/1000").replace(PROJECT, "/opt/tcenv")
    text = text.replace(os.environ["HOME"], "/home/user")
    assert text == shown
