"""Follow CONTRIBUTING.md from a clone to a changed shell."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.docs.blocks import PROJECT
from tests.programs import require, run_program

# The test skips these commands, because they have run before.
_BEFORE, _AFTER = ("make .venv/developing", ".ci/install"), ("make check", "make test")


def test_the_walk_of_contributing_works_in_a_clone(tmp_path: Path) -> None:
    walk = (PROJECT / "CONTRIBUTING.md").read_text().partition("## From a clone")[2].partition("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", walk, re.S) for line in block.splitlines()]
    assert lines[:2] == list(_BEFORE)
    assert lines[-2:] == list(_AFTER)
    clone = tmp_path / "tcenv"
    clone.mkdir()
    for name in ("tcenv", "tests", "shell", "completions", "pyproject.toml", "docs"):
        source = PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, clone / name)
    git = [require("git"), "-C", str(clone), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for words in (["init", "-q"], ["add", "tcenv"], ["commit", "-q", "-m", "a"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    (clone / ".venv").symlink_to(PROJECT / ".venv")
    env = {**os.environ, "PYTHONPATH": str(clone)}
    output = []
    for line in lines[2:-2]:
        done = run_program(require("bash"), "-ec", line, cwd=clone, env=env)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        output.append(done.stdout)
    shown, promised, _, difference, broken, _, whole = output
    assert "def export" in shown
    assert " passed" in promised
    assert '+            f"builtin set -e {name};' in difference
    assert "FAILED tests/shells/test_statements.py::test_fish_unsets_in_every_scope" in broken
    assert "a variable may stand in several scopes" in broken
    assert " passed" in whole
    assert "FAILED" not in whole
