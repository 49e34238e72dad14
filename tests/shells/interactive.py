"""Run shells in a real terminal, with the text of `tcenv init` in their start-up file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from tests.fake_clock import FakeClock
from tests.programs import require
from tests.shells.real import BY_NAME
from tests.terminal import Terminal
from tests.world import VARIABLES, make_init_text

# The shells that have a prompt hook.
WITH_HOOK = ("bash", "zsh", "fish", "ksh", "mksh", "tcsh", "elvish", "nu", "xonsh", "powershell")
# Those that can tell the time without a process.
WITH_CLOCK = tuple(name for name in WITH_HOOK if name != "elvish")


def start_shell(
    shell: str,
    folder: Path,
    env: dict[str, str],
    before: str = "",
    after: str = "",
    options: tuple[str, ...] = (),
    program: str | None = None,
    clock: FakeClock | None = None,
) -> Terminal:
    """Run an interactive shell whose start-up file has the text of `tcenv init`, twice where the shell can read it twice.
    `program` is another version of the shell, and `clock` tells it the time."""
    text = make_init_text(shell, *options, env=env)
    rc = folder / f"rc.{shell}"
    rc.write_text(f"{before}\n{text}\n{text if shell != 'nu' else ''}\n{after}\n")
    arguments = [program or require(BY_NAME[shell].program)]
    if shell == "bash":
        arguments += ["--noprofile", "--rcfile", str(rc)]
    elif shell == "zsh":
        rc.rename(folder / ".zshrc")
        env = {**env, "ZDOTDIR": str(folder)}
        arguments += ["-d"]
    elif shell == "fish":
        arguments += ["--no-config", "--init-command", f"source {rc}"]
    elif shell in ("ksh", "mksh"):
        env = {**env, "ENV": str(rc)}
        arguments += ["-i"]
    elif shell == "tcsh":
        (Path(env["HOME"]) / ".tcshrc").write_text(rc.read_text())
    elif shell == "elvish":
        arguments += ["-rc", str(rc)]
    elif shell == "nu":
        config = folder / "config.nu"
        config.write_text(f"$env.config.show_banner = false\n$env.PROMPT_COMMAND_RIGHT = ''\n{rc.read_text()}")
        arguments += ["--config", str(config), "--env-config", "/dev/null"]
    elif shell == "powershell":
        profile = Path(env["HOME"]) / ".config/powershell/profile.ps1"
        profile.parent.mkdir(parents=True, exist_ok=True)
        profile.write_text(rc.read_text())
        arguments += ["-NoLogo"]
    else:
        arguments += ["--rc", str(rc)]
    if clock:
        # tmux itself keeps the real time, and so does xonsh, which gives its children the library.
        left_out = "LD_PRELOAD" if shell == "xonsh" else None
        variables = (f"{name}={value}" for name, value in clock.variables.items() if name != left_out)
        arguments = ["env", *variables, *arguments]
    # These shells lose what is typed before their first prompt.
    ready = {"nu": ">", "powershell": ">", "xonsh": "@#" if os.geteuid() == 0 else "@"}.get(shell, "")
    return Terminal(arguments, env, folder, ready=ready)


def start_outer_shell(env: Mapping[str, str], folder: Path) -> Terminal:
    """Run a bash whose prompt is `outer> `. A test starts `tcenv shell` in it."""
    return Terminal([require("bash"), "--norc", "--noprofile"], {**env, "PS1": "outer> "}, folder)


def is_unloaded(env: Mapping[str, str], before: Mapping[str, str]) -> bool:
    """Return whether nothing of tcenv is left in `env`, and its root URL is that of `before`."""
    left = {name: env[name] for name in VARIABLES if env.get(name)}
    return left == {"TASKCLUSTER_ROOT_URL": before["TASKCLUSTER_ROOT_URL"]}


def find_process_state(*arguments: str) -> str | None:
    """Return the state of the process with this command line (S sleeping, T stopped), or None if there is no such process."""
    wanted = "\0".join(arguments) + "\0"
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "cmdline").read_text(errors="replace") == wanted:
                return (folder / "stat").read_text().rpartition(")")[2].split()[0]
    return None
