"""Run the real direnv in a directory, by itself and at the prompts of shells."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.programs import require
from tests.terminal import Terminal
from tests.world import VARIABLES, make_env

# How each shell is started, and the line that gives it direnv's hook.
DIRENV_HOOKS = {
    "bash": ("bash --noprofile --rcfile {}", 'eval "$(direnv hook bash)"; PS1="> "'),
    "zsh": ("zsh -d", 'eval "$(direnv hook zsh)"; PS1="> "'),
    "fish": ("fish --no-config --init-command", "direnv hook fish | source"),
}


def write_envrc(folder: Path, text: str) -> None:
    """Write the directory's .envrc and allow it. Make the directory if it is missing."""
    folder.mkdir(exist_ok=True)
    (folder / ".envrc").write_text(text)
    subprocess.run([require("direnv"), "allow", str(folder)], env=make_env(), check=True, capture_output=True)


def run_in_directory(folder: Path, *command: str, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command as direnv runs it in the directory."""
    return subprocess.run(
        [require("direnv"), "exec", str(folder), *command],
        env=dict(env),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )


def read_variables(folder: Path, env: Mapping[str, str]) -> tuple[dict[str, str | None], str]:
    """Return tcenv's variables and AFTER in the directory, and what direnv printed."""
    done = run_in_directory(folder, "env", "-0", env=env)
    found = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0") if entry)
    return {name: found.get(name) for name in (*VARIABLES, "AFTER")}, done.stderr


def start_shell_with_direnv(shell: str, folder: Path, env: Mapping[str, str], before: str = "") -> Terminal:
    """Run an interactive shell whose start-up file has `before` and direnv's hook."""
    line, hook = DIRENV_HOOKS[shell]
    path = Path(env["HOME"]) / (".zshrc" if shell == "zsh" else "rc")
    path.write_text(f"{before}\n{hook}\n")
    program, *words = line.format(path).split()
    more = [f"source {path}"] if shell == "fish" else []
    return Terminal([require(program), *words, *more], env, folder)
