"""Completion in the shells themselves."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.need import need
from tests.terminal import Terminal
from tests.world import environ, tcenv

FOLDER = Path(__file__).parents[2] / "completions"


@pytest.fixture(autouse=True)
def profiles() -> None:
    env = environ()
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


@pytest.mark.parametrize(("line", "expected"), [*CASES, ("tcenv exec -- mkdi", {"mkdir"})])
def test_bash(line: str, expected: set[str]) -> None:
    script = f"""
    . {FOLDER}/tcenv.bash
    COMP_WORDS=({line}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}
    _tcenv; printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        [need("bash"), "--norc", "-c", script], env=environ(), capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) >= expected
    assert all(word.startswith(line.split()[-1]) for word in done.stdout.split())


def test_a_files_name_is_no_command_to_bash(tmp_path: Path, home: Path) -> None:
    """A name that somebody has given to a file in the current directory is completed as a name, and Enter runs nothing of it."""
    (home / "x$(touch owned)y").write_text("")
    rc = tmp_path / "rc"
    rc.write_text(f". {FOLDER}/tcenv.bash\nPS1='> '\n")
    for expanding in ("tcenv exec -- cat x", "tcenv exec -- cat ./x", "tcenv login '$(touch owned)"):
        with Terminal([need("bash"), "--noprofile", "--rcfile", str(rc)], environ(), tmp_path) as terminal:
            terminal.wait_for(">")
            terminal.keys(*expanding.replace(" ", "\0 \0").split("\0"), "Tab")
            terminal.keys("Tab", "Enter")
            terminal.type("")
            terminal.type("echo do''ne")
            terminal.wait(lambda: "done" in terminal.screen() or "> echo" in terminal.screen(), "the prompt")
        assert not (home / "owned").exists(), expanding


@pytest.mark.parametrize(("line", "expected"), [*CASES, ("tcenv exec -- mkdi", {"mkdir"})])
def test_fish(line: str, expected: set[str]) -> None:
    script = f"source {FOLDER}/tcenv.fish; complete -C '{line}'"
    done = subprocess.run(
        [need("fish"), "--no-config", "-c", script], env=environ(), capture_output=True, text=True, timeout=30
    )
    assert done.stderr == ""
    assert {row.split("\t")[0] for row in done.stdout.splitlines()} >= expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tcenv logi", "tcenv login "),
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
    with Terminal([need("zsh"), "-d"], environ(), tmp_path) as terminal:
        terminal.environment()
        terminal.keys("C-l")
        terminal._run("send-keys", "-t", "t", "-l", line)
        terminal.keys("Tab")
        # What stands behind the cursor shows that the blank was added.
        terminal.wait(lambda: f"> {expected.rstrip()}" in terminal.screen(), expected, 15)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tcenv login comm", "community"),
        ("tcenv env --format dot", "dotenv"),
        ("tcenv profile rem", "remove"),
        ("tcenv login --as rel", "relduty"),
        ("tcenv purpose show rel", "relduty"),
    ],
)
def test_elvish(line: str, expected: str) -> None:
    words = " ".join(f"'{word}'" for word in line.split())
    # What only an interactive elvish has is left out: the function itself is called.
    text = (FOLDER / "tcenv.elv").read_text()
    text = text.replace("set edit:completion:arg-completer[tcenv] = $tcenv-complete~", "")
    script = f"use str; {text}\ntcenv-complete {words}"
    script = script.replace("edit:complete-filename", "nop")
    done = subprocess.run(
        [need("elvish"), "-norc", "-c", script], env=environ(), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert expected in done.stdout.replace("▶", " ").split()


def test_nushell_knows_the_signatures(tmp_path: Path) -> None:
    names = "scope externs | where name =~ '^tcenv ' | get name | to json -r"
    known = "print (__tcenv_profiles | to json -r); print (__tcenv_purposes | to json -r)"
    script = f"source {FOLDER}/tcenv.nu; {known}; {names}"
    done = subprocess.run(
        [need("nu"), "--no-config-file", "-c", script], env=environ(), capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "community" in done.stdout
    assert "relduty" in done.stdout
    assert "tcenv profile set" in done.stdout
