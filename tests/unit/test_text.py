"""Format texts and durations for people."""

from __future__ import annotations

import os
import sys

import pexpect
from hypothesis import given
from hypothesis import strategies as st

from tcenv.text import format_duration, replace_unprintable, wrap

words = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30), min_size=1)


@given(words, st.integers(10, 100))
def test_wrapping_keeps_every_word_whole(parts: list[str], width: int) -> None:
    lines = wrap(" ".join(parts), width, "* ", "  ").split("\n")
    assert " ".join(line[2:] for line in lines).split(" ") == parts
    assert all(len(line) <= width or " " not in line[2:] for line in lines)


def test_durations_have_two_units_at_most() -> None:
    assert [format_duration(s) for s in (0, 45, 90, 3600, 26_000, 97_200)] == [
        "0 s",
        "45 s",
        "1 min 30 s",
        "1 h",
        "7 h 13 min",
        "1 d 3 h",
    ]


@given(st.text())
def test_printable_text_has_no_control_characters(text: str) -> None:
    shown = replace_unprintable(text)
    assert len(shown) == len(text)
    assert all(character.isprintable() for character in shown)


def test_a_command_in_a_hint_is_whole_in_the_narrowest_terminal() -> None:
    """The rest of the sentence is on the same line, and is not part of the command."""
    script = (
        "from tcenv.cli.terminal import messages\n"
        "command = ('tcenv', 'login', 'https://tc.example.com', '--name', 'tcenv-new')\n"
        "messages.hint('Ask for another one:', command, '. Or end one on its page.')\n"
    )
    child = pexpect.spawn(
        sys.executable,
        ["-c", script],
        env={**os.environ, "TCENV_SHELL": "bash", "TERM": "dumb"},
        dimensions=(20, 40),
        encoding="utf-8",
        timeout=60,
    )
    lines = child.read().replace("\r", "").split("\n")
    assert '  eval "$(tcenv login https://tc.example.com --name tcenv-new)".' in lines[1]
    assert all(len(line) <= 40 for line in (lines[0], *lines[2:]))
