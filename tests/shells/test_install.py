"""`tcenv init --install` shows one line, writes it into the right file, and `--uninstall` removes it. The line works without
tcenv on the PATH."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tcenv import __version__
from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.terminal import Terminal
from tests.world import BIN, NAME, TCENV, make_env, tcenv

# Each shell's start-up file below the home, its command, a line that asks for the function, and the answer.
SHELLS = {
    "bash": (".bashrc", ["bash"], "type -t tcenv", "function"),
    "zsh": (".zshrc", ["zsh", "-d"], "whence -w tcenv", "tcenv: function"),
    "ksh": (".kshrc", ["ksh93"], "whence -v tcenv", "tcenv is a function"),
    "mksh": (".mkshrc", ["mksh"], "whence -v tcenv", "tcenv is a function"),
    "yash": (".yashrc", ["yash"], "command -V tcenv", "function"),
    "fish": (".config/fish/config.fish", ["fish"], "type -t tcenv", "function"),
    "tcsh": (".tcshrc", ["tcsh"], "alias tcenv", "function.tcsh"),
    "elvish": (".config/elvish/rc.elv", ["elvish"], "echo kind=(kind-of $tcenv~)", "kind=fn"),
    "nu": (".config/nushell/config.nu", ["nu"], "which tcenv | get 0.type", "custom"),
    "xonsh": (".config/xonsh/rc.xsh", ["xonsh"], "print('kind=' + type(aliases['tcenv']).__name__)", "kind=FuncAlias"),
}


def make_environment_without_tcenv(deployment: Sandbox | None = None) -> dict[str, str]:
    """Return an environment whose PATH has the shells, but not tcenv."""
    env = make_env(deployment, PATH=f"{Path(require('nu')).parent}:/usr/local/bin:/usr/bin:/bin")
    assert shutil.which("tcenv", path=env["PATH"]) is None
    return env


def start_installed_shell(shell: str, env: dict[str, str], folder: Path) -> Terminal:
    """Run the shell with its own start-up files."""
    program, *words = SHELLS[shell][1]
    return Terminal([require(program), *words], env, folder, ready="@#" if shell == "xonsh" else "")


@pytest.mark.parametrize("shell", SHELLS)
def test_one_line_that_works_without_tcenv_on_the_path(shell: str, tmp_path: Path, home: Path) -> None:
    """Debian's login shells read their start-up file before ~/.local/bin is on the PATH."""
    name, _, question, answer = SHELLS[shell]
    file = home / name
    file.parent.mkdir(parents=True, exist_ok=True)
    own = {"nu": "$env.config.show_banner = false\n"}.get(shell, "# my own\n")
    file.write_text(own)
    assert tcenv("init", shell, "--install", "--yes", env=make_env()).returncode == 0
    lines = file.read_text().splitlines()
    assert lines[:-1] == own.splitlines()
    assert lines[-1].endswith("# tcenv init --install")
    # A second --install changes nothing, and other options replace the line.
    before = file.read_text()
    assert "already" in tcenv("init", shell, "--install", "--yes", env=make_env()).stderr or shell == "nu"
    assert file.read_text() == before
    if shell != "nu":
        assert tcenv("init", shell, "--no-completion", "--install", "--yes", env=make_env()).returncode == 0
        assert len(file.read_text().splitlines()) == len(lines)
        assert "--no-completion" in file.read_text()
    bare = make_environment_without_tcenv()
    with start_installed_shell(shell, bare, tmp_path) as terminal:
        terminal.type(question)
        terminal.wait_for(answer)
        assert "not found" not in terminal.read_screen()
        assert "rror" not in terminal.read_screen()
    # Without tcenv, the shell starts and prints nothing about it.
    if shell != "nu":
        file.write_text(file.read_text().replace(TCENV, "/no/such/tcenv"))
        with start_installed_shell(shell, bare, tmp_path) as terminal:
            terminal.type("echo re''ady" if shell not in ("elvish", "xonsh") else "echo ready")
            terminal.wait_for("ready")
            assert "no/such" not in terminal.read_screen()
        file.write_text(file.read_text().replace("/no/such/tcenv", TCENV))
    assert tcenv("init", shell, "--uninstall", "--yes", env=make_env()).returncode == 0
    assert file.read_text() == own
    assert not list(file.parent.glob("tcenv.nu"))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("on_path", [True, False])
def test_the_last_line_of_the_output_loads_it_in_this_shell(shell: str, on_path: bool, home: Path) -> None:
    path = f"{BIN}:/usr/bin:/bin" if on_path else "/usr/bin:/bin"
    done = tcenv("init", shell, "--install", "--yes", env=make_env(PATH=path, TCENV_SHELL=shell, COLUMNS="400"))
    assert done.returncode == 0, done.stderr
    last = done.stderr.splitlines()[-1]
    assert "To load it in this shell: " in last
    expected = "tcenv.nu" if shell == "nu" else f"init {shell}"
    assert expected in last.partition(": ")[2], done.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_the_function_finds_the_program_that_made_it(
    shell: str, tmp_path: Path, home: Path, deployment: Sandbox
) -> None:
    """The function works without tcenv on the PATH. It tells the program that a hint needs no `eval`, but tells no other
    program."""
    assert tcenv("init", shell, "--install", "--yes", env=make_env()).returncode == 0
    with start_installed_shell(shell, make_environment_without_tcenv(deployment), tmp_path) as terminal:
        terminal.type("tcenv version")
        terminal.wait_for(f"tcenv {__version__}")
        terminal.type("tcenv env")
        # The hint is what the user types.
        terminal.wait_for(f": tcenv login {deployment.root_url}\n")
        terminal.type("tcenv login")
        terminal.wait_for("Signed in as")
        assert terminal.read_environment()["TASKCLUSTER_CLIENT_ID"].endswith(NAME)
        inside = terminal.read_environment("tcenv exec -- ")
        assert inside["TASKCLUSTER_ACCESS_TOKEN"]
        assert not [name for name in inside if "TCENV_FUNCTION" in name]
        assert not [name for name in terminal.read_environment() if "TCENV_FUNCTION" in name]
        terminal.type("tcenv logout")
        terminal.wait_for("Signed out")
        assert "TASKCLUSTER_ACCESS_TOKEN" not in terminal.read_environment()


def test_it_shows_the_line_and_asks(home: Path, tmp_path: Path) -> None:
    (home / ".bashrc").write_text("# my own")
    refused = tcenv("init", "bash", "--install", env=make_env())
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert "# tcenv init --install" in refused.stderr
    assert (home / ".bashrc").read_text() == "# my own"
    env = {**make_env(), "PS1": "> "}
    for reply, written in (("n", False), ("y", True)):
        with Terminal([require("bash"), "--norc", "--noprofile"], env, tmp_path) as terminal:
            # tcenv detects the shell.
            terminal.type("tcenv init --install; echo status=$?.")
            terminal.wait_for("Write that?")
            terminal.type(reply)
            terminal.wait_for("status=0." if written else "status=2.")
        assert ("tcenv init" in (home / ".bashrc").read_text()) == written
    assert (home / ".bashrc").read_text().startswith("# my own\n")


def test_it_writes_through_a_link_and_leaves_a_read_only_file(home: Path) -> None:
    """A repository of dotfiles, or a system like NixOS, keeps start-up files so."""
    kept = home / "dotfiles"
    kept.mkdir()
    (kept / "bashrc").write_text("# kept\n")
    (kept / "bashrc").chmod(0o640)
    (home / ".bashrc").symlink_to("dotfiles/bashrc")
    done = tcenv("init", "bash", "--install", "--yes", env=make_env())
    assert done.returncode == 0
    assert str(kept / "bashrc") in done.stderr
    assert (home / ".bashrc").is_symlink()
    assert (kept / "bashrc").stat().st_mode & 0o777 == 0o640
    assert "# tcenv init --install" in (kept / "bashrc").read_text()
    assert tcenv("init", "bash", "--uninstall", "--yes", env=make_env()).returncode == 0
    assert (kept / "bashrc").read_text() == "# kept\n"
    (kept / "bashrc").chmod(0o444)
    refused = tcenv("init", "bash", "--install", "--yes", env=make_env())
    assert refused.returncode == 1
    assert "read-only" in refused.stderr
    assert "Add this line" in refused.stderr
    assert (kept / "bashrc").read_text() == "# kept\n"


def test_the_line_names_the_home_by_its_variable(home: Path) -> None:
    """So the same dotfiles find tcenv in another home too."""
    folder = home / ".local/bin"
    folder.mkdir(parents=True)
    (folder / "tcenv").symlink_to(TCENV)
    env = make_env(PATH=f"{folder}:/usr/bin:/bin")
    done = subprocess.run(["tcenv", "init", "zsh", "--install", "--yes"], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert '"$HOME"/.local/bin/tcenv init zsh' in (home / ".zshrc").read_text()
    assert "not on your PATH" not in done.stderr
    away = subprocess.run(
        [folder / "tcenv", "init", "fish", "--install", "--yes"],
        env={**env, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert "pipx ensurepath" in away.stderr


def test_doctor_looks_for_exactly_that_line(home: Path) -> None:
    def ask_doctor(shell: str) -> str:
        done = subprocess.run(
            [require(shell), "-c", f"{TCENV} doctor; :"], env=make_env(), capture_output=True, text=True, timeout=60
        )
        return next(line for line in done.stdout.splitlines() if "start-up file" in line) + done.stdout

    (home / ".bashrc").write_text("# I like tcenv init bash\nalias t=tcenv\n")
    assert "does not evaluate" in ask_doctor("bash")
    assert "tcenv init bash --install" in ask_doctor("bash")
    assert tcenv("init", "bash", "--install", "--yes", env=make_env()).returncode == 0
    assert "does not evaluate" not in ask_doctor("bash")


@pytest.mark.parametrize("shell", ["sh", "cmd"])
def test_a_shell_without_a_start_up_file_is_an_error(shell: str) -> None:
    done = tcenv("init", shell, "--install", "--yes", env=make_env())
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("folder", ["a b", "it's", 'a"b', "$x", "a!b", "a`b"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh", "ksh"])
def test_the_line_names_a_program_in_any_folder(shell: str, folder: str, home: Path, tmp_path: Path) -> None:
    place = home / folder
    place.mkdir()
    (place / "tcenv").symlink_to(TCENV)
    done = subprocess.run(
        [place / "tcenv", "init", shell, "--install", "--yes"],
        env=make_env(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    with start_installed_shell(shell, make_env(PATH="/usr/local/bin:/usr/bin:/bin"), tmp_path) as terminal:
        terminal.type(SHELLS[shell][2])
        terminal.wait_for(SHELLS[shell][3])
        assert "nmatched" not in terminal.read_screen()
        assert "not found" not in terminal.read_screen()


def test_tcenv_asks_zsh_for_its_folder(home: Path) -> None:
    """People set ZDOTDIR in .zshenv, which may print something, and do not export it."""
    (home / ".zshenv").write_text("echo hello\nZDOTDIR=$HOME/.config/zsh\n")
    (home / ".config/zsh").mkdir(parents=True)
    (home / ".config/zsh/.zshrc").touch()
    done = tcenv("init", "zsh", "--install", "--yes", env=make_env())
    assert done.returncode == 0, done.stderr
    assert not (home / ".zshrc").exists()
    asked = subprocess.run(
        [require("zsh"), "-d", "-ic", "whence -w tcenv; tcenv doctor; true"],
        env=make_env(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "tcenv: function" in asked.stdout
    assert "this shell has the function of tcenv init" in asked.stdout


def test_a_login_file_that_does_not_read_bashrc_is_named(home: Path) -> None:
    """On a Mac, terminals open login shells."""
    (home / ".bash_profile").write_text("# not .bashrc\nexport A=1\n")
    (home / ".bashrc").touch()
    done = tcenv("init", "bash", "--install", "--yes", env=make_env())
    assert "New shells have it" not in done.stderr
    assert f"Login shells read {home}/.bash_profile" in done.stderr
    fix = "[ ! -r ~/.bashrc ] || . ~/.bashrc"
    assert fix in done.stderr

    def run_login_shell(question: str) -> str:
        return subprocess.run(
            [require("bash"), "-lic", question], env=make_env(), capture_output=True, text=True, timeout=60
        ).stdout

    assert "function" not in run_login_shell("type -t tcenv")
    report = run_login_shell(f"{TCENV} doctor; true")
    assert "but this shell has not read it. Login shells read" in report
    assert fix in report
    (home / ".bash_profile").write_text(f"export A=1\n{fix}\n")
    assert "function" in run_login_shell("type -t tcenv")
    assert "this shell has the function" in run_login_shell("tcenv doctor; true")
    again = tcenv("init", "bash", "--no-completion", "--install", "--yes", env=make_env())
    assert "New shells have it." in again.stderr
