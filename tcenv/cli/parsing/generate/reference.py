"""The command reference, `docs/commands.md`."""

from __future__ import annotations

from tcenv.cli.parsing import declaration, help

_HEAD = """\
# Commands

Written by `make generated` from the same declarations as `--help`, completion and the man pages.

"""


def render() -> str:
    """Render `docs/commands.md`: the help of every command, as `--help` prints it."""
    parts = []
    for command in declaration.list_commands():
        name = " ".join(["tcenv", *command.words.split()])
        parts.append(f"## {name}\n\n```text\n{help.render(command)}\n```\n")
    return _HEAD + "\n".join(parts)
