"""A subshell of the user's own shell: with their start-up files, the session loaded after those, a mark in the prompt, and job
control as in any shell. The session reaches it through the environment alone: no file and no argument holds a token."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from tcenv import paths, resources
from tcenv.errors import UsageError
from tcenv.shells import canonical, dialect
from tcenv.shells.child import run_child
from tcenv.shells.environment import applied

# The profile whose subshell this is, for the mark in the prompt, and against nesting by mistake.
MARK = "TCENV_SUBSHELL"
_LOAD = "__TCENV_LOAD"
# Where a shell has more than one name, which of them to start.
_PROGRAMS = {
    "sh": ("dash", "ash", "sh"),
    "ksh": ("ksh93", "ksh"),
    "tcsh": ("tcsh", "csh"),
    "powershell": ("pwsh", "powershell"),
}


def program_of(shell: str) -> str:
    """The path of the user's own `shell`: the one that `SHELL` names if it is that, else the first on the PATH.
    Raises UsageError."""
    own = os.environ.get("SHELL", "")
    with suppress(UsageError):
        if own and canonical(os.path.basename(own)) == shell and os.access(own, os.X_OK):
            return own
    for name in _PROGRAMS.get(shell, (shell,)):
        found = shutil.which(name)
        if found:
            return found
    raise UsageError(f"The shell {shell} is not on the PATH.", "Name another one: --shell bash")


def launch_plan(shell: str, program: str, environ: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """The command line of an interactive `shell`, and what its environment needs so that our part comes after the user's
    start-up files."""
    files = Path(resources.folder("shell"), "subshell")
    home = paths.home()
    if shell == "bash":
        ours = str(files / "rc.bash")
        posix = {"ENV": ours, "__TCENV_ENV": environ.get("ENV", "")} if "POSIXLY_CORRECT" in environ else {}
        return [program, "--rcfile", ours], posix
    if shell == "zsh":
        return [program], {"ZDOTDIR": str(files / "zsh"), "__TCENV_ZDOTDIR": environ.get("ZDOTDIR", "")}
    if shell == "fish":
        return [program, "--init-command", f"source {dialect('fish').quote(str(files / 'rc.fish'))}"], {}
    if shell in ("ksh", "mksh", "yash", "sh"):
        own = {"ksh": ".kshrc", "mksh": ".mkshrc", "yash": ".yashrc"}.get(shell)
        extra = {"ENV": str(files / "rc.sh"), "__TCENV_ENV": environ.get("ENV", "")}
        if own:
            extra["__TCENV_OWN"] = os.path.join(home, own)
        arguments = [program, "--rcfile", str(files / "rc.sh")] if shell == "yash" else [program]
        return arguments, extra
    if shell == "elvish":
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        user = os.path.join(config, "elvish", "rc.elv")
        return [program, "-rc", str(files / "rc.elv")], {"__TCENV_RC": user} if os.path.exists(user) else {}
    if shell == "nu":
        return [program, "--execute", f"source {dialect('nu').quote(str(files / 'rc.nu'))}"], {}
    if shell == "xonsh":
        config = environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
        users = ["/etc/xonsh/xonshrc", os.path.join(home, ".xonshrc"), os.path.join(config, "xonsh", "rc.xsh")]
        rc = [path for path in users if os.path.exists(path)]
        return [program, "--rc", *rc, str(files / "rc.xsh")], {}
    # tcsh, PowerShell and cmd have no file of ours after the user's: what is in the environment has to do.
    return [program], {}


def run_subshell(
    shell: str,
    change: Mapping[str, str | None],
    profile: str,
    *,
    environ: Mapping[str, str] | None = None,
    started: Callable[[], None] = lambda: None,
) -> int:
    """Run an interactive `shell` with `change` made to `environ` (None: this process's own), and wait for its end: its status,
    128+n for a signal n. `started` is called once it is under way. Raises UsageError."""
    program = program_of(shell)
    made = applied(change, os.environ if environ is None else environ)
    made[MARK] = profile
    arguments = [program]
    if os.isatty(0):
        arguments, extra = launch_plan(shell, program, os.environ)
        made.update(extra)
        if extra or len(arguments) > 1:
            made[_LOAD] = dialect(shell).statements(change)
    return run_child(arguments, made, started)
