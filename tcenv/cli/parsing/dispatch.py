"""From the words of a command line to the function that carries them out, without the weight of the full command line."""

from __future__ import annotations

import os

from tcenv.cli.parsing import plain_reader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    # What a command does with its positional argument and its given options.
    Action = Callable[[str | None, dict[str, Any]], int]


def action(words: str) -> Action:
    """The function of a command: `run` in the module of its first word, `run_SECOND` for the member of a group."""
    first, _, second = words.partition(" ")
    module = __import__(f"tcenv.cli.commands.{first}", fromlist=["run"])
    found: Action = getattr(module, f"run_{second}" if second else "run")
    return found


def run(words: Sequence[str]) -> int | None:
    """Carry out the command line; None for one that the full command line has to judge."""
    if _asks_for_help(words):
        return _help(words)
    found = plain_reader.find(words)
    if found is None:
        return None
    from tcenv.cli.parsing.tables import COMMANDS

    name, count = found
    if name not in COMMANDS:
        return None
    positional, options = COMMANDS[name]
    read = plain_reader.read(words[count:], options, positional)
    if read is None:
        return None
    from tcenv.cli.terminal.exit_status import carry_out

    return carry_out(words, lambda: action(name)(*read))


def _asks_for_help(words: Sequence[str]) -> bool:
    """Whether the first option is the one for help: behind another one, it may be that one's value."""
    first = next((word for word in words if word.startswith("-")), "")
    return first in ("-h", "--help")


def _help(words: Sequence[str]) -> int | None:
    """Print the help that was made ready; None where the terminal is narrower than it is, or there is none."""
    names = [word for word in words[:2] if word.isalpha()]
    if _columns() < 80:
        return None
    # A command's argument may stand before the option: its first word alone names it then.
    for name in ("-".join(names), names[0] if names else "tcenv", "tcenv" if not names else ""):
        try:
            descriptor = os.open(f"{os.path.dirname(__file__)}/help_texts/{name}.txt", os.O_RDONLY)
        except OSError:
            continue
        with open(descriptor, "rb", buffering=0) as file:
            text = file.read()
        from tcenv.output import write_last

        write_last(text)
        return 0
    return None


def _columns() -> int:
    named = os.environ.get("COLUMNS", "")
    if named.isdecimal() and int(named):
        return int(named)
    try:
        return os.get_terminal_size(1).columns or 80
    except (OSError, ValueError):
        return 80
