"""Check the fragments of the changelog, and that one file alone has the version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import tcenv

CHECKOUT = Path(__file__).parents[2]
TOWNCRIER = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["towncrier"]
TYPES = {kind["directory"] for kind in TOWNCRIER["type"]}


def test_each_fragment_has_a_known_type() -> None:
    for path in (CHECKOUT / TOWNCRIER["directory"]).iterdir():
        if path.name not in TOWNCRIER["ignore"]:
            found = re.fullmatch(r"[a-z-]+\.([a-z]+)\.md", path.name)
            assert found and found[1] in TYPES, path.name
            assert path.read_text().strip(), path.name


def test_the_changelog_has_a_place_for_fragments() -> None:
    assert "<!-- towncrier release notes start -->" in (CHECKOUT / TOWNCRIER["filename"]).read_text()
    assert (CHECKOUT / TOWNCRIER["template"]).is_file()


def test_one_file_has_the_version() -> None:
    places = [CHECKOUT / name for name in ("pyproject.toml", "Makefile", "hatch_build.py", ".ci/dist.py")]
    places += [
        path for path in (CHECKOUT / "tcenv").rglob("*") if path.suffix in (".py", ".txt") or path.parent.name == "bin"
    ]
    assert [path.name for path in places if tcenv.__version__ in path.read_text()] == ["__init__.py"]


def test_the_page_on_releasing_has_ten_lines() -> None:
    lines = (CHECKOUT / "docs/releasing.md").read_text().splitlines()
    assert len([line for line in lines if line]) <= 10
    text = "\n".join(lines)
    for target in re.findall(r"make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", (CHECKOUT / "Makefile").read_text(), re.M), target
