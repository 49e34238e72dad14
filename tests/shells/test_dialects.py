"""Each dialect through its real shell: what is set is what was meant, for any text; what is unset is gone; failure fails."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tcenv.errors import UsageError
from tcenv.shells import ALIASES, Unrepresentable, canonical, dialect
from tcenv.shells import SHELLS as NAMES
from tests.shells.real import POSIX, SHELLS, RealShell, environment_after
from tests.world import environ

ids = [shell.name for shell in SHELLS]
texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=40)
# What some shell or other makes something of.
NASTY = [
    "",
    " ",
    "  two  blanks  ",
    "\t",
    "\n",
    "a\nb\n",
    "\r\n",
    "'",
    "''",
    "'\\''",
    '"',
    "\\",
    "\\\\n",
    "$HOME",
    "${HOME}",
    "$(id)",
    "`id`",
    "!",
    "!!",
    "a!b",
    "#x",
    "~",
    "~root",
    "{a,b}",
    "{",
    "}",
    "*",
    "?",
    "[a-z]",
    "a=b",
    "-n",
    "%PATH%",
    "^",
    "&|<>;()",
    "\u2018\u2019\u201a\u201b\u201c\u201d",
    "\x01\x1b[31m\x7f",
    "é ü 漢字 🦊",
    "\u00a0\u2028\ufeff",
    "\U0010ffff",
    "a'b\"c`d$e\\f!g",
    "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv",
]


def check(shell: RealShell, values: list[str]) -> None:
    """Set all values in one shell and read the environment of a child; then unset every second."""
    speaks = dialect(canonical(shell.name))
    change: dict[str, str | None] = {}
    for number, value in enumerate(values):
        try:
            speaks.quote(value)
        except Unrepresentable:
            continue
        change[f"TCENV_T{number}"] = value
    change["TCENV_GONE"] = None
    with tempfile.TemporaryDirectory() as folder:
        text, out = Path(folder) / "text", Path(folder) / "out"
        text.write_text(speaks.statements(change), newline="")
        cat = f"^cat {text}" if shell.name == "nu" else f"cat {text}"
        done = shell.run(shell.chain.format(shell.evaluate(cat), shell.dump(out)), environ(TCENV_GONE="there"))
        assert out.exists(), done.stderr
        after = environment_after(out)
        assert "TCENV_GONE" not in after
        assert {name: after.get(name) for name in change if name != "TCENV_GONE"} == {
            name: value for name, value in change.items() if name != "TCENV_GONE"
        }


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
def test_any_text_arrives_as_it_is(shell: RealShell) -> None:
    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(texts, min_size=20, max_size=60))
    @example(NASTY)
    def run(values: list[str]) -> None:
        check(shell, values)

    run()


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
def test_what_a_shell_cannot_carry_is_an_error(shell: RealShell) -> None:
    speaks = dialect(canonical(shell.name))
    refused = [value for value in [*NASTY, "\0", "\ud800"] if not _carries(speaks, value)]
    assert refused == (["\n", "a\nb\n", "\r\n"] if canonical(shell.name) == "tcsh" else []) + ["\0", "\ud800"]


def _carries(speaks: object, value: str) -> bool:
    try:
        speaks.quote(value)  # type: ignore[attr-defined]
    except Unrepresentable:
        return False
    return True


@pytest.mark.parametrize("shell", POSIX, ids=[shell.name for shell in POSIX])
@pytest.mark.parametrize("options", ["set -u", "set -e", "set -C", "alias export=false unset=false", "IFS=/:@"])
def test_under_options_and_aliases(shell: RealShell, options: str, tmp_path: Path) -> None:
    text, out = tmp_path / "text", tmp_path / "out"
    text.write_text(
        dialect(canonical(shell.name)).statements({"TCENV_A": "a/b:c@d", "TCENV_GONE": None, "TCENV_NEVER": None})
    )
    done = shell.run(f"{options}\n{shell.evaluate(f'cat {text}')} && {shell.dump(out)}", environ(TCENV_GONE="x"))
    assert out.exists(), done.stderr
    after = environment_after(out)
    assert after["TCENV_A"] == "a/b:c@d"
    assert "TCENV_GONE" not in after


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
def test_failure_fails_and_changes_nothing(shell: RealShell, tmp_path: Path) -> None:
    text, out, reached = tmp_path / "text", tmp_path / "out", tmp_path / "reached"
    text.write_text(dialect(canonical(shell.name)).failure(), newline="")
    cat = f"^cat {text}" if shell.name == "nu" else f"cat {text}"
    shell.run(shell.chain.format(shell.evaluate(cat), f"touch {reached}"), environ(TCENV_A="a"))
    assert not reached.exists()
    assert not out.exists()


# PowerShell and cmd could not be had: their text is held against their published rules, letter by letter.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "$Env:V = 'plain';\n"),
        ("it's", "$Env:V = 'it''s';\n"),
        ("\u2018a\u2019b\u201ac\u201b", "$Env:V = '\u2018\u2018a\u2019\u2019b\u201a\u201ac\u201b\u201b';\n"),
        ('$x `n "q" \u201cr\u201d', "$Env:V = '$x `n \"q\" \u201cr\u201d';\n"),
        ("a\nb", "$Env:V = 'a\nb';\n"),
        (None, "Remove-Item -LiteralPath Env:V -ErrorAction Ignore;\n"),
    ],
)
def test_powershell_text(value: str | None, expected: str) -> None:
    assert dialect("pwsh").statements({"V": value}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", 'set "V=plain"\r\n'),
        ('50% ^ & | < > ( ) ! "q"', 'set "V=50% ^ & | < > ( ) ! "q""\r\n'),
        (None, 'set "V="\r\n'),
    ],
)
def test_cmd_text(value: str | None, expected: str) -> None:
    assert dialect("cmd").statements({"V": value}) == expected


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "", "é", "\x1b"])
def test_cmd_refuses_what_it_cannot_carry(value: str) -> None:
    with pytest.raises(Unrepresentable):
        dialect("cmd").statements({"V": value})


def test_every_name_leads_to_a_dialect() -> None:
    for name in (*NAMES, *ALIASES):
        assert dialect(name).failure().strip()
    with pytest.raises(UsageError, match="nosuchshell"):
        dialect("nosuchshell")
