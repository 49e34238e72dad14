"""Detection finds the shell that runs tcenv, in real process trees."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.real import SHELLS, RealShell
from tests.terminal import Terminal
from tests.world import BIN, TCENV, make_env

_DETECT = "from tcenv.shells.detect import detect_shell; print(detect_shell())"


# The kernel does not say which program another user's process runs. Here, it says that of no process.
_UNREADABLE = """
import os

def readlink(path):
    raise PermissionError(13, "Permission denied", path)

os.readlink = readlink
"""


def write_detector(folder: Path, before: str = "") -> str:
    """Return a command that prints the detected shell. It starts no shell itself."""
    path = folder / "detect.py"
    path.write_text(f"{before}\n{_DETECT}\n")
    return f"{sys.executable} {path}"


@pytest.fixture
def detector(tmp_path: Path) -> str:
    return write_detector(tmp_path)


@pytest.fixture
def blind_detector(tmp_path: Path) -> str:
    """Return a detector that may not see which program a process runs."""
    return write_detector(tmp_path, _UNREADABLE)


@pytest.fixture
def ps_detector(tmp_path: Path) -> str:
    """Return a detector that asks ps, as on a system without /proc."""
    require("ps")
    return write_detector(tmp_path, "import sys\nsys.platform = 'darwin'")


def run(arguments: list[str], **env: str) -> str:
    """Return what a detector printed."""
    done = subprocess.run(
        arguments, env=make_env(None, **env), capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert done.stdout, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("kind", ["detector", "blind_detector", "ps_detector"])
@pytest.mark.parametrize("shell", SHELLS, ids=[shell.name for shell in SHELLS])
def test_each_shell_is_detected(shell: RealShell, kind: str, request: pytest.FixtureRequest) -> None:
    command = shell.caret + request.getfixturevalue(kind)
    # The second statement keeps the shell from becoming the program.
    done = shell.run(f"{command}\n{shell.caret}true", make_env(None, SHELL="/bin/false"))
    assert done.stdout.strip() == shell.init, done.stderr


@pytest.mark.parametrize("name", ["-bash", "-su", "-zsh"])
def test_a_login_shell_by_its_program_not_by_SHELL(name: str, detector: str) -> None:
    script = f'exec -a {name} bash --norc --noprofile -c "{detector}; true"'
    assert run(["bash", "-c", script], SHELL="/bin/zsh") == "bash"


@pytest.mark.parametrize("program", ["bash", "zsh", "fish", "mksh", "yash"])
def test_a_script_by_its_interpreter(program: str, detector: str, tmp_path: Path) -> None:
    script = tmp_path / "deploy"
    script.write_text(f"#!{require(program)}\n{detector}\ntrue\n")
    script.chmod(0o755)
    assert run(["tcsh", "-f", "-c", f"{script}; true"]) == program


@pytest.mark.parametrize("applet", ["sh", "ash"])
def test_the_shell_of_busybox(applet: str, detector: str) -> None:
    assert run(["fish", "--no-config", "-c", f"{require('busybox')} {applet} -c '{detector}; true'; true"]) == "sh"
    assert run(["bash", "-c", f"exec -a -{applet} {require('busybox')} -c '{detector}; true'"]) == "sh"


def test_another_applet_of_busybox_is_no_shell(detector: str) -> None:
    assert run(["fish", "--no-config", "-c", f"{require('busybox')} time {detector}; true"]) == "fish"


@pytest.mark.parametrize("arguments", ["-m xonsh", f"-sE {BIN / 'xonsh'}", f"{BIN / 'xonsh'}"])
def test_xonsh_is_a_python_program(arguments: str, detector: str) -> None:
    command = f"{sys.executable} {arguments} --no-rc -c '{detector}'"
    assert run(["bash", "-c", f"{command}; true"]) == "xonsh"


def test_a_shell_by_a_related_name(detector: str) -> None:
    assert run([require("mksh-static"), "-c", f"{detector}; true"]) == "mksh"
    assert run([require("bsd-csh"), "-f", "-c", f"{detector}; true"]) == "tcsh"


def test_a_wrapped_shell_by_its_own_name(detector: str, tmp_path: Path) -> None:
    wrapped = tmp_path / ".zsh-wrapped"
    shutil.copy(require("zsh"), wrapped)
    assert run(["bash", "-c", f"exec -a zsh {wrapped} -f -c '{detector}; true'"]) == "zsh"


def test_a_shell_that_was_replaced_while_it_ran(detector: str, tmp_path: Path) -> None:
    shell = tmp_path / "zsh"
    shutil.copy(require("zsh"), shell)
    assert run([str(shell), "-f", "-c", f"rm {shell}; {detector}; true"]) == "zsh"


@pytest.mark.parametrize(("name", "flag"), [("bash", "--norc"), ("zsh", "-f"), ("fish", "--no-config")])
def test_at_a_prompt(name: str, flag: str, detector: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with Terminal([require(name), flag], make_env(None, SHELL=require("dash")), tmp_path) as terminal:
        terminal.type(f"{detector} > {out}")
        terminal.wait(lambda: out.exists() and out.read_text().endswith("\n"), "the answer")
        assert out.read_text() == f"{name}\n"


def test_the_script_of_another_user(blind_detector: str, tmp_path: Path) -> None:
    script = tmp_path / "deploy"
    script.write_text(f"#!{require('zsh')} -f\n{blind_detector}\ntrue\n")
    script.chmod(0o755)
    assert run(["tcsh", "-f", "-c", f"{script}; true"]) == "zsh"


def test_a_login_shell_by_ps(ps_detector: str) -> None:
    script = f'exec -a {{}} bash --norc --noprofile -c "{ps_detector}; true"'
    assert run(["tcsh", "-f", "-c", f"bash -c '{script.format('-bash')}'"], SHELL="/bin/zsh") == "bash"
    # `su -` calls each shell `-su`, and sets SHELL.
    assert run(["tcsh", "-f", "-c", f"bash -c '{script.format('-su')}'"], SHELL="/bin/bash") == "bash"


@pytest.mark.parametrize(
    ("arguments", "shell"),
    [
        (["/usr/bin/qemu-x86_64", "/bin/bash", "-l"], "bash"),
        (["/run/rosetta/rosetta", "/usr/bin/zsh"], "zsh"),
        (["xonsh --no-rc /home/me/a.xsh"], "xonsh"),  # with setproctitle
        (["python3", "/usr/local/bin/pyenv", "bash"], None),
        (["busybox", "vi", "zsh"], None),
        (["busybox"], None),
        (["vi", "bash"], None),
        (["/opt/microsoft/powershell/7/pwsh"], "powershell"),
        ([""], None),
        ([], None),
    ],
)
def test_the_arguments_of_other_programs(arguments: list[str], shell: str | None) -> None:
    from tcenv.shells.detect import _find_in_arguments

    assert _find_in_arguments(arguments) == shell


def test_make_runs_sh(detector: str, tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(f"all:\n\t@{detector}; true\n")
    assert run(["fish", "--no-config", "-c", f"make -s -C {tmp_path}; true"]) in ("sh", "bash")


def test_a_program_in_between_is_skipped(detector: str) -> None:
    program = f"import subprocess; subprocess.run({detector.split()!r})"
    script = f'{sys.executable} -c "{program}"; true'
    assert run(["zsh", "-f", "-c", script]) == "zsh"


def test_sudo_is_skipped(detector: str) -> None:
    sudo = require("sudo")
    assert run(["mksh", "-c", f"{sudo} -n {detector}; true"]) == "mksh"


def test_without_any_shell_SHELL_decides(detector: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tcenv.errors import UsageError
    from tcenv.shells import detect

    monkeypatch.setattr(detect, "_find_parent", lambda pid: 0)
    monkeypatch.setattr(detect, "_find_shell_of", lambda pid: None)
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert detect.detect_shell() == "fish"
    monkeypatch.setenv("SHELL", "/bin/false")
    with pytest.raises(UsageError, match="cannot detect the shell"):
        detect.detect_shell()


@pytest.mark.linux
@pytest.mark.parametrize("login_shell", ["", "/usr/sbin/nologin"])
def test_without_any_shell_the_statements_are_for_sh_and_one_line_says_so(
    login_shell: str, deployment: Sandbox
) -> None:
    """systemd, cron and editors start programs so. Here, tcenv is the first process of a namespace."""
    env = make_env(deployment)
    env.pop("SHELL", None)
    if login_shell:
        env["SHELL"] = login_shell
    alone = [require("unshare"), "-Urpf", "--mount-proc", TCENV]
    for command in ("login", "env", "logout"):
        done = subprocess.run([*alone, command], env=env, capture_output=True, text=True, timeout=60)
        named = subprocess.run([*alone, command, "--shell", "sh"], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("statements are for sh") == 1, done.stderr
        assert "statements are for sh" not in named.stderr
        if command != "logout":
            assert done.stdout == named.stdout
