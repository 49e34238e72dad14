"""Read command lines without Typer, by tables that `make generated` writes from the declaration. Importing Typer alone takes
five times as long as the interpreter's start, and users put plain command lines into start-up files.

Leaves anything that is not plain (an unknown option, a missing value) to the full command line, which says what is
wrong."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    # What the tables say of a command: the key and kind of its argument, and its options by name with their keys and kinds.
    Table = tuple[str, str, Mapping[str, tuple[str, str]]]


def run(words: Sequence[str]) -> int | None:
    """Carry out a command line. Returns its exit status, or None if the full command line must decide."""
    from tcenv.cli.parsing.tables import COMMANDS

    found = find(words)
    name, count = found if found is not None else ("", 0)
    values = None
    if name in COMMANDS and COMMANDS[name][1] == "!--":
        # What looks like the option for help may belong to the command that it takes.
        values = read(words[count:], COMMANDS[name])
    if values is None and _asks_for_help(words):
        return _print_help(words)
    if name not in COMMANDS:
        return None
    values = values or read(words[count:], COMMANDS[name])
    if values is None:
        return None
    from tcenv.cli.terminal.exit_status import carry_out

    return carry_out(words, lambda: load_action(name)(load_options_class(name)(**values)))


def find(words: Sequence[str]) -> tuple[str, int] | None:
    """Return the command that `words` begin with, and how many of them are its name; None if no such command is declared."""
    from tcenv.cli.parsing.tables import COMMANDS, GROUPS

    for count in (2, 1) if words[0] in GROUPS else (1,):
        name = " ".join(words[:count])
        if len(words) >= count and (name in COMMANDS or name in GROUPS):
            return name, count
    return None


def load_action(words: str) -> Callable[[Any], int]:
    """Return the function that carries out a command: `run` of the module of its first word, for a member of a group
    `run_SECOND`. It takes the command's options and returns the exit status."""
    found: Callable[[Any], int] = _load_member(words, "run_{}", "run")
    return found


def load_options_class(words: str) -> Any:
    """Return the class of a command's options: `Options` of its module, for a member of a group `SecondOptions`."""
    return _load_member(words.title() if " " in words else words, "{}Options", "Options")


def _load_member(words: str, of_group: str, alone: str) -> Any:
    first, _, second = words.partition(" ")
    module = __import__(f"tcenv.cli.commands.{first.lower()}", fromlist=["Options"])
    return getattr(module, of_group.format(second) if second else alone)


def read(words: Sequence[str], table: Table) -> dict[str, Any] | None:
    """Read the words behind a command's name. Returns the values of its options by key, or None if a word is not plain.

    The kind of the argument is empty (there is none), `?`, `!` (it is required), `+` (one or more), `--` (a command is
    required behind that) or `!--` (it is required, and what follows it is a command, if anything does)."""
    key, kind, options = table
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word == "--" and kind in ("--", "!--"):
            values["command"] = tuple(rest)
        elif kind == "!--" and key in values and not word.startswith("-"):
            values["command"] = (word, *rest)
        elif not word.startswith("-") and kind == "+":
            values[key] = (*values.get(key, ()), word)
        elif not word.startswith("-"):
            if key in values or not key:
                return None
            values[key] = word
        elif not _read_option(word, rest, options, values):
            return None
    if (kind in ("!", "+", "!--") and key not in values) or (kind == "--" and not values.get("command")):
        return None
    return values


def _read_option(word: str, rest: Any, options: Mapping[str, tuple[str, str]], values: dict[str, Any]) -> bool:
    """Read an option, and its value if it takes one, into `values`. Returns whether it is declared and complete."""
    name, equals, value = word.partition("=")
    if name not in options and word[:2] in options and not word.startswith("--"):
        # The value of a short option may stand in the same word.
        name, equals, value = word[:2], "=", word[2:]
    elif equals and not name.startswith("--"):
        # Typer counts the `=` behind a short option as part of its value.
        return False
    if name not in options:
        return False
    key, kind = options[name]
    if kind == "flag":
        values[key] = True
        return not equals
    text = value if equals else next(rest, None)
    if text is None or (not equals and text.startswith("-")):
        return False
    if kind == "list":
        values[key] = (*values.get(key, ()), text)
    elif kind == "number":
        if not (text.isascii() and text.isdecimal()):
            return False
        values[key] = int(text)
    else:
        values[key] = text
    return True


def _asks_for_help(words: Sequence[str]) -> bool:
    """Return whether the first option is the one for help: behind another option, it may be that one's value."""
    first = next((word for word in words if word.startswith("-")), "")
    return first in ("-h", "--help")


def _print_help(words: Sequence[str]) -> int | None:
    """Print the generated help. Returns None if the terminal is narrower than that, or there is none."""
    from tcenv.cli.parsing.tables import GROUPS
    from tcenv.output import measure_width, write_last

    names = [word for word in words[:2] if word.isalpha()]
    if (measure_width() or 80) < 80 or (len(names) == 2 and names[0] in GROUPS and find(names) == (names[0], 1)):
        return None
    # An argument may stand before the option: then the first word alone is the command.
    for name in ("-".join(names), names[0]) if names else ("tcenv",):
        try:
            descriptor = os.open(f"{os.path.dirname(__file__)}/help_texts/{name}.txt", os.O_RDONLY)
        except OSError:
            continue
        with open(descriptor, "rb", buffering=0) as file:
            text = file.read()
        write_last(embolden_heads(text))
        return 0
    return None


def embolden_heads(text: bytes) -> bytes:
    """Return a help text with bold heads if standard output is a terminal that shows them."""
    if not os.isatty(1) or os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") in ("dumb", "unknown"):
        return text
    lines = text.split(b"\n")
    for number, line in enumerate(lines):
        head, colon, rest = line.partition(b":")
        if colon and line[:1] != b" " and (not rest or head == b"Usage"):
            lines[number] = b"\x1b[1m" + head + colon + b"\x1b[0m" + rest
    return b"\n".join(lines)
