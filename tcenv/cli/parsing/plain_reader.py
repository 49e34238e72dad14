"""Reading command lines without the full command line's weight, by the tables that are generated from its declarations: what is
typed often, runs in start-up files or ends in a browser is under way before Typer would have been imported.

What is not plain here (an unknown option, a missing value) is None, and the full command line has the word."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def find(words: Sequence[str]) -> tuple[str, int] | None:
    """The command that `words` begin with, and how many of them are its name; None for none that is declared."""
    from tcenv.cli.parsing.tables import COMMANDS, GROUPS

    for count in (2, 1) if words[0] in GROUPS else (1,):
        name = " ".join(words[:count])
        if len(words) >= count and (name in COMMANDS or name in GROUPS):
            return name, count
    return None


def read(
    words: Sequence[str], options: Mapping[str, tuple[str, str]], positional: str
) -> tuple[str | None, dict[str, Any]] | None:
    """The positional argument and the options by key (under `command`: what stands behind `--`); None for what is not plain.

    `positional` is empty (none is taken), `?`, `!` (it must be there) or `--` (a command must follow behind that)."""
    argument = None
    values: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word == "--" and positional == "--":
            values["command"] = list(rest)
        elif not word.startswith("-"):
            if argument is not None or not positional:
                return None
            argument = word
        elif not _option(word, rest, options, values):
            return None
    if (positional == "!" and argument is None) or (positional == "--" and not values.get("command")):
        return None
    return argument, values


def _option(word: str, rest: Any, options: Mapping[str, tuple[str, str]], values: dict[str, Any]) -> bool:
    """Whether `word` is an option that is declared, with a value if it takes one: then that is in `values`."""
    name, equals, value = word.partition("=")
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
        values.setdefault(key, []).append(text)
    elif kind == "number":
        if not (text.isascii() and text.isdecimal()):
            return False
        values[key] = int(text)
    else:
        values[key] = text
    return True
