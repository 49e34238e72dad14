"""The start-up text of each shell has the requested parts, and no placeholder is left in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tcenv import resources
from tcenv.errors import UsageError
from tcenv.shells import EVALUATED, SHELLS, environment, load_shell, startup_file
from tcenv.shells.init_text import render_startup_text

WITH_TEXT = [name for name in SHELLS if load_shell(name).template]
PARTS = ("hook", "completion", "prompt")


@pytest.mark.parametrize("shell", WITH_TEXT)
def test_no_placeholder_is_left(shell: str) -> None:
    text = render_startup_text(shell, prompt=True)
    assert not re.search(r"@[A-Z]+@", text)
    assert load_shell(shell).make_pattern(EVALUATED) in text
    if "has expired" in text:
        assert load_shell(shell).make_word_list(environment.VARIABLES) in text


@pytest.mark.parametrize("shell", WITH_TEXT)
def test_each_part_can_be_left_out(shell: str) -> None:
    whole = render_startup_text(shell, prompt=True)
    plain = render_startup_text(shell, hook=False, completion=False, prompt=False)
    assert len(plain) <= len(whole)
    for part in PARTS:
        text = render_startup_text(shell, **{**dict.fromkeys(PARTS, False), part: True})
        if f"# --- {part}\n" in whole:
            assert f"# --- {part}\n" in text
            assert f"# --- {part}\n" not in plain


@pytest.mark.parametrize("shell", WITH_TEXT)
def test_the_text_is_as_in_its_snapshot(
    shell: str, text_snapshot: SnapshotAssertion, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Leave out completion, which is a generated file with its own test."""
    monkeypatch.setattr(startup_file, "find_own_program", lambda: "/opt/tcenv/bin/tcenv")
    text = render_startup_text(shell, completion=False, prompt=True)
    assert text.replace(str(Path(resources.find_folder("shell")).parent), "/opt/tcenv") == text_snapshot


def test_cmd_has_no_start_up_file() -> None:
    with pytest.raises(UsageError, match="cmd has no start-up file"):
        render_startup_text("cmd")
