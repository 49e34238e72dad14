"""Check the parts of .ci/run beside the tests: PowerShell from an archive, and no skipped test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.programs import require, run_program

CHECKOUT = Path(__file__).parents[2]
A_TEST = """
from tests.programs import require

def test_of_powershell():
    require("pwsh-of-no-machine")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Make a project beside a folder `shared`. Its dpkg has the library that PowerShell needs."""
    project = tmp_path / "project"
    shutil.copytree(CHECKOUT / ".ci", project / ".ci")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "dpkg").symlink_to("/bin/true")
    return project


def install_powershell(project: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = {"PATH": f"{project.parent / 'bin'}:{os.environ['PATH']}", "HOME": str(project.parent / "home"), **more}
    command = [require("bash"), project / ".ci/powershell"]
    return run_program(*command, env=env)  # type: ignore[arg-type]


def make_archive(path: Path, says: str) -> Path:
    """Make an archive of a stand-in for PowerShell."""
    program = path.parent / "powershell/bin/pwsh"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    with tarfile.open(path, "w:xz") as archive:
        archive.add(path.parent / "powershell", "powershell")
    return path


def run_pwsh(folder: str) -> str:
    return run_program(Path(folder.strip()) / "pwsh", check=True).stdout


def test_powershell_is_unpacked_once_for_each_archive(project: Path) -> None:
    shared = project.parent / "shared"
    shared.mkdir()
    make_archive(shared / "powershell.tar.xz", "one")
    first = install_powershell(project)
    assert run_pwsh(first.stdout) == "one\n"
    marker = Path(first.stdout.strip()) / "marker"
    marker.touch()
    assert install_powershell(project).stdout == first.stdout
    assert marker.exists()
    other = make_archive(project.parent / "other.tar.xz", "two")
    second = install_powershell(project, TCENV_TEST_POWERSHELL=str(other))
    assert run_pwsh(second.stdout) == "two\n"
    assert second.stdout != first.stdout
    cached = {entry.name for entry in marker.parents[2].iterdir()}
    assert len(cached) == 2, "parts are left behind"


def test_a_missing_archive_is_one_sentence(project: Path) -> None:
    done = install_powershell(project)
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert "TCENV_TEST_POWERSHELL" in sentence


@pytest.mark.parametrize(("required", "outcome"), [("all", "1 failed"), ("", "1 skipped")])
def test_a_missing_program_skips_a_test_or_fails_it_in_continuous_integration(
    tmp_path: Path, required: str, outcome: str
) -> None:
    assert "TCENV_TEST_REQUIRE=all" in (CHECKOUT / ".ci/run").read_text()
    for name in ("tests", "tcenv", "pyproject.toml"):
        (tmp_path / name).symlink_to(CHECKOUT / name)
    (tmp_path / "test_it.py").write_text(A_TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xonsh", "-p", "no:cacheprovider", "-p", "tests.conftest"]
    env = {**os.environ, "PYTHONPATH": str(tmp_path), "TCENV_TEST_REQUIRE": required}
    done = run_program(*command, "test_it.py", cwd=tmp_path, env=env)
    assert outcome in done.stdout
    assert "pwsh-of-no-machine is not on this machine" in done.stdout
