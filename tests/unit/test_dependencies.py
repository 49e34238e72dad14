"""Check that the direct dependencies are the packages that tcenv imports."""

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
# The pytest plugin is for projects that have pytest.
OPTIONAL = {"sandbox/pytest_plugin.py": {"pytest"}}


def list_dependencies() -> set[str]:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    return {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}


def parse_modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PROJECT / "tcenv").rglob("*.py")):
        yield path.relative_to(PROJECT / "tcenv").as_posix(), ast.parse(path.read_text())


def test_the_direct_dependencies_are_those_that_are_imported() -> None:
    used = set()
    for path, tree in parse_modules():
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            packages = {name.partition(".")[0] for name in names} - OPTIONAL.get(path, set())
            used |= {BROUGHT_BY.get(name, name) for name in packages - sys.stdlib_module_names - {"tcenv"}}
    assert used == list_dependencies()


def test_no_code_changes_sys_modules() -> None:
    """Another thread could import an incomplete module."""
    assert [path for path, tree in parse_modules() if "sys.modules" in ast.unparse(tree)] == []


def test_the_design_names_every_dependency() -> None:
    text = (PROJECT / "docs/design.md").read_text()
    assert [name for name in sorted(list_dependencies()) if f"| `{name}` |" not in text] == []
