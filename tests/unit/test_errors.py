"""Render the commands of hints in the form of each shell."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tcenv.cli.terminal.command_line import render_command_line
from tcenv.errors import Hint, TcenvError, make_login_command

PACKAGE = Path(__file__).parents[2] / "tcenv"
SCOPES = ("tcenv", "scopes", "work", "--satisfies", "queue:it's *")


def test_a_hint_holds_prose_and_words() -> None:
    hint = Hint(
        "Ask for another:", make_login_command("work --root-url http://[::1]:80", "--name", "a b"), ". Or wait."
    )
    assert str(hint) == "Ask for another: tcenv login work --root-url 'http://[::1]:80' --name 'a b'. Or wait."
    assert TcenvError("No.", "Try again.").hint == Hint("Try again.")
    assert TcenvError("No.").hint is None


@pytest.mark.parametrize(
    ("shell", "line", "evaluated"),
    [
        ("bash", "tcenv scopes work --satisfies 'queue:it'\\''s *'", "eval \"$(tcenv login 'a. b')\""),
        ("fish", "tcenv scopes work --satisfies 'queue:it\\'s *'", "tcenv login 'a. b' | source"),
        ("nu", 'tcenv scopes work --satisfies "queue:it\'s *"', 'tcenv login "a. b" --shell nu | from json | load-env'),
        ("elvish", "tcenv scopes work --satisfies 'queue:it''s *'", "eval (tcenv login 'a. b' | slurp)"),
        (
            "powershell",
            "tcenv scopes work --satisfies 'queue:it''s *'",
            "tcenv login 'a. b' | Out-String | Invoke-Expression",
        ),
        (
            "cmd",
            'tcenv scopes work --satisfies "queue:it\'s *"',
            'for /f "delims=" %i in (\'tcenv login "a. b" --shell cmd\') do @%i',
        ),
    ],
)
def test_a_command_has_the_form_of_the_shell(shell: str, line: str, evaluated: str) -> None:
    assert render_command_line(SCOPES, shell) == line
    assert render_command_line(("tcenv", "login", "a. b"), shell) == evaluated


def test_no_command_is_hidden_in_prose() -> None:
    """A command in prose would not be quoted for the shell."""
    commands = "login|logout|signin|env|exec|shell|ssh|status|scopes|profile|purpose|proxy|doctor|sandbox"
    hidden = re.compile(rf"(?:^|: )tcenv (?:{commands})\b")
    printing = re.compile(r"(?:Error|Hint|SignedIn|Rejected|TimedOut|hint|note|warn|done|error)\Z")
    found = []
    for path in PACKAGE.rglob("*.py"):
        if "sandbox" in path.parts:
            continue
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call) or not printing.search(ast.unparse(call.func)):
                continue
            texts = [part for part in ast.walk(call) if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            found += [f"{path.name}:{text.lineno}: {text.value}" for text in texts if hidden.search(text.value)]  # type: ignore[arg-type, str-bytes-safe]
    assert not found
