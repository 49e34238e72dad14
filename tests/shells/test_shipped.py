"""Every file of shell code that is shipped, by itself: linted, or read by its own shell without being run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import require

PROJECT = Path(__file__).parents[2]
FILES = sorted(path for place in ("shell", "completions") for path in (PROJECT / place).rglob("*") if path.is_file())
LINTERS = {
    ".bash": (["bash", "-n"], ["shellcheck", "-s", "bash"]),
    ".sh": (["dash", "-n"], ["shellcheck"]),
    ".ksh": (["ksh93", "-n"], ["shellcheck", "-s", "ksh"]),
    ".fish": (["fish", "--no-execute"],),
    ".tcsh": (["tcsh", "-f", "-n"],),
    ".nu": (["nu", "--no-config-file", "-c", "if not (nu-check {}) { exit 1 }"],),
    "zsh": (["zsh", "-n"],),
}
# Elvish compiles what speaks to its line editor in a terminal only (test_in_a_terminal has one); no PowerShell here.
_OTHERS = {".xsh", ".ps1", ".elv"}
# With places that `tcenv init` fills in, without which they are no code: linted as start-up texts (test_combinations).
_TEMPLATES = {"init.nu", "function.tcsh", "init.xsh"}
_WHOLE = [path for path in FILES if path.name not in _TEMPLATES]


def kind(path: Path) -> str:
    return "zsh" if path.suffix == ".zsh" or path.name in ("_tcenv", ".zshenv", ".zshrc") else path.suffix


def test_nothing_is_left_out() -> None:
    assert len(FILES) > 25
    assert {kind(path) for path in FILES} <= {*LINTERS, *_OTHERS}


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", [path for path in _WHOLE if kind(path) in LINTERS], ids=name)
def test_linted(path: Path) -> None:
    # direnv's library is bash that other people's .envrc read.
    linters = LINTERS[".bash" if path.name == "direnv.sh" else kind(path)]
    for program, *words in linters:
        command = [require(program), *(word.replace("{}", str(path)) for word in words)]
        if not any(str(path) in word for word in command):
            command.append(str(path))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), program


@pytest.mark.parametrize("path", [path for path in _WHOLE if path.suffix == ".xsh"], ids=name)
def test_xonsh_reads_its_own(path: Path) -> None:
    check = (
        "import sys; from xonsh.execer import Execer; from xonsh.main import setup; setup();"
        "Execer().compile(open(sys.argv[1]).read(), glbs={}, locs={}, mode='exec')"
    )
    done = subprocess.run([sys.executable, "-c", check, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
