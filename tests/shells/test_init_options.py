"""Each combination of the options of `tcenv init`: the real shell evaluates the text twice under its strictest flags, runs
its prompt, and linters read the text."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from tests.shells.real import SCRIPTED, RealShell, read_environment
from tests.shells.sessions import NEW_TOKEN, OLD_TOKEN, make_loaded_variables, write_session_file
from tests.terminal import Terminal
from tests.world import make_env, make_init_text

OPTIONS = ("--no-hook", "--no-completion", "--prompt")
COMBINATIONS = [
    tuple(option for option, given in zip(OPTIONS, which, strict=True) if given)
    for which in itertools.product((False, True), repeat=3)
]
# Make unset variables, failing commands and overwritten files errors.
STRICT = {
    "bash": "set -euC -o pipefail; shopt -s failglob inherit_errexit",
    "zsh": "setopt err_exit no_unset no_clobber warn_create_global pipe_fail",
    "sh": "set -euC",
    "busybox": "set -euC -o pipefail",
    "ksh": "set -euC -o pipefail",
    "mksh": "set -euC -o pipefail",
    "yash": "set -euC -o pipefail",
    "xonsh": "$XONSH_SHOW_TRACEBACK = True",
}
PROMPTS = {
    "bash": 'eval "${PROMPT_COMMAND-}"',
    "zsh": "for f in ${precmd_functions-}; do $f; done",
    "ksh": 'eval ": \\"${PS1-}\\""',
    "mksh": 'eval ": \\"${PS1-}\\""',
    "fish": "emit fish_prompt; fish_prompt >/dev/null",
    "tcsh": "eval precmd",
}
LINTERS = {
    "bash": (["bash", "-n"], ["shellcheck", "-s", "bash"]),
    "zsh": (["zsh", "-n"],),
    "sh": (["dash", "-n"], ["shellcheck", "-s", "sh"]),
    "busybox": (["busybox", "sh", "-n"],),
    "ksh": (["ksh93", "-n"], ["shellcheck", "-s", "ksh"]),
    "mksh": (["mksh", "-n"],),
    "yash": (["yash", "-n"],),
    "fish": (["fish", "--no-execute"],),
    "tcsh": (["tcsh", "-f", "-n"],),
    "nu": (["nu", "--no-config-file", "-c", "if not (nu-check {}) {{ exit 1 }}"],),
}


def join_names(combination: tuple[str, ...]) -> str:
    return " ".join(combination) or "all"


@pytest.mark.parametrize("combination", COMBINATIONS, ids=join_names)
@pytest.mark.parametrize("shell", [s for s in SCRIPTED if s.name != "elvish"], ids=lambda shell: shell.name)
def test_under_strict_flags(shell: RealShell, combination: tuple[str, ...], tmp_path: Path, home: Path) -> None:
    """Nothing is printed, nothing fails, and a hook loads the new session."""
    env = make_env(**make_loaded_variables(home / "run/tcenv"))
    write_session_file(home / "run/tcenv", NEW_TOKEN)
    path = tmp_path / "text"
    path.write_text(make_init_text(shell.init, *combination, env=env))
    sources = [shell.make_source(path)] * (1 if shell.name == "nu" else 2)
    if shell.name == "zsh" and "--no-completion" not in combination:
        sources.insert(0, "autoload -Uz compinit; compinit -u")
    steps = [
        STRICT.get(shell.name, ""),
        *sources,
        PROMPTS.get(shell.name, shell.hook if "--no-hook" not in combination else ""),
    ]
    # Without a hook and a mark, tcsh has no precmd.
    if shell.name == "tcsh" and {"--no-hook", "--prompt"} & set(combination) == {"--no-hook"}:
        steps.pop()
    done = shell.run_lines(*steps, shell.make_dump(tmp_path / "out"), env=env)
    # xonsh prints the value of an expression.
    printed = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and "<function" not in line]
    assert printed == []
    after = read_environment(tmp_path / "out")
    has_hook = shell.hook and "--no-hook" not in combination
    assert after["TASKCLUSTER_ACCESS_TOKEN"] == (NEW_TOKEN if has_hook else OLD_TOKEN)


def test_elvish_in_its_line_editor(tmp_path: Path, home: Path) -> None:
    """elvish has no strict flags. The text calls its editor, which exists only in a terminal."""
    text = tmp_path / "text"
    with Terminal([require("elvish"), "-norc"], make_env(), tmp_path) as terminal:
        for number, combination in enumerate(COMBINATIONS):
            text.write_text(make_init_text("elvish", *combination, env=make_env()))
            terminal.type(f"eval (slurp < {text}); eval (slurp < {text}); echo fine-(+ {number} 100)")
            terminal.wait_for(f"fine-{number + 100}")
        assert "xception" not in terminal.read_screen()
        assert "rror" not in terminal.read_screen()


@pytest.mark.parametrize("combination", COMBINATIONS, ids=join_names)
@pytest.mark.parametrize("shell", [s for s in SCRIPTED if s.name in LINTERS], ids=lambda shell: shell.name)
def test_linters_find_nothing(shell: RealShell, combination: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / f"text.{shell.name}"
    path.write_text(make_init_text(shell.init, *combination, env=make_env()))
    for linter in LINTERS[shell.name]:
        command = [require(linter[0]), *linter[1:]]
        command = [word.format(path) for word in command] if shell.name == "nu" else [*command, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        findings = (done.stdout + done.stderr).splitlines()
        assert (done.returncode, findings) == (0, []), linter
