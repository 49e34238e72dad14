"""Which shell runs tcenv, in real process trees."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tcenv.shells import canonical
from tests.need import need
from tests.shells.real import SHELLS, RealShell
from tests.world import environ

_DETECT = "from tcenv.shells.detect import detect_shell; print(detect_shell())"


@pytest.fixture
def detector(tmp_path: Path) -> str:
    """A program that prints what it detects; no shell of its own stands between."""
    path = tmp_path / "detect.py"
    path.write_text(_DETECT + "\n")
    return f"{sys.executable} {path}"


def run(arguments: list[str], **env: str) -> str:
    done = subprocess.run(
        arguments, env=environ(None, **env), capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    )
    assert done.stdout, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("shell", SHELLS, ids=[shell.name for shell in SHELLS])
def test_each_shell_is_told(shell: RealShell, detector: str) -> None:
    caret = "^" if shell.name == "nu" else ""
    # The second statement keeps the shell from becoming the program.
    done = shell.run(f"{caret}{detector}\n{caret}true", environ(None, SHELL="/bin/false"))
    assert done.stdout.strip() == canonical(shell.name), done.stderr


@pytest.mark.parametrize("name", ["-bash", "-su", "-zsh"])
def test_a_login_shell_by_its_program_and_not_by_SHELL(name: str, detector: str) -> None:
    script = f'exec -a {name} bash --norc --noprofile -c "{detector}; true"'
    assert run(["bash", "-c", script], SHELL="/bin/zsh") == "bash"


@pytest.mark.parametrize("program", ["bash", "zsh", "fish", "mksh", "yash"])
def test_a_script_by_its_interpreter(program: str, detector: str, tmp_path: Path) -> None:
    script = tmp_path / "deploy"
    script.write_text(f"#!{need(program)}\n{detector}\ntrue\n")
    script.chmod(0o755)
    assert run(["tcsh", "-f", "-c", f"{script}; true"]) == program


def test_make_runs_sh(detector: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"all:\n\t@{detector}; true\n")
    assert run(["fish", "--no-config", "-c", f"make -s -C {tmp_path}; true"]) in ("sh", "bash")


def test_an_editor_or_a_program_in_between_is_passed_over(detector: str) -> None:
    program = f"import subprocess; subprocess.run({detector.split()!r})"
    script = f'{sys.executable} -c "{program}"; true'
    assert run(["zsh", "-f", "-c", script]) == "zsh"


def test_sudo_is_passed_over(detector: str) -> None:
    sudo = need("sudo")
    assert run(["mksh", "-c", f"{sudo} -n {detector}; true"]) == "mksh"


def test_without_any_shell_SHELL_has_the_last_word(detector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tcenv.errors import UsageError
    from tcenv.shells import detect

    monkeypatch.setattr(detect, "_parent", lambda pid: 0)
    monkeypatch.setattr(detect, "_of_process", lambda pid: None)
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert detect.detect_shell() == "fish"
    monkeypatch.setenv("SHELL", "/bin/false")
    with pytest.raises(UsageError, match="cannot be told"):
        detect.detect_shell()
