"""Collect what the simpler completers need: each command's fixed completions, and whose names complete it."""

from __future__ import annotations

from dataclasses import dataclass

from tcenv.cli.parsing import declaration


@dataclass(frozen=True)
class Row:
    """A command by its `words`, and what can follow them: `fixed` words, and the names `of` profiles or purposes (empty:
    none)."""

    words: str
    fixed: tuple[str, ...]
    names_of: str


def list_rows() -> list[Row]:
    """Return one row for each command."""
    found = []
    for command in declaration.list_commands():
        argument = command.argument
        fixed = [name.rpartition(" ")[2] for name in command.members]
        fixed += argument.values if argument is not None else ()
        fixed += [*(option.name for option in command.options), "--help"]
        found.append(Row(command.words, tuple(fixed), argument.names_of if argument is not None else ""))
    return found


def _list_options() -> list[declaration.Option]:
    return [option for command in declaration.list_commands() for option in command.options]


def list_values() -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return the known values of each option, and whose names complete it. These are the same in all commands."""
    options = _list_options()
    values = {option.name: option.values for option in options if option.values}
    return values, {option.name: option.names_of for option in options if option.names_of}


def list_free_options() -> list[str]:
    """Return the options that take a value which nobody can complete."""
    free = (
        option.name for option in _list_options() if option.kind != "flag" and not (option.values or option.names_of)
    )
    return list(dict.fromkeys(free))
