"""What users install: the wheel and the sdist carry everything, and the command starts by its own launcher."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(PROJECT)]
    subprocess.run(command, check=True, timeout=110)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_everything(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        metadata = archive.read(next(name for name in names if name.endswith(".dist-info/METADATA"))).decode()
    for folder, place in (("shell", "_shell"), ("completions", "_completions")):
        for path in (PROJECT / folder).rglob("*"):
            if path.is_file():
                assert f"tcenv/{place}/{path.relative_to(PROJECT / folder)}" in names
    assert {"tcenv/py.typed", "tcenv/sandbox/server.py"} <= names
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert any(name.endswith(".data/scripts/tcenv") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "bench/", "tcenv/bin/"))]
    assert "License-Expression: MPL-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata


def test_it_runs_from_anywhere_as_installed(wheel: Path, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, env=env, timeout=60)
    subprocess.run([venv / "bin/pip", "install", "-q", "--no-deps", str(wheel)], check=True, env=env, timeout=60)
    # The dependencies are those of this interpreter: nothing is fetched.
    site = next(path for path in map(Path, sys.path) if (path / "typer").is_dir())
    (next((venv / "lib").glob("python*")) / "site-packages" / "dependencies.pth").write_text(f"{site}\n")
    launcher = (venv / "bin/tcenv").read_text()
    assert launcher.startswith(f"#!{venv}/bin/python")
    assert not re.search(r"^import re\b", launcher, re.M)
    for command in ([str(venv / "bin/tcenv")], [str(venv / "bin/python"), "-m", "tcenv"]):
        done = subprocess.run(
            [*command, "--version"], env=env, capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
        assert done.stdout == "tcenv 0.1.0\n", done.stderr
        text = subprocess.run(
            [*command, "init", "bash"], env=env, capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
        assert "__tcenv_hook" in text.stdout
        assert "complete -F _tcenv tcenv" in text.stdout
        where = subprocess.run(
            [*command, "init", "tcsh"], env=env, capture_output=True, text=True, cwd=tmp_path, timeout=60
        )
        assert "site-packages/tcenv/_shell/hook.tcsh" in where.stdout


def test_the_sdist_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    program = "import sys; from hatchling.build import build_sdist; print(build_sdist(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True, cwd=PROJECT, timeout=60)
    archive = next(tmp_path.glob("*.tar.gz"))
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path / "source", filter="data")
    source = next((tmp_path / "source").iterdir())
    assert {"Makefile", "README.md", "LICENSE", "tests", "shell", "completions"} <= {
        path.name for path in source.iterdir()
    }
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], check=True, cwd=source, timeout=60)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())


def test_the_quick_start_names_the_two_commands() -> None:
    lines = (PROJECT / "README.md").read_text().split("## Quick start")[1].splitlines()
    assert lines.index("make demo") < lines.index("make test")
