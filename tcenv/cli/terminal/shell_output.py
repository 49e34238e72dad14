"""Print a change to the environment as a shell's statements, in one piece and never to a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from functools import cache

from tcenv import output, verbosity
from tcenv.cli.terminal import messages
from tcenv.errors import UsageError
from tcenv.shells import Unrepresentable, environment, load_shell
from tcenv.shells.detect import UndetectedShell, choose_shell


def render_statements(change: Mapping[str, str | None], shell: str | None) -> bytes:
    """Return the statements that make `change` in `shell` (None: the shell that runs tcenv, or sh if none does). Raises
    UsageError."""
    try:
        name = choose_shell(shell)
    except UndetectedShell:
        if os.name != "posix":
            raise
        name = "sh"
        _say_sh()
    try:
        return load_shell(name).export(change).encode()
    except Unrepresentable as error:
        raise UsageError(f"{name} cannot carry a value: {error}") from None


@cache
def _say_sh() -> None:
    messages.note("No shell started tcenv, so the statements are for sh. For another shell, use --shell.")


def print_change(change: Mapping[str, str | None], shell: str | None) -> None:
    """Print the statements that make `change`, whole, as the last thing that the command does (see `write_last`)."""
    warn_if_others_can_read(change)
    verbosity.log(f"Setting {_join_names(name for name, value in change.items() if value is not None)}.")
    verbosity.log(f"Unsetting {_join_names(name for name, value in change.items() if value is None)}.")
    output.write_last(render_statements(change, shell))


def _join_names(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"


def warn_if_others_can_read(change: Mapping[str, str | None]) -> None:
    """Warn if standard output is a file that other users may read, and `change` holds a token."""
    if change.get(environment.ACCESS_TOKEN) and output.is_readable_by_others():
        messages.warn(
            "Other users can read the file that receives this token. Set umask 077 and create the file again."
        )
