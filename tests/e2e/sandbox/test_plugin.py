"""Use the sandbox in tests of other projects: its fixture, and every block of docs/sandbox.md."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import tcenv.sandbox
from tcenv.sandbox import FAULTS, Sandbox
from tests.programs import run_program
from tests.world import BIN

PAGE = (Path(__file__).parents[3] / "docs" / "sandbox.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.S | re.M)
PYTHON = [block for kind, block in BLOCKS if kind == "python"]
SH = [block for kind, block in BLOCKS if kind == "bash"]


def pytest_in(folder: Path, content: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a test file of another project."""
    file = folder / "test_it.py"
    file.write_text(content)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xonsh", "-p", "no:cacheprovider", "--strict-markers"]
    return run_program(*command, *arguments, file.name, cwd=folder)


def test_the_page_has_the_expected_blocks() -> None:
    assert (len(PYTHON), len(SH), len(BLOCKS)) == (6, 1, 7)


@pytest.mark.parametrize("block", PYTHON, ids=[re.findall(r"def (test_\w+)", block)[-1] for block in PYTHON])
def test_a_block_of_python(block: str, tmp_path: Path) -> None:
    done = pytest_in(tmp_path, block)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("block", SH)
def test_a_block_of_shell(block: str, tmp_path: Path) -> None:
    env = {**os.environ, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = run_program("bash", "-e", "-c", block, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "nothing here is real" in done.stdout


def test_the_pages_table_lists_every_fault() -> None:
    answer = dict(re.findall(r"^\| `([\w-]+)` \| (.*?) \|$", PAGE.partition("| fault |")[2], re.M))
    assert answer == {name: fault.about for name, fault in FAULTS.items()}


def test_the_page_names_every_option_and_public_name() -> None:
    import inspect

    options = PAGE.partition("| option |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`(\w+)`", "".join(line.split("|")[1] for line in options.splitlines()[2:])))
    assert named == set(inspect.signature(Sandbox).parameters)
    public = {name for name in dir(Sandbox) if not name.startswith("_")} - {"port", "root_url", "now"}
    text = f"{tcenv.sandbox.__doc__} {PAGE}"
    assert {name for name in public if name not in text} == set()
    for name in tcenv.sandbox.__all__:
        assert getattr(tcenv.sandbox, name) is not None
        assert name in dir(tcenv.sandbox)
    with pytest.raises(AttributeError):
        tcenv.sandbox.nothing  # noqa: B018


def test_the_nearest_marker_wins(tmp_path: Path) -> None:
    done = pytest_in(
        tmp_path,
        "import pytest\n"
        "pytestmark = pytest.mark.tcenv_sandbox(user='outer', public=False)\n"
        "@pytest.mark.tcenv_sandbox(user='inner')\n"
        "def test_it(tcenv_sandbox):\n"
        "    assert tcenv_sandbox.user == 'inner'\n"
        "    assert tcenv_sandbox.roles['anonymous'] == []\n"
        "def test_that(tcenv_sandbox):\n"
        "    assert tcenv_sandbox.user == 'outer'\n",
    )
    assert "2 passed" in done.stdout, done.stdout


def test_the_plugin_loads_nothing_before_it_is_used(tmp_path: Path) -> None:
    (entry,) = entry_points(group="pytest11", name="tcenv_sandbox")
    assert entry.value == "tcenv.sandbox.pytest_plugin"
    done = pytest_in(
        tmp_path,
        "import sys\n"
        "def test_it():\n"
        "    loaded = {name for name in sys.modules if name.partition('.')[0] in ('tcenv', 'taskcluster', 'aiohttp')}\n"
        "    assert loaded == {'tcenv', 'tcenv.sandbox', 'tcenv.sandbox.pytest_plugin'}\n",
    )
    assert "1 passed" in done.stdout, done.stdout


def test_the_plugin_can_be_switched_off(tmp_path: Path) -> None:
    done = pytest_in(tmp_path, "def test_it(tcenv_sandbox): pass\n", "-p", "no:tcenv_sandbox")
    assert "fixture 'tcenv_sandbox' not found" in done.stdout
