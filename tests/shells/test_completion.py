"""Completion in the shells themselves."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from tests.shells.test_in_a_terminal import start
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
# The value in the option's own word, where the shell replaces that whole.
JOINED = [
    ("tcenv login --flow=cr", {"create"}),
    ("tcenv env --format=", {"json", "dotenv"}),
    ("tcenv exec --as=rel", {"relduty"}),
    ("tcenv init --", {"--install"}),
]
# What offers no option, since nobody has typed a dash.
BARE = ("tcenv ", "tcenv login ", "tcenv init ", "tcenv profile ", "tcenv purpose show ", "tcenv status ")


@pytest.mark.parametrize(("line", "expected"), [*CASES, ("tcenv exec -- mkdi", {"mkdir"})])
def test_bash(line: str, expected: set[str]) -> None:
    found = in_bash(line.split())
    assert found >= expected
    assert all(word.startswith(line.split()[-1]) for word in found)


def in_bash(words: list[str]) -> set[str]:
    """What bash offers for the last of the words, which readline has split."""
    script = f"""
    . {FOLDER}/tcenv.bash
    COMP_WORDS=({" ".join(map(shlex.quote, words))}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    COMP_LINE="${{COMP_WORDS[*]}}"; COMP_POINT=${{#COMP_LINE}}
    _tcenv; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        [require("bash"), "--norc", "-c", script], env=make_env(), capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return set(done.stdout.split())


@pytest.mark.parametrize(("line", "expected"), JOINED)
def test_bash_behind_an_equals_sign(line: str, expected: set[str]) -> None:
    """readline takes `=` for a word of its own, unless somebody has taken it out of COMP_WORDBREAKS."""
    option, sign, value = line.partition("=")
    if not sign:
        assert in_bash(line.split()) >= expected
        return
    assert in_bash([*option.split(), "=", *([value] if value else [])]) >= expected
    prefix = option.split()[-1] + "="
    assert in_bash(line.split()) >= {prefix + value for value in expected}


@pytest.mark.parametrize("breaks", ["", "COMP_WORDBREAKS=${COMP_WORDBREAKS//=}"], ids=["word", "no-word"])
def test_bash_in_a_terminal_behind_an_equals_sign(breaks: str, tmp_path: Path) -> None:
    rc = tmp_path / "rc"
    rc.write_text(f". {FOLDER}/tcenv.bash\nPS1='> '\n{breaks}\n")
    with Terminal([require("bash"), "--noprofile", "--rcfile", str(rc)], make_env(), tmp_path) as terminal:
        terminal.read_environment()
        terminal.press("tcenv login --flow=cr", "Tab")
        terminal.wait_for("> tcenv login --flow=create")


@pytest.mark.parametrize("line", BARE)
def test_bash_offers_options_behind_a_dash_alone(line: str) -> None:
    assert not [word for word in in_bash([*line.split(), ""]) if word.startswith("-")]


def test_bash_offers_nothing_for_a_value_that_it_does_not_know() -> None:
    assert in_bash(["tcenv", "login", "--name", ""]) == set()
    assert in_bash(["tcenv", "login", "--name", "=", "c"]) == set()


def test_a_files_name_is_no_command_to_bash(tmp_path: Path, home: Path) -> None:
    """A name that somebody has given to a file in the current directory is completed as a name, and Enter runs nothing of it."""
    (home / "x$(touch owned)y").write_text("")
    rc = tmp_path / "rc"
    rc.write_text(f". {FOLDER}/tcenv.bash\nPS1='> '\n")
    for expanding in ("tcenv exec -- cat x", "tcenv exec -- cat ./x", "tcenv login '$(touch owned)"):
        with Terminal([require("bash"), "--noprofile", "--rcfile", str(rc)], make_env(), tmp_path) as terminal:
            terminal.wait_for(">")
            terminal.press(*expanding.replace(" ", "\0 \0").split("\0"), "Tab")
            terminal.press("Tab", "Enter")
            terminal.type("")
            terminal.type("echo do''ne")
            terminal.wait(lambda: "done" in terminal.read_screen() or "> echo" in terminal.read_screen(), "the prompt")
        assert not (home / "owned").exists(), expanding


@pytest.mark.parametrize(("line", "expected"), [*CASES, ("tcenv exec -- mkdi", {"mkdir"})])
def test_fish(line: str, expected: set[str]) -> None:
    script = f"source {FOLDER}/tcenv.fish; complete -C '{line}'"
    done = subprocess.run(
        [require("fish"), "--no-config", "-c", script], env=make_env(), capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert {row.split("\t")[0] for row in done.stdout.splitlines()} >= expected


@pytest.mark.parametrize(("line", "expected"), JOINED)
def test_fish_behind_an_equals_sign(line: str, expected: set[str]) -> None:
    prefix = "".join(line.split()[-1].rpartition("=")[:2])
    assert in_fish(line) >= {prefix + value for value in expected}


def test_fish_offers_options_behind_a_dash_alone() -> None:
    for line in BARE:
        assert not [word for word in in_fish(line) if word.startswith("-")], line


def in_fish(line: str) -> set[str]:
    script = f"source {FOLDER}/tcenv.fish; complete -C '{line}'"
    done = subprocess.run(
        [require("fish"), "--no-config", "-c", script], env=make_env(), capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return {row.split("\t")[0] for row in done.stdout.splitlines()}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tcenv logi", "tcenv login "),
        ("tcenv login --flow=cr", "tcenv login --flow=create "),
        ("tcenv env --format=dot", "tcenv env --format=dotenv "),
        ("tcenv exec --as=rel", "tcenv exec --as=relduty "),
        ("tcenv login --flow cr", "tcenv login --flow create "),
        ("tcenv login comm", "tcenv login community "),
        ("tcenv profile rem", "tcenv profile remove "),
        ("tcenv env --format dot", "tcenv env --format dotenv "),
        ("tcenv env --as rel", "tcenv env --as relduty "),
        ("tcenv purpose remove rel", "tcenv purpose remove relduty "),
        ("tcenv exec -- mkdi", "tcenv exec -- mkdir "),
    ],
)
def test_zsh(line: str, expected: str, tmp_path: Path, home: Path) -> None:
    (home / ".zshrc").write_text(f"PS1='> '; autoload -Uz compinit; compinit -u; source {FOLDER}/_tcenv\n")
    with Terminal([require("zsh"), "-d"], make_env(), tmp_path) as terminal:
        terminal.read_environment()
        terminal.press("C-l")
        terminal._run("send-keys", "-t", "t", "-l", line)
        terminal.press("Tab")
        # What stands behind the cursor shows that the blank was added.
        terminal.wait(lambda: f"> {expected.rstrip()}" in terminal.read_screen(), expected, 15)


def test_zsh_keeps_colons_and_offers_options_behind_a_dash_alone(tmp_path: Path, home: Path) -> None:
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
def test_zsh_where_compinit_has_not_run(compinit: str, tmp_path: Path, home: Path) -> None:
    """It completes as soon as compinit has run; where that never runs, a comment in the text says why nothing is completed."""
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
    assert expected in in_elvish(line.split())


def test_elvish_offers_options_behind_a_dash_alone() -> None:
    for line in BARE:
        assert not [word for word in in_elvish([*line.split(), ""]) if word.startswith("-")], line
    assert in_elvish(["tcenv", "login", "--name", ""]) == []


def in_elvish(line: list[str]) -> list[str]:
    words = " ".join(f"'{word}'" for word in line)
    # What only an interactive elvish has is left out: the function itself is called.
    text = (FOLDER / "tcenv.elv").read_text()
    text = text.replace("set edit:completion:arg-completer[tcenv] = $tcenv-complete~", "")
    script = f"use re; use str; {text}\ntcenv-complete {words}"
    script = script.replace("edit:complete-filename", "nop")
    done = subprocess.run(
        [require("elvish"), "-norc", "-c", script], env=make_env(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return [word.strip("'") for word in done.stdout.replace("▶", " ").split()]


def test_nushell_knows_the_signatures(tmp_path: Path) -> None:
    names = "scope externs | where name =~ '^tcenv ' | get name | to json -r"
    known = "print (__tcenv_profiles | to json -r); print (__tcenv_purposes | to json -r)"
    script = f"source {FOLDER}/tcenv.nu; {known}; {names}"
    done = subprocess.run(
        [require("nu"), "--no-config-file", "-c", script], env=make_env(), capture_output=True, text=True, timeout=60
    )
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
def test_nushell_completes_what_its_own_function_runs(line: str, expected: set[str]) -> None:
    script = f"source {FOLDER}/tcenv.nu; print (__tcenv_complete '{line}' {len(line)} | to json -r)"
    done = subprocess.run(
        [require("nu"), "--no-config-file", "-c", script], env=make_env(), capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= expected
    assert expected or not found
    assert not [word for word in found if word.startswith("-")]


def test_nushell_in_a_terminal(tmp_path: Path) -> None:
    """After an equals sign, behind a dash, and the names of profiles."""
    with start(
        "nu", tmp_path, make_env(), "$env.PROMPT_COMMAND = {|| 'me' }; $env.PROMPT_COMMAND_RIGHT = ''"
    ) as terminal:
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
