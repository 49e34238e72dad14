"""Collect what the simpler completers need: each command's fixed completions, and whose names complete it."""

from __future__ import annotations

from dataclasses import dataclass

from tcenv.cli.parsing import declaration


@dataclass(frozen=True)
class Row:
    """`words`, what can follow them, and, by option, the values that can follow that. `of` is empty or whose names complete
    the argument; `dynamic` the same of options."""

    words: str
    fixed: tuple[str, ...]
    of: str
    values: dict[str, tuple[str, ...]]
    dynamic: dict[str, str]


def list_rows() -> list[Row]:
    """Return one row for each command."""
    found = []
    for command in declaration.list_commands():
        argument = command.argument
        fixed = [name.rpartition(" ")[2] for name in command.members]
        fixed += argument.values if argument is not None else ()
        fixed += [*(option.name for option in command.options), "--help"]
        found.append(
            Row(
                command.words,
                tuple(fixed),
                argument.of if argument is not None else "",
                {option.name: option.values for option in command.options if option.values},
                {option.name: option.of for option in command.options if option.of},
            )
        )
    return found


def list_values() -> tuple[dict[str, tuple[str, ...]], dict[str, str]]:
    """Return the known values of each option, and whose names complete it. These are the same in all commands."""
    values: dict[str, tuple[str, ...]] = {}
    dynamic: dict[str, str] = {}
    for row in list_rows():
        values.update(row.values)
        dynamic.update(row.dynamic)
    return values, dynamic


def list_free_options() -> list[str]:
    """Return the options that take a value which nobody can complete."""
    found = (option for command in declaration.list_commands() for option in command.options)
    return list(dict.fromkeys(one.name for one in found if one.kind != "flag" and not (one.values or one.of)))
