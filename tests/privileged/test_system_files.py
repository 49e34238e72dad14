"""`tcenv shell` with start-up files of the system as on macOS, on Ubuntu and in hardening guides. Each test mounts such a file
in its own namespace."""

from __future__ import annotations

from pathlib import Path

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.terminal import Terminal
from tests.world import read_session_fields, sign_in

PACKAGE_FILES = Path(__file__).parents[2] / "shell" / "subshell"


def start_shell_with(system_file: str, text: str, shell: str, env: dict[str, str], folder: Path) -> Terminal:
    """Run `tcenv shell` in a terminal, with `text` at the end of the system's file."""
    ours = folder / "system-file"
    ours.write_text(Path(system_file).read_text() + text)
    script = f"mount --bind {ours} {system_file} && tcenv shell --shell {shell}"
    return Terminal([require("unshare"), "-m", "sh", "-c", script], env, folder)


def test_zsh_keeps_its_history_and_completion_files(deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    text = "\nHISTFILE=${ZDOTDIR:-$HOME}/.zsh_history; SAVEHIST=100; HISTSIZE=100\nautoload -U compinit; compinit -u\n"
    (home / ".zshrc").write_text("PROMPT='own> '\n")
    (home / ".zsh_history").write_text("echo from-before\n")
    env = sign_in(deployment)
    with start_shell_with("/etc/zsh/zshrc", text, "zsh", env, tmp_path) as terminal:
        terminal.wait_for("(tcenv:")
        terminal.type("echo file=$HISTFILE dump=$_comp_dumpfile dir=$ZDOTDIR.")
        terminal.wait_for(f"file={home}/.zsh_history dump={home}/.zcompdump dir=.")
        terminal.type("fc -l 1 1")
        terminal.wait(lambda: terminal.read_screen().count("echo from-before") == 1, "the history")
    assert [path.name for path in (PACKAGE_FILES / "zsh").iterdir()] == [".zshenv"]


def test_bash_reads_the_systems_file_once(deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    (home / ".bashrc").write_text("PS1='own> '\n")
    env = sign_in(deployment)
    with start_shell_with(
        "/etc/bash.bashrc", "\nreadonly TMOUT=900; echo read''-it\n", "bash", env, tmp_path
    ) as terminal:
        terminal.wait_for(f"(tcenv:{read_session_fields(env)['TCENV_PROFILE']}) own>")
        assert terminal.read_screen().count("read-it") == 1
        assert "readonly" not in terminal.read_screen()
