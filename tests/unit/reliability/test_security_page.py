"""docs/threats.md and docs/reliability.md name tests: each of them is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")


@pytest.mark.parametrize("page", ["threats.md", "reliability.md"])
def test_every_test_that_is_named_exists(page: str) -> None:
    named = NAMED.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert named
    for path, test in named:
        assert (ROOT / path).is_file(), path
        if test:
            assert f"def {test}(" in (ROOT / path).read_text(encoding="utf-8"), f"{path}::{test}"


def test_each_one_who_may_attack_has_a_row_with_a_test() -> None:
    text = (ROOT / "docs" / "threats.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")]
    behind = ("A program behind the proxy", "Anybody who reaches the proxy")
    for who in (
        "A late approval",
        "The port after the run",
        "Another user",
        "A web page",
        "A process of the same user",
        "A repository",
        "A deployment",
        *behind,
    ):
        (row,) = [row for row in rows if row[0].strip().startswith(who)]
        assert len(row) == 4 and all(cell.strip() for cell in row), row
        assert NAMED.search(row[2]), f"{who}: no test"
