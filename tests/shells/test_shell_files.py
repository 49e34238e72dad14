"""Linters and the shells themselves read each file of shell code in a release."""

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
# test_init_options.py has elvish, whose line editor needs a terminal; test_powershell.py has PowerShell.
_OTHERS = {".xsh", ".ps1", ".elv"}
# Templates that are no code until `tcenv init` fills them in. test_init_options.py lints the result.
_TEMPLATES = {"init.nu", "function.tcsh", "init.xsh"}
_WHOLE = [path for path in FILES if path.name not in _TEMPLATES]


def find_kind(path: Path) -> str:
    return "zsh" if path.suffix == ".zsh" or path.name in ("_tcenv", ".zshenv", ".zshrc") else path.suffix


def test_every_file_has_a_reader() -> None:
    assert len(FILES) > 25
    assert {find_kind(path) for path in FILES} <= {*LINTERS, *_OTHERS}


def get_name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


@pytest.mark.parametrize("path", [path for path in _WHOLE if find_kind(path) in LINTERS], ids=get_name)
def test_linters_find_nothing(path: Path) -> None:
    # direnv reads its library in bash.
    linters = LINTERS[".bash" if path.name == "direnv.sh" else find_kind(path)]
    for program, *words in linters:
        command = [require(program), *(word.replace("{}", str(path)) for word in words)]
        if not any(str(path) in word for word in command):
            command.append(str(path))
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), program


@pytest.mark.parametrize("path", [path for path in _WHOLE if path.suffix == ".xsh"], ids=get_name)
def test_xonsh_compiles_its_files(path: Path) -> None:
    check = (
        "import sys; from xonsh.execer import Execer; from xonsh.main import setup; setup();"
        "Execer().compile(open(sys.argv[1]).read(), glbs={}, locs={}, mode='exec')"
    )
    done = subprocess.run([sys.executable, "-c", check, str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
