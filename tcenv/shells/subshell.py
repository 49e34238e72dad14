"""Run `tcenv shell`: an interactive shell with job control that reads the user's start-up files, loads the session
after them, and marks the prompt. It gets the session only through the environment: no file and no argument holds a
token."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress

from tcenv import paths, resources
from tcenv.errors import UsageError
from tcenv.shells import Shell, get_canonical_name
from tcenv.shells.child import run_child
from tcenv.shells.environment import apply

# Names the profile of the subshell, to mark the prompt and to prevent accidental nesting.
MARK = "TCENV_SUBSHELL"
_LOAD = "__TCENV_LOAD"


def find_program(shell: Shell) -> str:
    """Return the path of the user's own `shell`: the one in `SHELL` if it is this shell, else the first on PATH.
    Raises UsageError."""
    own = os.environ.get("SHELL", "")
    with suppress(UsageError):
        if own and get_canonical_name(os.path.basename(own)) == shell.name and os.access(own, os.X_OK):
            return own
    for name in shell.executables or (shell.name,):
        found = _find_on_path(name)
        if found:
            return found
    raise UsageError(f"The shell {shell.name} is not on the PATH.", "Name another one: --shell bash")


def _find_on_path(name: str) -> str | None:
    if os.name == "nt":
        from tcenv.shells.windows import find_program

        return find_program(name, os.environ)
    import shutil

    return shutil.which(name)


def run_subshell(
    shell: Shell,
    change: Mapping[str, str | None],
    profile: str,
    *,
    environ: Mapping[str, str] | None = None,
    started: Callable[[], None] = lambda: None,
) -> int:
    """Run an interactive `shell` with `change` applied to `environ` (None: this process's own), wait for its end and
    return its status (128+n for a signal n). Call `started` once it runs. Raises UsageError."""
    program = find_program(shell)
    variables = apply(change, os.environ if environ is None else environ)
    variables[MARK] = profile
    arguments = [program]
    if os.isatty(0):
        files = os.path.join(resources.find_folder("shell"), "subshell")
        arguments, extra = shell.plan_subshell(program, os.environ, paths.home(), files)
        variables.update(extra)
        if extra or len(arguments) > 1:
            variables[_LOAD] = shell.export_for_subshell(change)
    return run_child(arguments, variables, started)
