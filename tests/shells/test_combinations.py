"""Every combination of the options of `tcenv init`: evaluated twice by the real shell under its strictest flags, prompted, and
linted."""

from __future__ import annotations

import itertools
import subprocess
from pathlib import Path

import pytest

from tests.programs import require
from tests.shells.child import environment_after
from tests.shells.hooks import PROMPTED, Prompted, loaded, stored
from tests.terminal import Terminal
from tests.world import make_env, make_init_text

OPTIONS = ("--no-hook", "--no-completion", "--prompt")
COMBINATIONS = [
    tuple(option for option, given in zip(OPTIONS, which, strict=True) if given)
    for which in itertools.product((False, True), repeat=3)
]
# What makes a shell strict: unset variables, failing commands and files that are overwritten are errors.
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
# tcsh's text sources files; csh has none; elvish's line editor, which the text speaks to, wants a terminal.
SHELLS = [shell for shell in PROMPTED if shell.name != "csh"]


def names(combination: tuple[str, ...]) -> str:
    return " ".join(combination) or "all"


@pytest.mark.parametrize("combination", COMBINATIONS, ids=names)
@pytest.mark.parametrize("shell", [s for s in SHELLS if s.name != "elvish"], ids=lambda shell: shell.name)
def test_under_strict_flags(shell: Prompted, combination: tuple[str, ...], tmp_path: Path, home: Path) -> None:
    """Nothing is printed, nothing fails, and where there is a hook it heals."""
    root, profile, own, new = "https://tc.example.com", "tc.example.com", "o" * 44, "n" * 44
    env = make_env(**loaded(home / "run/tcenv", profile, root, own))
    stored(home / "run/tcenv", profile, root, new)
    path = tmp_path / "text"
    path.write_text(make_init_text(shell.init, *combination, env=env))
    twice = [shell.script(path)] * (1 if shell.name == "nu" else 2)
    if shell.name == "zsh" and "--no-completion" not in combination:
        twice.insert(0, "autoload -Uz compinit; compinit -u")
    steps = [
        STRICT.get(shell.name, ""),
        *twice,
        PROMPTS.get(shell.name, shell.hook if "--no-hook" not in combination else ""),
    ]
    if shell.name == "tcsh" and {"--no-hook", "--prompt"} & set(combination) == {"--no-hook"}:
        steps.pop()
    done = shell.run("\n".join([*steps, shell.dump(tmp_path / "out", tmp_path)]), env)
    # xonsh shows what an expression in a script comes to.
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip() and "<function" not in line]
    assert said == []
    after = environment_after(tmp_path / "out")
    heals = shell.hook and "--no-hook" not in combination
    assert after["TASKCLUSTER_ACCESS_TOKEN"] == (new if heals else own)


def test_elvish_in_its_line_editor(tmp_path: Path, home: Path) -> None:
    """elvish knows no flags: what it compiles is strict. The text speaks to its editor, which there is in a terminal alone."""
    text = tmp_path / "text"
    with Terminal([require("elvish"), "-norc"], make_env(), tmp_path) as terminal:
        for number, combination in enumerate(COMBINATIONS):
            text.write_text(make_init_text("elvish", *combination, env=make_env()))
            terminal.type(f"eval (slurp < {text}); eval (slurp < {text}); echo fine-(+ {number} 100)")
            terminal.wait_for(f"fine-{number + 100}")
        assert "xception" not in terminal.read_screen()
        assert "rror" not in terminal.read_screen()


@pytest.mark.parametrize("combination", COMBINATIONS, ids=names)
@pytest.mark.parametrize("shell", [s for s in SHELLS if s.name in LINTERS], ids=lambda shell: shell.name)
def test_linted(shell: Prompted, combination: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / f"text.{shell.name}"
    path.write_text(make_init_text(shell.init, *combination, env=make_env()))
    for linter in LINTERS[shell.name]:
        command = [require(linter[0]), *linter[1:]]
        command = [word.format(path) for word in command] if shell.name == "nu" else [*command, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        complaints = (done.stdout + done.stderr).splitlines()
        assert (done.returncode, complaints) == (0, []), linter
