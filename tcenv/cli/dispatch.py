"""From the words of a command line to the function that carries them out, without the weight of the full command line."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tcenv.cli import light

# What a command does with its positional argument and its given options.
Action = Callable[[str | None, dict[str, Any]], int]


def action(words: str) -> Action:
    """The function of a command: `run` in the module of its first word, `run_SECOND` for the member of a group."""
    first, _, second = words.partition(" ")
    module = __import__(f"tcenv.cli.{first}", fromlist=["run"])
    found: Action = getattr(module, f"run_{second}" if second else "run")
    return found


def run(words: Sequence[str]) -> int | None:
    """Carry out the command line; None for one that the full command line has to judge."""
    if _asks_for_help(words) and words[0].startswith("-"):
        return _help("")
    found = light.find(words)
    if found is None:
        return None
    name, count = found
    rest = words[count:]
    if _asks_for_help(rest):
        return _help(name)
    from tcenv.cli.tables import COMMANDS

    if name not in COMMANDS:
        return None
    positional, options = COMMANDS[name]
    read = light.read(rest, options, positional)
    if read is None:
        return None
    from tcenv.cli.ending import carry_out

    return carry_out(words, lambda: action(name)(*read))


def _asks_for_help(words: Sequence[str]) -> bool:
    """Whether the first option is the one for help: behind another one, it may be that one's value."""
    first = next((word for word in words if word.startswith("-")), "")
    return first in ("-h", "--help")


def _help(name: str) -> int | None:
    """Print the help that was made ready; None where the terminal is narrower than it is, or it is not there."""
    if _columns() < 80:
        return None
    path = f"{os.path.dirname(__file__)}/help/{name.replace(' ', '-') or 'tcenv'}.txt"
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError:
        return None
    sys.stdout.flush()
    sys.stdout.buffer.write(text)
    return 0


def _columns() -> int:
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(1).columns or 80
    except (OSError, ValueError):
        return 80
