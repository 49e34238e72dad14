"""Printing a change to the environment in the words of a shell, in one piece and never to a terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping

from tcenv import cli
from tcenv.errors import UsageError
from tcenv.output import write_last
from tcenv.shells import Shell, Unrepresentable, load_shell
from tcenv.shells.detect import choose_shell


def statements(change: Mapping[str, str | None], shell: str | None) -> bytes:
    """What makes `change` in `shell` (None: the one that runs us). Raises UsageError."""
    name = choose_shell(shell)
    try:
        return load_shell(name).export(change).encode()
    except Unrepresentable as error:
        raise UsageError(f"{name} cannot carry a value: {error}") from None


def print_change(change: Mapping[str, str | None], shell: str | None) -> None:
    """Print the statements that make `change`, whole, as the last thing that the command does (see `write_last`)."""
    write_last(statements(change, shell))


def stdout_is_terminal() -> bool:
    """Whether what we print would be shown to a person instead of being evaluated."""
    return os.isatty(1)


def evaluation_line(command: str, shell: str | None) -> str:
    """What the user types in `shell` to have the output of `tcenv COMMAND` take effect."""
    if cli.from_function:
        return f"tcenv {command}"
    try:
        evaluation = load_shell(choose_shell(shell)).evaluation
    except UsageError:
        evaluation = Shell.evaluation
    return evaluation.format(command)
