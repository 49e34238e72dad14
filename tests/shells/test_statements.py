"""Each shell evaluates its statements: any text arrives unchanged, variables are unset, and a failure fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tcenv.errors import UsageError
from tcenv.shells import ALIASES, Unrepresentable, get_canonical_name, load_shell
from tcenv.shells import SHELLS as NAMES
from tests.shells.real import BY_NAME, POSIX, SHELLS, RealShell, read_environment
from tests.terminal import Terminal
from tests.world import make_env

ids = [shell.name for shell in SHELLS]
texts = st.text(st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), max_size=40)  # type: ignore[arg-type]
# Texts that some shell changes when they are not quoted.
NASTY = [
    *("", " ", "  two  blanks  ", "\t", "\n", "a\nb\n", "\r\n", "'", "''", "'\\''", '"', "\\", "\\\\n"),
    *("$HOME", "${HOME}", "$(id)", "`id`", "!", "!!", "a!b", "#x", "~", "~root", "{a,b}", "{", "}", "*", "?", "[a-z]"),
    *("a=b", "-n", "%PATH%", "^", "&|<>;()", "\u2018\u2019\u201a\u201b\u201c\u201d", "\x01\x1b[31m\x7f"),
    *("é ü 漢字 🦊", "\u00a0\u2028\ufeff", "\U0010ffff", "a'b\"c`d$e\\f!g"),
    "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv",
]


def can_carry(name: str, value: str) -> bool:
    """Return whether the shell's statements can hold `value`."""
    try:
        load_shell(name).export({"TCENV_T": value})
    except Unrepresentable:
        return False
    return True


# What a session can hold: texts of the patterns in docs/taskcluster.md, and an IPv6 address in the root URL.
client_ids = st.text("abzABZ019!@/:.+|_-", min_size=1, max_size=40)
tokens = st.text("azAZ09_-", min_size=22, max_size=66)
sessions = st.tuples(st.sampled_from(["https://tc.example.com", "http://[::1]:8080"]), client_ids, tokens)
SESSION: dict[str, str | None] = {
    "TASKCLUSTER_ROOT_URL": "https://tc.example.com",
    "TASKCLUSTER_CLIENT_ID": "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv",
    "TASKCLUSTER_ACCESS_TOKEN": "-_bcdefghijklmnopqrstuvwxyz",
    "TASKCLUSTER_CERTIFICATE": None,
    "TCENV_NEVER": None,
}
OLD = {"TASKCLUSTER_CERTIFICATE": "old", "TASKCLUSTER_CLIENT_ID": "old"}


def evaluate(
    shell: RealShell, text: str, folder: Path, line: str | None = None, before: str = ""
) -> tuple[dict[str, str], str]:
    """Evaluate `text` by the shell's line, or by `line`, and run a program if that succeeded.

    Return the environment of the program, which is empty if it did not run, and what the shell printed."""
    written, out = folder / "text", folder / "out"
    written.write_text(text, newline="")
    out.unlink(missing_ok=True)
    evaluation = (line or shell.line).format(f"{shell.caret}cat {written}")
    # In csh, a first line of nothing would take the rest for the shell's arguments.
    lines = [*([before] if before else []), shell.chain.format(evaluation, shell.make_dump(out))]
    done = shell.run_lines(*lines, env=make_env(**OLD))
    return (read_environment(out) if out.exists() else {}), done.stdout + done.stderr


def has(environment: Mapping[str, str], change: Mapping[str, str | None]) -> bool:
    """Return whether each variable has its value in `change`, or is unset if that is None."""
    return bool(environment) and all(environment.get(name) == value for name, value in change.items())


UNQUOTED = [(shell, line) for shell in POSIX for line in ("eval $({})", "eval `{}`")]


@pytest.mark.parametrize(("shell", "line"), UNQUOTED, ids=[f"{shell.name} {line}" for shell, line in UNQUOTED])
def test_sessions_survive_an_unquoted_eval(shell: RealShell, line: str, tmp_path: Path) -> None:
    @settings(max_examples=3, suppress_health_check=list(HealthCheck))
    @given(st.lists(sessions, min_size=10, max_size=20))
    def run(many: list[tuple[str, str, str]]) -> None:
        change = {f"TCENV_T{n}_{m}": value for n, values in enumerate(many) for m, value in enumerate(values)}
        change["TASKCLUSTER_CERTIFICATE"] = None  # type: ignore[assignment]
        after, printed = evaluate(shell, load_shell(shell.name).export(change), tmp_path, line)
        assert has(after, change), printed

    run()
    after, _ = evaluate(shell, load_shell(shell.name).make_failure(), tmp_path, line)
    assert not after


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("bash", "shopt -s nullglob"),
        ("bash", "shopt -s failglob"),
        ("bash", "shopt -s extglob dotglob globstar nocaseglob"),
        ("bash", "set -k"),
        ("zsh", "setopt nullglob extendedglob"),
        ("yash", "set -o nullglob"),
    ],
)
def test_an_ipv6_address_survives_an_unquoted_eval_of_patterns(name: str, options: str, tmp_path: Path) -> None:
    change = {**SESSION, "TASKCLUSTER_ROOT_URL": "https://[2001:db8::1]:8080"}
    after, printed = evaluate(BY_NAME[name], load_shell(name).export(change), tmp_path, "eval $({})", options)
    assert has(after, change)
    assert not printed


CSH = [shell.name for shell in SHELLS if shell.init == "tcsh"]
OPTIONS = [
    *((shell.name, options) for shell in POSIX for options in ("set -eu", "set -C", "set -f", "IFS=/:@")),
    *((shell.name, "alias export=false unset=false false=true") for shell in POSIX),
    ("bash", "shopt -s expand_aliases nullglob failglob extglob"),
    ("bash", "set -k -H -a -T -E"),
    ("bash", "set -o posix"),
    ("zsh", "setopt extendedglob histexpand banghist nounset errreturn"),
    ("zsh", "setopt ksharrays warncreateglobal posixbuiltins kshtypeset globassign braceccl"),
    ("zsh", "emulate sh"),
    ("zsh", "emulate ksh"),
    ("mksh", "set -o posix"),
    ("yash", "set -o posix"),
    *((name, f"set {option}") for name in CSH for option in ("noglob", "nonomatch", "noclobber", "histchars=")),
    *((name, f"set {option}") for name in CSH for option in ("histchars='^,'", "echo_style=none")),
    *((name, "alias setenv 'echo no'; alias unsetenv 'echo no'; alias printf 'echo no'") for name in CSH),
]


@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_under_options_and_aliases(name: str, options: str, tmp_path: Path) -> None:
    shell = BY_NAME[name]
    change = {**SESSION, "TCENV_TEXT": 'a  b {c} "d" é\t*?'}
    after, printed = evaluate(shell, load_shell(name).export(change), tmp_path, before=options)
    assert has(after, change), printed
    assert not printed
    after, _ = evaluate(shell, load_shell(name).make_failure(), tmp_path, before=options)
    assert not after


@pytest.mark.parametrize("shell", POSIX, ids=[shell.name for shell in POSIX])
@pytest.mark.parametrize(
    "before",
    ["readonly TASKCLUSTER_ROOT_URL=old", "export TASKCLUSTER_CERTIFICATE; readonly TASKCLUSTER_CERTIFICATE=old"],
)
def test_a_read_only_variable_stops_the_evaluation(shell: RealShell, before: str, tmp_path: Path) -> None:
    text = load_shell(shell.name).export(SESSION)
    after, printed = evaluate(shell, text, tmp_path, before=before)
    assert not after
    assert "read" in printed


ATTRIBUTES = [
    *(("bash", f"declare {attribute}") for attribute in ("-u", "-i", "-a", "-A")),
    *(("zsh", f"typeset {attribute}") for attribute in ("-u", "-i", "-L3", "-a", "-A")),
    *(("ksh", f"typeset {attribute}") for attribute in ("-u", "-i16", "-L3", "-A")),
    *(("mksh", f"typeset {attribute}") for attribute in ("-u", "-i16", "-L3")),
]


@pytest.mark.parametrize(("name", "attribute"), ATTRIBUTES)
def test_attributes_of_a_variable_do_not_change_its_value(name: str, attribute: str, tmp_path: Path) -> None:
    shell = BY_NAME[name]
    before = f"unset TASKCLUSTER_CLIENT_ID; {attribute} TASKCLUSTER_CLIENT_ID"
    after, printed = evaluate(shell, load_shell(name).export(SESSION), tmp_path, before=before)
    assert has(after, SESSION), printed


def test_fish_unsets_in_every_scope(tmp_path: Path) -> None:
    before = "set -U TASKCLUSTER_CERTIFICATE universal; set -g TASKCLUSTER_CERTIFICATE global"
    shell = BY_NAME["fish"]
    after, printed = evaluate(shell, load_shell("fish").export(SESSION), tmp_path, before=before)
    assert has(after, SESSION), printed
    assert not printed


# A statement, and another one that runs even if the first fails.
REGARDLESS = {
    "elvish": "try {{ {} }} catch e {{ nop }}; {}",
    "nu": "try {{ {} }}; {}",
    "powershell": "try {{ {} }} catch {{ }}; {}",
    "xonsh": "try:\n    {}\nexcept Exception:\n    pass\n{}",
}
INTERACTIVE = ("bash", "zsh", "sh", "ksh", "mksh", "yash", "fish", "tcsh", "csh", "elvish")


@pytest.mark.parametrize("name", INTERACTIVE)
def test_at_a_prompt_the_history_leaves_exclamation_marks_alone(name: str, tmp_path: Path) -> None:
    shell = BY_NAME[name]
    change = {**SESSION, "TCENV_TEXT": "!! a!b !x !$ ^a^b"}
    text = tmp_path / "text"
    text.write_text(load_shell(name).export(change))
    with Terminal(shell.command, make_env(PS1="$ ", **OLD), tmp_path) as terminal:
        terminal.type("echo READY")
        terminal.wait(lambda: terminal.read_screen().count("READY") > 1, "the shell")
        terminal.type(shell.make_evaluation(f"cat {text}"))
        assert has(terminal.read_environment(), change), terminal.read_screen()


# cmd needs Windows. Here, its text is compared with its published rules, and read by a small reader made from these rules.
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", "$Env:V = 'plain';\n"),
        ("it's", "$Env:V = 'it''s';\n"),
        ('$x `n "q" # @{', "$Env:V = '$x `n \"q\" # @{';\n"),
        ("a\u2019b", "$Env:V = (-join [char[]](97,8217,98));\n"),
        ("a\nb", "$Env:V = (-join [char[]](97,10,98));\n"),
        ("🦊", "$Env:V = (-join [char[]](55358,56714));\n"),
        (None, "Remove-Item -LiteralPath Env:V -ErrorAction Ignore;\n"),
    ],
)
def test_powershell_text(value: str | None, expected: str) -> None:
    assert load_shell("pwsh").export({"V": value}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("plain", 'set "V=plain"\r\n'),
        ('50% ^ & | < > ( ) ! "q"', 'set "V=50% ^ & | < > ( ) ! "q""\r\n'),
        (None, 'set "V="\r\n'),
    ],
)
def test_cmd_text(value: str | None, expected: str) -> None:
    assert load_shell("cmd").export({"V": value}) == expected


def read_as_cmd(output: str) -> dict[str, str]:
    """Return the variables that cmd would set: `for /f` skips lines that are empty or begin with `;`, and `set` takes the
    text between the first quote and the last."""
    found = {}
    for line in re.split("\r?\n", output):
        if not line or line.startswith(";"):
            continue
        assert line.startswith('set "')
        assert len(line) < 8192
        name, _, value = line[5 : line.rindex('"')].partition("=")
        found[name] = value
    return found


@settings(max_examples=200)
@given(st.lists(st.text([chr(code) for code in range(32, 127)], min_size=1), min_size=1))
@example(["x" * 8000])
def test_cmd_reads_any_printable_ascii_back(values: list[str]) -> None:
    change = {f"V{number}": value for number, value in enumerate(values)}
    assert read_as_cmd(load_shell("cmd").export(change)) == change


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "", "é", "\x1b", "x" * 8001])
def test_cmd_refuses_what_it_cannot_carry(value: str) -> None:
    with pytest.raises(Unrepresentable):
        load_shell("cmd").export({"V": value})


@pytest.mark.parametrize("name", NAMES)
def test_no_change_is_no_statement(name: str) -> None:
    assert load_shell(name).export({}).strip() in ("", "{}", "[void]0;")


def test_every_name_leads_to_a_shell() -> None:
    for name in (*NAMES, *ALIASES):
        assert load_shell(name).make_failure().strip()
    with pytest.raises(UsageError, match="nosuchshell"):
        load_shell("nosuchshell")


@pytest.mark.parametrize("shell", SHELLS, ids=ids)
class TestEveryShell:
    """The contract of every shell, tested in the shell itself."""

    def test_any_text_arrives_unchanged(self, shell: RealShell, tmp_path: Path) -> None:
        # A slow shell gets as many texts in fewer processes. hypothesis tries the smallest list first.
        examples, least = (2, 80) if shell.name == "powershell" else (8, 20)

        @settings(max_examples=examples, suppress_health_check=list(HealthCheck))
        @given(st.lists(texts, min_size=least, max_size=3 * least))
        def run(values: list[str]) -> None:
            can = [value for value in [*NASTY, *values] if can_carry(shell.name, value)]
            change = {f"TCENV_T{number}": value for number, value in enumerate(can)} | dict.fromkeys(OLD)
            after, printed = evaluate(shell, load_shell(shell.name).export(change), tmp_path)
            assert has(after, change), printed

        run()

    def test_what_a_shell_cannot_carry_is_an_error(self, shell: RealShell) -> None:
        refused = [value for value in [*NASTY, "\0", "\ud800"] if not can_carry(shell.name, value)]
        own = {"tcsh": ["\n", "a\nb\n", "\r\n"], "powershell": [""]}
        assert refused == [*own.get(get_canonical_name(shell.name), []), "\0", "\ud800"]

    def test_long_values_arrive_whole_or_not_at_all(self, shell: RealShell, tmp_path: Path) -> None:
        values = ["a" * 3000, '{"scopes": ["queue:*"]}' * 40, '{"scopes": ["queue:*"]}' * 1000, "é x" * 30_000]
        can = [value for value in values if can_carry(shell.name, value)]
        assert can == values or get_canonical_name(shell.name) == "tcsh"
        # csh stops at the first word that is too long.
        for part in [[value] for value in can] if shell.name == "csh" else [can]:
            change = {f"TCENV_LONG{number}": value for number, value in enumerate(part)} | {"TCENV_AFTER": "there"}
            after, printed = evaluate(shell, load_shell(shell.name).export(change), tmp_path)
            if shell.name == "csh" and len(part[0]) > 3000:
                assert not after
                assert "Word too long" in printed
            else:
                assert has(after, change), printed[:500]

    def test_in_the_C_locale_text_arrives_or_it_fails(
        self, shell: RealShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("LANG")
        monkeypatch.setenv("LC_ALL", "C")
        change = {"TCENV_T": "é 漢字 🦊", **SESSION}
        if shell.name == "yash":  # it reads characters, and then knows only ASCII
            after, printed = evaluate(shell, load_shell(shell.name).export(change), tmp_path)
            assert not after, printed
            change = SESSION
        after, printed = evaluate(shell, load_shell(shell.name).export(change), tmp_path)
        assert has(after, change), printed

    def test_failure_fails_and_changes_nothing(self, shell: RealShell, tmp_path: Path) -> None:
        text, out, reached = tmp_path / "text", tmp_path / "out", tmp_path / "reached"
        text.write_text(load_shell(shell.name).make_failure(), newline="")
        line = shell.make_evaluation(f"{shell.caret}cat {text}")
        reaching = shell.chain.format(line, f"touch {reached}").replace("\n", "\n    ")
        script = REGARDLESS.get(shell.name, "{}; {}").format(reaching, shell.make_dump(out))
        done = shell.run_lines(script, env=make_env(TCENV_A="a", **OLD))
        assert not reached.exists()
        assert out.exists(), done.stderr
        after = read_environment(out)
        assert {name: after.get(name) for name in ("TCENV_A", *OLD)} == {"TCENV_A": "a", **OLD}
