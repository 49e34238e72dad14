"""Completion in the shells themselves, for each of its kinds of words."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from tests.programs import require
from tests.shells.interactive import start_shell
from tests.shells.real import BY_NAME
from tests.terminal import Terminal
from tests.world import make_env, tcenv

FOLDER = Path(__file__).parents[2] / "completions"


@pytest.fixture(autouse=True)
def profiles() -> None:
    env = make_env()
    for name in ("community", "firefox-ci"):
        assert tcenv("profile", "set", name, "--root-url", f"https://{name}.example.com", env=env).returncode == 0
    assert tcenv("purpose", "set", "relduty", "--scope", "queue:*", env=env).returncode == 0


CASES = [
    ("tcenv log", {"login", "logout"}),
    ("tcenv login comm", {"community"}),
    ("tcenv profile re", {"remove"}),
    ("tcenv profile show fire", {"firefox-ci"}),
    ("tcenv init fi", {"fish"}),
    ("tcenv env --format d", {"dotenv"}),
    ("tcenv login --flow c", {"create"}),
    ("tcenv logout --del", {"--delete-client"}),
    ("tcenv login --shell zs", {"zsh"}),
    ("tcenv exec --as rel", {"relduty"}),
    ("tcenv shell --proxy --as rel", {"relduty"}),
    ("tcenv purpose show rel", {"relduty"}),
]
# A value in the same word as its option. The shell replaces the whole word.
JOINED = [
    ("tcenv login --flow=cr", {"create"}),
    ("tcenv env --format=", {"json", "dotenv"}),
    ("tcenv exec --as=rel", {"relduty"}),
    ("tcenv init --", {"--install"}),
]
# Lines without a dash, for which no option is offered.
WITHOUT_DASH = ("tcenv ", "tcenv login ", "tcenv init ", "tcenv profile ", "tcenv purpose show ", "tcenv status ")


@pytest.mark.parametrize(("line", "expected"), [*CASES, ("tcenv exec -- mkdi", {"mkdir"})])
def test_bash(line: str, expected: set[str]) -> None:
    found = complete_in_bash(line.split())
    assert found >= expected
    assert all(word.startswith(line.split()[-1]) for word in found)


def complete_in_bash(words: list[str]) -> set[str]:
    """Return what bash offers for the last of the words, which readline has split."""
    script = f"""
    . {FOLDER}/tcenv.bash
    COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
    _tcenv; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = BY_NAME["bash"].run(script, make_env())
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(("line", "expected"), JOINED)
def test_bash_after_an_equals_sign(line: str, expected: set[str]) -> None:
    """readline splits the word at `=`, unless COMP_WORDBREAKS lacks it."""
    option, sign, value = line.partition("=")
    if not sign:
        assert complete_in_bash(line.split()) >= expected
        return
    assert complete_in_bash([*option.split(), "=", *([value] if value else [])]) >= expected
    prefix = option.split()[-1] + "="
    assert complete_in_bash(line.split()) >= {prefix + value for value in expected}


@pytest.mark.parametrize("breaks", ["", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}"], ids=["word", "no-word"])
def test_bash_in_a_terminal_after_an_equals_sign(breaks: str, tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_text(f". {FOLDER}/tcenv.bash\nPS1='> '\n{breaks}\n")
    with Terminal([require("bash"), "--noprofile", "--rcfile", str(rc)], make_env(), tmp_path) as terminal:
        terminal.read_environment()
        terminal.press("tcenv login --flow=cr", "Tab")
        terminal.wait_for("> tcenv login --flow=create")


@pytest.mark.parametrize("line", WITHOUT_DASH)
def test_bash_offers_options_only_after_a_dash(line: str) -> None:
    assert not [word for word in complete_in_bash([*line.split(), ""]) if word.startswith("-")]


def test_bash_offers_nothing_for_a_free_value() -> None:
    assert complete_in_bash(["tcenv", "login", "--name", ""]) == set()
    assert complete_in_bash(["tcenv", "login", "--name", "=", "c"]) == set()


def test_bash_runs_no_command_in_the_name_of_a_file(tmp_path: Path, home: Path) -> None:
    (home / "x$(touch owned)y").write_text("")
    rc = tmp_path / "rc"
    rc.write_text(f". {FOLDER}/tcenv.bash\nPS1='> '\n")
    for line in ("tcenv exec -- cat x", "tcenv exec -- cat ./x", "tcenv login '$(touch owned)"):
        with Terminal([require("bash"), "--noprofile", "--rcfile", str(rc)], make_env(), tmp_path) as terminal:
            terminal.wait_for(">")
            terminal.press(*line.replace(" ", "\0 \0").split("\0"), "Tab")
            terminal.press("Tab", "Enter")
            terminal.type("")
            terminal.type("echo do''ne")
            terminal.wait(lambda: "done" in terminal.read_screen() or "> echo" in terminal.read_screen(), "the prompt")
        assert not (home / "owned").exists(), line


@pytest.mark.parametrize(("line", "expected"), [*CASES, ("tcenv exec -- mkdi", {"mkdir"})])
def test_fish(line: str, expected: set[str]) -> None:
    assert complete_in_fish(line) >= expected


@pytest.mark.parametrize(("line", "expected"), JOINED)
def test_fish_after_an_equals_sign(line: str, expected: set[str]) -> None:
    prefix = "".join(line.split()[-1].rpartition("=")[:2])
    assert complete_in_fish(line) >= {prefix + value for value in expected}


def test_fish_offers_options_only_after_a_dash() -> None:
    for line in WITHOUT_DASH:
        assert not [word for word in complete_in_fish(line) if word.startswith("-")], line


def complete_in_fish(line: str) -> set[str]:
    done = BY_NAME["fish"].run(f"source {FOLDER}/tcenv.fish; complete -C '{line}'", make_env())
    assert done.stderr == ""
    return {row.split("\t")[0] for row in done.stdout.splitlines()}


# What zsh makes of a line when the user presses Tab.
ZSH_LINES = (
    ("tcenv logi", "tcenv login"),
    ("tcenv login --flow=cr", "tcenv login --flow=create"),
    ("tcenv env --format=dot", "tcenv env --format=dotenv"),
    ("tcenv exec --as=rel", "tcenv exec --as=relduty"),
    ("tcenv login --flow cr", "tcenv login --flow create"),
    ("tcenv login comm", "tcenv login community"),
    ("tcenv profile rem", "tcenv profile remove"),
    ("tcenv env --format dot", "tcenv env --format dotenv"),
    ("tcenv env --as rel", "tcenv env --as relduty"),
    ("tcenv purpose remove rel", "tcenv purpose remove relduty"),
    ("tcenv exec -- mkdi", "tcenv exec -- mkdir"),
)


def test_zsh(tmp_path: Path, home: Path) -> None:
    """One shell completes all lines, because zsh takes a second to start with compinit."""
    (home / ".zshrc").write_text(f"PS1='> '; autoload -Uz compinit; compinit -u; source {FOLDER}/_tcenv\n")
    with Terminal([require("zsh"), "-d"], make_env(), tmp_path) as terminal:
        terminal.read_environment()
        for line, expected in ZSH_LINES:
            terminal._run("send-keys", "-t", "t", "-l", line)
            terminal.press("Tab")
            terminal.wait_for(f"> {expected}")
            terminal.press("C-u")


def test_zsh_keeps_colons_and_offers_options_only_after_a_dash(tmp_path: Path, home: Path) -> None:
    (home / ".zshrc").write_text(f"PS1='> '; LISTMAX=999; autoload -Uz compinit; compinit -u; source {FOLDER}/_tcenv\n")
    with Terminal([require("zsh"), "-d"], make_env(), tmp_path) as terminal:
        terminal.read_environment()
        terminal.type("clear")
        terminal.press("tcenv ", "Tab")
        terminal.wait_for("start-up file: the `tcenv` function")
        assert "--version" not in terminal.read_screen()
        terminal.press("C-c")
        terminal.type("clear")
        terminal.press("tcenv login --", "Tab")
        terminal.wait_for("--flow")
        assert "(auth:delete-client for its own names)" in terminal.read_screen()
        assert "\\:" not in terminal.read_screen()


@pytest.mark.parametrize("compinit", ["autoload -Uz compinit; compinit -u", ""], ids=["later", "never"])
def test_zsh_before_compinit_has_run(compinit: str, tmp_path: Path, home: Path) -> None:
    """zsh completes as soon as compinit has run. If it never runs, a comment in the text says why nothing is completed."""
    (home / ".zshrc").write_text(f"PS1='> '; eval \"$(tcenv init zsh)\"; {compinit}\n")
    with Terminal([require("zsh"), "-d"], make_env(), tmp_path) as terminal:
        terminal.read_environment()
        assert "compdef" not in terminal.read_screen()
        if compinit:
            terminal.press("C-l")
            terminal.press("tcenv env --format dot", "Tab")
            terminal.wait_for("> tcenv env --format dotenv")
        else:
            assert "Without it zsh completes no command's words" in tcenv("init", "zsh", env=make_env()).stdout.replace(
                "\\", ""
            )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tcenv login comm", "community"),
        ("tcenv env --format dot", "dotenv"),
        ("tcenv profile rem", "remove"),
        ("tcenv login --as rel", "relduty"),
        ("tcenv purpose show rel", "relduty"),
        ("tcenv login --flow=cr", "--flow=create"),
        ("tcenv env --format=", "--format=dotenv"),
        ("tcenv exec --as=rel", "--as=relduty"),
        ("tcenv init --", "--install"),
    ],
)
def test_elvish(line: str, expected: str) -> None:
    assert expected in complete_in_elvish(line.split())


def test_elvish_offers_options_only_after_a_dash() -> None:
    for line in WITHOUT_DASH:
        assert not [word for word in complete_in_elvish([*line.split(), ""]) if word.startswith("-")], line
    assert complete_in_elvish(["tcenv", "login", "--name", ""]) == []


def complete_in_elvish(line: list[str]) -> list[str]:
    words = " ".join(f"'{word}'" for word in line)
    # Only an interactive elvish has `edit:`, so the script calls the function itself.
    text = (FOLDER / "tcenv.elv").read_text()
    text = text.replace("set edit:completion:arg-completer[tcenv] = $tcenv-complete~", "")
    script = f"use re; use str; {text}\ntcenv-complete {words}"
    script = script.replace("edit:complete-filename", "nop")
    done = BY_NAME["elvish"].run(script, make_env())
    assert done.returncode == 0, done.stderr
    return [word.strip("'") for word in done.stdout.replace("▶", " ").split()]


def test_nushell_knows_the_signatures(tmp_path: Path) -> None:
    names = "scope externs | where name =~ '^tcenv ' | get name | to json -r"
    known = "print (__tcenv_profiles | to json -r); print (__tcenv_purposes | to json -r)"
    done = BY_NAME["nu"].run(f"source {FOLDER}/tcenv.nu; {known}; {names}", make_env())
    assert done.returncode == 0, done.stderr
    assert "community" in done.stdout
    assert "relduty" in done.stdout
    assert "tcenv profile set" in done.stdout


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tcenv log", {"login", "logout"}),
        ("tcenv login comm", {"community"}),
        ("tcenv env --format d", {"dotenv"}),
        ("tcenv exec --as rel", {"relduty"}),
        ("tcenv login --name c", set()),
    ],
)
def test_nushell_completes_the_words_of_its_function(line: str, expected: set[str]) -> None:
    script = f"source {FOLDER}/tcenv.nu; print (__tcenv_complete '{line}' {len(line)} | to json -r)"
    done = BY_NAME["nu"].run(script, make_env())
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= expected
    assert expected or not found
    assert not [word for word in found if word.startswith("-")]


def test_nushell_in_a_terminal(tmp_path: Path) -> None:
    """The line has an equals sign, a dash, or the name of a profile."""
    prompt = "$env.PROMPT_COMMAND = {|| 'me' }; $env.PROMPT_COMMAND_RIGHT = ''"
    with start_shell("nu", tmp_path, make_env(), prompt) as terminal:
        for line, expected in (
            ("tcenv shell --as=rel", "tcenv shell --as=relduty"),
            ("tcenv shell --rea", "tcenv shell --read-only"),
            ("tcenv shell comm", "tcenv shell community"),
            ("tcenv login comm", "tcenv login community"),
        ):
            terminal.read_environment("^")
            terminal._run("send-keys", "-t", "t", "-l", line)
            terminal.press("Tab")
            terminal.wait_for(f"me> {expected}")
            terminal.press("C-c")
