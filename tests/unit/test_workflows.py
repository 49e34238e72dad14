"""Check the workflows: they only run targets of make, and pin their actions. zizmor and actionlint check the rest."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
WORKFLOWS = sorted((CHECKOUT / ".github/workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):.* ## ", (CHECKOUT / "Makefile").read_text(), re.M)) | {
    "check-lowest",
    "check-newest",
}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_step_runs_one_target_of_make_or_all_of_ci(path: Path) -> None:
    text = path.read_text()
    named = set(re.findall(r"target: ([a-z-]+)$", text, re.M))
    named |= {word for words in re.findall(r"target: \[(.*)\]", text) for word in words.split(", ")}
    assert named <= TARGETS
    steps = re.findall(r"^ *- run: (.+)$", text, re.M)
    assert steps
    for step in steps:
        words = step.strip("'").split()
        if words == [".ci/run"]:
            continue
        assert words[0].strip('"') in ("make", "$MAKE"), step
        assert words[1].strip('"') in TARGETS | {"$TARGET"}, step
        assert all("=" in word for word in words[2:]), step


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_with_its_version(path: Path) -> None:
    used = re.findall(r"uses: (.+)$", path.read_text(), re.M)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action


def test_every_system_with_the_oldest_and_the_newest_python() -> None:
    ci = (CHECKOUT / ".github/workflows/ci.yml").read_text()
    assert "system: [ubuntu-latest, macos-latest, windows-latest]" in ci
    oldest = re.search(r'requires-python = ">=([\d.]+)"', (CHECKOUT / "pyproject.toml").read_text())
    assert oldest
    assert f'python: ["{oldest[1]}", "3.14"]' in ci


def test_no_secret_is_used_and_one_job_may_publish() -> None:
    for path in WORKFLOWS:
        text = path.read_text()
        assert "secrets." not in text
        assert text.count("id-token: write") == (path.name == "release.yml")
