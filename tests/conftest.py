"""Every test in a world of its own: a home, XDG directories, and an environment without anybody's credentials."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tests.world import holder_process

_CLEARED = (
    # Of the run's own terminal (xdist sets them): in a test, the size of the test's terminal is meant.
    "COLUMNS",
    "LINES",
    "TASKCLUSTER_",
    "TCENV_",
    "XDG_",
    "BROWSER",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "SSH_",
    "GITHUB_",
    "DIRENV_",
    "PYTHONDONTWRITEBYTECODE",
)
_NO_PROOF = "a skipped or excused proof is no proof: "


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The user's home folder; the runtime directory below it is private, as a login manager makes it."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_CLEARED):
            monkeypatch.delenv(name)
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local/state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local/share"))
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.chdir(home)
    yield home
    holder = holder_process(runtime)
    if holder is not None:
        os.kill(holder, signal.SIGKILL)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """A skipped or an expectedly failing test is a failure."""
    outcome = yield
    _refuse_skip(outcome.get_result())  # type: ignore[attr-defined]


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """So is a module that skips itself as a whole."""
    outcome = yield
    _refuse_skip(outcome.get_result())  # type: ignore[attr-defined]


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped or hasattr(report, "wasxfail"):
        reason = getattr(report, "wasxfail", None) or report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{_NO_PROOF}{reason}"


class Text(SingleFileSnapshotExtension):
    """A snapshot in a file of its own, so that the diff shows a changed sentence as such."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def shown(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Return the text that people read: `assert text == shown`. To take a new one: --snapshot-update."""
    return snapshot.use_extension(Text)
