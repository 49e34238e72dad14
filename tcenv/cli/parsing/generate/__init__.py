"""Write the files that are generated from the declaration of the command line: completion, man pages, the reference,
help texts and the plain reader's tables. `make generated` runs it, never a command. A test fails when a file is out of
date."""

from __future__ import annotations

from importlib import import_module

from tcenv.cli.parsing import declaration, help
from tcenv.cli.parsing.generate import man, tables
from tcenv.shells import SHELLS, load_shell


def render_files() -> dict[str, str]:
    """Return every generated file: its path in the checkout, and its content."""
    result = {
        f"completions/{shell.completion}": import_module(f"tcenv.cli.parsing.generate.{shell.name}").render()
        for shell in map(load_shell, SHELLS)
        if shell.completion
    }
    result |= {
        "tcenv/cli/parsing/tables.py": tables.render(),
        "docs/commands.md": _render_reference(),
    }
    for command in declaration.list_commands():
        name = command.words.replace(" ", "-") or "tcenv"
        result[f"tcenv/cli/parsing/help_texts/{name}.txt"] = help.render(command) + "\n"
        result[f"man/{man.get_file_name(command)}"] = man.render(command)
    return result


_HEAD_OF_REFERENCE = """\
# Commands

Written by `make generated` from the same declarations as `--help`, completion and the man pages.

"""


def _render_reference() -> str:
    """Render `docs/commands.md`: the help of every command, as `--help` prints it."""
    parts = []
    for command in declaration.list_commands():
        name = " ".join(["tcenv", *command.words.split()])
        parts.append(f"## {name}\n\n```text\n{help.render(command)}\n```\n")
    return _HEAD_OF_REFERENCE + "\n".join(parts)


# These folders hold generated files alone.
FOLDERS = ("completions", "man", "tcenv/cli/parsing/help_texts")
