"""Check the files that are generated from the declaration of the command line."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from tcenv.cli.parsing import declaration, help, options, plain_reader, proxy_options
from tcenv.cli.parsing.generate import FOLDERS, render_files
from tcenv.cli.parsing.tables import COMMANDS
from tests.command_lines import run_command, run_many
from tests.programs import require, run_program
from tests.world import make_env, tcenv

CHECKOUT = Path(__file__).parents[2]
FILES = render_files()


@pytest.mark.parametrize("name", FILES)
def test_generated_files_are_current(name: str) -> None:
    path = CHECKOUT / name
    assert path.is_file() and path.read_text() == FILES[name], "run: make generated"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_stale_file_is_beside_the_generated_ones(folder: str) -> None:
    assert {f"{folder}/{path.name}" for path in (CHECKOUT / folder).iterdir()} <= set(FILES), "run: make generated"


@pytest.mark.linux
def test_every_way_to_ask_for_help_gives_the_same_text() -> None:
    """These are the generated text, `help`, and the full command line, which alone knows narrow terminals."""
    env = make_env()
    asked = [command.words for command in declaration.list_commands()]

    def answers(start: str, columns: int = 80, before: str = "", after: str = "") -> list[str]:
        case = {**env, "COLUMNS": str(columns)}
        lines = [[*before.split(), *words.split(), *after.split()] for words in asked]
        return [answer.output for answer in run_many([(line, case) for line in lines], start)]

    ready = [run_command([*words.split(), "--help"], env) for words in asked]
    for words, answer in zip(asked, ready, strict=True):
        text = FILES[f"tcenv/cli/parsing/help_texts/{words.replace(' ', '-') or 'tcenv'}.txt"]
        assert answer == (0, text, ""), words
    wide = [answer.output for answer in ready]
    assert answers("installed", before="help") == wide
    assert answers("app", after="--help") == answers("app", columns=120, after="--help") == wide
    narrow = answers("installed", columns=40, after="-h")
    assert narrow == answers("app", columns=40, after="--help")
    for text, other in zip(narrow, wide, strict=True):
        assert text != other
        # Only a long option or a line to copy is wider than the terminal.
        prose = [line for line in text.split("\n\n", 2)[1].splitlines() if " " in line.strip()]
        assert all(len(line) <= 40 for line in prose)


def test_the_plain_reader_reads_what_the_full_command_line_reads() -> None:
    words = ["--scope", "a:b", "--port=80", "--reset", "--scope=c", "work"]
    assert plain_reader.read(words, COMMANDS["login"]) == {
        "profile": "work",
        "scopes": ("a:b", "c"),
        "port": 80,
        "reset": True,
    }
    assert plain_reader.read(["work", "--", "ls", "--", "-l"], COMMANDS["exec"]) == {
        "profile": "work",
        "command": ("ls", "--", "-l"),
    }


@pytest.mark.parametrize(
    "words",
    [
        ["login", "--nonsense"],
        ["login", "one", "two"],
        ["login", "--port"],
        ["login", "--port", "x"],
        ["login", "--reset=1"],
        ["login", "--scope"],
        ["exec", "true"],
        ["init"],
        ["profile", "remove"],
        ["profile"],
        ["nonsense"],
        ["help", "profile", "nope"],
    ],
)
def test_usage_errors_have_one_form(words: list[str]) -> None:
    done = tcenv(*words, env=make_env())
    assert done.returncode == 2
    assert done.stdout.strip("\\;\n") == ("false" if words[0] == "login" else "")
    if words != ["profile"]:
        assert done.stderr.startswith("tcenv: error: ")
        assert "--help" in done.stderr.splitlines()[-1]
    assert "Usage:" not in done.stderr.splitlines()[0] or words == ["profile"]


def test_options_are_declared_once() -> None:
    """An option of several commands is the same object of its module."""
    declared = {**vars(options), **vars(proxy_options)}
    shared = {entry.default for value in declared.values() for entry in getattr(value, "__metadata__", ())
              if hasattr(entry, "param_decls")}  # fmt: skip
    seen: dict[str, set[str]] = {}
    for command in declaration.list_commands():
        for option in command.options:
            seen.setdefault(option.name, set()).add(command.words)
    twice = {name for name, where in seen.items() if len(where) > 1 and name not in shared}
    assert twice == {level[0] for level in declaration.LEVELS}


def test_man_pages_have_no_warnings(tmp_path: Path) -> None:
    for page in sorted((CHECKOUT / "man").glob("*.1")):
        done = run_program(require("mandoc"), "-T", "lint", "-W", "warning", str(page))
        assert done.stdout + done.stderr == "", page.name
    shown = run_program(
        require("mandoc"), "-T", "utf8", str(CHECKOUT / "man/tcenv-login.1"), env={**os.environ, "LC_ALL": "C.UTF-8"}
    ).stdout
    assert "--no-browser" in re.sub(".\x08", "", shown)


def test_narrow_help_breaks_no_word() -> None:
    text = help.render(declaration.find_command("login"), 40)
    assert "--description TEXT" in text and 'eval "$(tcenv login)"' in text


def test_every_word_is_documented() -> None:
    """Help, completion and the manual list every word that the parser accepts."""
    files = [*(CHECKOUT / "completions").iterdir(), CHECKOUT / "man/tcenv.1", CHECKOUT / "docs/commands.md"]
    for path in (*files, CHECKOUT / "tcenv/cli/parsing/help_texts/tcenv.txt"):
        text = path.read_text()
        for word in ("help", "version", "whoami", "status"):
            assert re.search(rf"\b{word}\b", text), (path.name, word)
