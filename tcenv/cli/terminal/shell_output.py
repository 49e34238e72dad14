"""Printing a change to the environment in the words of a shell, in one piece and never to a terminal."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from tcenv import cli
from tcenv.errors import UsageError
from tcenv.output import write_last
from tcenv.shells import EVALUATED, Unrepresentable, load_shell
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


def command_line(words: Sequence[str], name: str | None = None) -> str:
    """Return the line that the user types in the shell `name` (None: the one that runs tcenv) to run a command. A command whose
    output a shell evaluates gets the form that makes it take effect."""
    try:
        shell = load_shell(choose_shell(name))
    except UsageError:
        shell = load_shell("sh")
    line = " ".join(shell.quote_word(word) for word in words)
    evaluated = words[0] == "tcenv" and len(words) > 1 and words[1] in EVALUATED
    if not evaluated or "--help" in words or cli.from_function:
        return line
    return shell.evaluation.format(line.removeprefix("tcenv "))
