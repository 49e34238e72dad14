"""A plain installation brings the packages that tcenv imports, and no others."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[2]
# Imported module -> the direct dependency that brings it.
BROUGHT_BY = {"jeepney": "keyring", "multidict": "aiohttp", "secretstorage": "keyring", "yarl": "aiohttp"}
# The fixture for other tools' tests runs where pytest is.
ELSEWHERE = {"sandbox/pytest_plugin.py": {"pytest"}}


def declared() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}


def trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PROJECT / "tcenv").rglob("*.py")):
        yield path.relative_to(PROJECT / "tcenv").as_posix(), ast.parse(path.read_text())


def test_each_import_is_of_a_direct_dependency_and_each_of_those_is_imported() -> None:
    used = set()
    for path, tree in trees():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            packages = {name.partition(".")[0] for name in names} - ELSEWHERE.get(path, set())
            used |= {BROUGHT_BY.get(name, name) for name in packages - sys.stdlib_module_names - {"tcenv"}}
    assert used == declared()


def test_nothing_is_put_into_the_modules_of_the_interpreter() -> None:
    """A thread that imports meanwhile would get half of a module."""
    assert [path for path, tree in trees() if "sys.modules" in ast.unparse(tree)] == []


def test_the_design_says_why_each_one_is_there() -> None:
    text = (PROJECT / "docs/design.md").read_text()
    assert [name for name in sorted(declared()) if f"| `{name}` |" not in text] == []
