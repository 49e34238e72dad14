"""Give every test a profile folder of its own, as Windows sets one up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox

_FROM_THE_RUN = ("TASKCLUSTER_", "TCENV_", "XDG_", "SSH_", "MSYSTEM", "SHELL", "BROWSER", "DISPLAY")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the user's profile folder, with a space in its name."""
    home = tmp_path / "Jo Doe"
    for name in list(os.environ):
        if name.startswith(_FROM_THE_RUN):
            monkeypatch.delenv(name)
    for variable, folder in (
        ("USERPROFILE", home),
        ("APPDATA", home / "AppData/Roaming"),
        ("LOCALAPPDATA", home / "AppData/Local"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(variable, str(folder))
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def deployment() -> Iterator[Sandbox]:
    """Run a deployment for this test."""
    with Sandbox() as sandbox:
        yield sandbox
