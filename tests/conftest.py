"""Isolate every test: a new home, new XDG directories, and an environment without credentials."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

import hypothesis
import pytest
from playwright.sync_api import Browser
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from tcenv.sandbox import Sandbox
from tests import isolation
from tests.chromium import run_chromium
from tests.programs import list_versions, required
from tests.reliability.record import scale
from tests.world import find_holder_process

# `make windows` runs these by Windows' Python.
collect_ignore = ["windows"]
_EVERYTHING_IS_HERE = os.environ.get("TCENV_TEST_REQUIRE") == "all"
# xdist sets the size of the run's terminal, which the tests' terminals must not inherit.
_OF_THE_RUN = ("COLUMNS", "LINES", "TCENV_TEST_")


def pytest_configure(config: pytest.Config) -> None:
    isolation.prepare()
    # A busy machine must not fail a test.
    hypothesis.settings.register_profile("tests", deadline=None)
    hypothesis.settings.load_profile("tests")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.option.markexpr and scale(2) == 1:
        long = [item for item in items if item.get_closest_marker("fuzz")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
    if sys.platform != "linux":
        for item in items:
            if item.get_closest_marker("linux"):
                item.add_marker(pytest.mark.skip(reason="only Linux has what this test is about"))


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make the user's home folder. The runtime directory below it is private, as a login manager makes it."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(_OF_THE_RUN):
            monkeypatch.delenv(name)
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / ".local/state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / ".cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / ".local/share"))
    # Without this folder, each interactive fish parses all man pages of the machine in the background.
    (home / ".local/share/fish/generated_completions").mkdir(parents=True)
    monkeypatch.chdir(home)
    yield home
    holder = find_holder_process(runtime)
    if holder is not None:
        os.kill(holder, signal.SIGKILL)


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Run a deployment for this test. The mark `deployment` takes what Sandbox takes."""
    marker = request.node.get_closest_marker("deployment")
    with Sandbox(**(marker.kwargs if marker else {})) as sandbox:
        yield sandbox


@pytest.fixture
def shared_memory() -> Path:
    """Return the directory of the `runtime` store in a /dev/shm that only this worker's tests see."""
    if isolation.is_shared_with_workers:
        pytest.skip("tests of other workers would see these sessions; run this file by itself")
    return Path(f"/dev/shm/tcenv-{os.geteuid()}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run a Chromium for a module's tests. `open_page` opens a page that shares nothing with the others.

    Other modules cannot share it, because Playwright's event loop would run below theirs."""
    with run_chromium() as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = _refuse((yield))
    if report.failed and required:
        report.sections.append(("versions of the programs", list_versions()))
    if report.when == "teardown":
        required.clear()
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _refuse((yield))


Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _refuse(report: Report) -> Report:
    """Turn an expected failure into a failure, and a skip too if TCENV_TEST_REQUIRE is "all"."""
    expected = getattr(report, "wasxfail", None)
    if expected is not None or (report.skipped and _EVERYTHING_IS_HERE):
        report.outcome = "failed"
        report.longrepr = f"This must run here: {expected if expected is not None else report.longrepr}"
    return report


class TextFile(SingleFileSnapshotExtension):
    """Store each snapshot in a file, so that a diff shows a changed sentence."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.fixture
def text_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Compare a text that people read: `assert text == text_snapshot`. Update it with --snapshot-update."""
    return snapshot.use_extension(TextFile)
