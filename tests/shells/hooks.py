"""The text of `tcenv init` without a terminal: how each shell evaluates it, and how its prompt hook is called as by a prompt."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tcenv.sessions.session_file import compute_generation
from tests.command_lines import can_fork_xonsh, run_xonsh
from tests.programs import require
from tests.shells.child import make_dump
from tests.world import make_init_text


@dataclass(frozen=True)
class Prompted:
    """A shell that can be made to run its prompt hook: `source` reads a file, `hook` is what a prompt does (nothing where the
    shell has no hook), `trace` switches the shell's own trace on (nothing where it has none)."""

    name: str
    program: tuple[str, ...]
    init: str
    source: str
    hook: str = ""
    trace: str = ""
    # What tells whether the trace is still on, and what that prints then.
    traced: tuple[str, str] = ("", "")
    status: str = "$?"

    def run(self, script: str, env: Mapping[str, str], timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `script`, bounded in time: a prompt that hangs is a failure."""
        command = [require(self.program[0]), *self.program[1:], script]
        if can_fork_xonsh(command[0], env):
            return run_xonsh(command, env, timeout)
        return subprocess.run(
            command,
            env=dict(env),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def script(self, path: Path) -> str:
        """A statement that reads the file at `path`."""
        return self.source.format(path) if self.source else path.read_text()

    def dump(self, path: Path, folder: Path) -> str:
        """A statement that writes the environment of a child to `path`."""
        return f"{'^' if self.name == 'nu' else ''}{make_dump(path, folder)}"


_SET_X = ("case $- in *x*) echo traced-still ;; esac", "traced-still")
PROMPTED = (
    Prompted("bash", ("bash", "--norc", "-c"), "bash", ". {}", "__tcenv_hook", "set -x", _SET_X),
    Prompted("zsh", ("zsh", "-f", "-c"), "zsh", ". {}", "__tcenv_hook", "set -x", _SET_X),
    Prompted("sh", ("dash", "-c"), "sh", ". {}", "", "set -x", _SET_X),
    Prompted("busybox", ("busybox", "sh", "-c"), "sh", ". {}", "", "set -x", _SET_X),
    Prompted("ksh", ("ksh93", "-c"), "ksh", ". {}", "x=${ __tcenv_hook; }", "set -x", _SET_X),
    Prompted("mksh", ("mksh", "-c"), "mksh", ". {}", "x=${ __tcenv_hook; }", "set -x", _SET_X),
    Prompted("yash", ("yash", "--norcfile", "-c"), "yash", ". {}", "", "set -x", _SET_X),
    Prompted(
        *("fish", ("fish", "--no-config", "-c"), "fish", "source {}", "emit fish_prompt", "set -g fish_trace 1"),
        traced=('test "$fish_trace" = 1; and echo traced-still', "traced-still"),
        status="$status",
    ),
    Prompted(
        *("tcsh", ("tcsh", "-f", "-c"), "tcsh", "source {}", "precmd", "set echo; set verbose"),
        traced=('if ( $?echo && $?verbose ) printf "%s%s" traced -still', "traced-still"),
        status="$status",
    ),
    Prompted("csh", ("bsd-csh", "-f", "-c"), "tcsh", "echo {}"),
    Prompted("elvish", ("elvish", "-norc", "-c"), "elvish", "", "tcenv-hook"),
    Prompted("nu", ("nu", "--no-config-file", "-c"), "nu", "source {}", "__tcenv_hook"),
    Prompted("xonsh", ("xonsh", "--no-rc", "-c"), "xonsh", "", "_tcenv_hook()"),
)
HOOKED = tuple(shell for shell in PROMPTED if shell.hook)


def start_up_text(shell: Prompted, env: Mapping[str, str], folder: Path, *options: str) -> Path:
    """The text of `tcenv init`, in a file that the shell can read without a terminal."""
    text = make_init_text(shell.init, "--no-completion", *options, env=env)
    if shell.name == "elvish":
        # Without its guard the functions are the caller's; there is no line editor without a terminal.
        text = text.partition("  eval '")[2].rpartition("'\n} else {")[0].replace("''", "'")
        text = "\n".join(line for line in text.splitlines() if "edit:" not in line).replace(
            "if (not (has-env __TCENV_ELVISH_HOOK)) {\n}", ""
        )
    path = folder / f"init.{shell.name}"
    path.write_text(text + "\n")
    return path


def loaded(folder: Path | None, profile: str, root_url: str, token: str, before: str = "-") -> dict[str, str]:
    """The variables of a shell that has loaded a session with `token`, whose file is in `folder` (None: it has none)."""
    file = folder / f"{profile}.session" if folder else "-"
    return {
        "TASKCLUSTER_ROOT_URL": root_url,
        "TASKCLUSTER_CLIENT_ID": "someone/tcenv",
        "TASKCLUSTER_ACCESS_TOKEN": token,
        "TCENV_PROFILE": profile,
        "TCENV_EXPIRES": str(int(time.time()) + 40_000),
        "TCENV_LOADED": f"{profile} {root_url} {compute_generation(token)} {file} {before}",
    }


def stored(folder: Path, profile: str, root_url: str, token: str, expires: int | None = None) -> Path:
    """A session's file as tcenv writes it."""
    end = expires or int(time.time()) + 40_000
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{profile}.session"
    path.write_text(
        f"GENERATION={compute_generation(token)}\nTASKCLUSTER_ACCESS_TOKEN={token}\nTASKCLUSTER_ROOT_URL={root_url}\nTASKCLUSTER_CLIENT_ID=someone/tcenv\n"
        f"TCENV_PROFILE={profile}\nTCENV_EXPIRES={end}\nRENEW={end - 600}\nCREATED={end - 86400}\nNAME=tcenv\nSCOPES=1\n"
        "SCOPE=*\nASKED=*\nEND=tcenv-session-1\n"
    )
    os.chmod(path, 0o600)
    return path
