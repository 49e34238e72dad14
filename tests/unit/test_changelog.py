"""Fragments of the changelog have the names that towncrier takes, and the version stands in one place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import tcenv

CHECKOUT = Path(__file__).parents[2]
TOWNCRIER = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["towncrier"]
TYPES = {kind["directory"] for kind in TOWNCRIER["type"]}


def test_each_fragment_is_taken() -> None:
    for path in (CHECKOUT / TOWNCRIER["directory"]).iterdir():
        if path.name not in TOWNCRIER["ignore"]:
            found = re.fullmatch(r"[a-z-]+\.([a-z]+)\.md", path.name)
            assert found and found[1] in TYPES, path.name
            assert path.read_text().strip(), path.name


def test_the_changelog_has_the_place_where_they_go() -> None:
    assert "<!-- towncrier release notes start -->" in (CHECKOUT / TOWNCRIER["filename"]).read_text()
    assert (CHECKOUT / TOWNCRIER["template"]).is_file()


def test_the_version_stands_in_one_place() -> None:
    places = [CHECKOUT / name for name in ("pyproject.toml", "Makefile", "hatch_build.py", ".ci/dist.py")]
    places += [
        path for path in (CHECKOUT / "tcenv").rglob("*") if path.suffix in (".py", ".txt") or path.parent.name == "bin"
    ]
    assert [path.name for path in places if tcenv.__version__ in path.read_text()] == ["__init__.py"]


def test_releasing_is_told_in_ten_lines() -> None:
    lines = (CHECKOUT / "docs/releasing.md").read_text().splitlines()
    assert len([line for line in lines if line]) <= 10
    text = "\n".join(lines)
    for target in re.findall(r"make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", (CHECKOUT / "Makefile").read_text(), re.M), target
