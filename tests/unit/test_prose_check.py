"""Check the prose check of `make check`: it rejects sentences that docs/style.md warns about, and accepts plain ones."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
REJECTED = [
    "What was typed, set or configured cannot be meant.",
    "So it is meant: the session was in memory.",
    "401 on every call, though tcenv status is content.",
    "CI has nobody to sit before a browser.",
    "Show what a profile comes to.",
    "Say how to mend it.",
    "The session is good until noon.",
    "This shell has it loaded.",
    "There is: community, fx.",
    "tcenv does not speak the shell brush.",
    "It must be a text in quotes.",
    "Look at who made it, and have it removed.",
    "What came from the browser is no good.",
    "Whoever calls must sign.",
    "The list is separated by blanks.",
    "A file of yours is to be read.",
]
ACCEPTED = [
    "To sign in, run the command again.",
    "The session expires at noon, and tcenv removes it.",
    "This shell has not loaded the session.",
]

_spec = importlib.util.spec_from_file_location("words", CHECKOUT / ".ci/words.py")
assert _spec and _spec.loader
words = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(words)


def test_make_check_runs_the_prose_check() -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    assert "words\n" in makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    recipe = makefile.partition("\nwords:")[2].partition("\n\n")[0]
    assert ".ci/words.py" in recipe
    assert "codespell" in recipe
    assert "textlintrc.yml" in recipe


def test_odd_sentences_are_rejected_and_plain_ones_accepted(tmp_path: Path) -> None:
    program = CHECKOUT / ".tools/words/node_modules/.bin/textlint"
    if not program.exists() and os.environ.get("TCENV_TEST_REQUIRE") != "all":
        pytest.skip("textlint is not installed: make .tools/words/installed")
    file = tmp_path / "sentences.md"
    file.write_text("\n\n".join([*REJECTED, *ACCEPTED]))
    config = CHECKOUT / ".ci/npm/words/textlintrc.yml"
    done = subprocess.run(
        [program, "-c", config, "-f", "unix", file],
        env={**os.environ, "NODE_PATH": str(CHECKOUT / ".tools/words/node_modules")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    found = {int(line.split(":")[1]) for line in done.stdout.splitlines() if ":" in line}
    lines = file.read_text().splitlines()
    assert done.returncode == 1, done.stderr
    assert [lines[number - 1] for number in sorted(found)] == REJECTED


def test_sentences_in_code_keep_their_lines() -> None:
    source = '''"""A module."""
name = "no-sentence"

def run() -> None:
    """Words for readers of the code alone."""
    warn(f"The session of {name} expires "
         f"in {left} minutes.")


class Options:
    """Print a greeting for you.

    Examples:
        tcenv greet you and me
    """
'''
    lines = words.make_page(source, True).splitlines()
    assert {number: line for number, line in enumerate(lines, 1) if line} == {
        6: "The session of ALPHA expires in BETA minutes.",
        11: "Print a greeting for you.",
    }
    assert words.make_page("# a comment that nobody sees\nprintf 'tcenv: it has expired'\n", False) == (
        "\ntcenv: it has expired\n"
    )
