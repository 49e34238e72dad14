"""The light reader's tables."""

from __future__ import annotations

from tcenv.cli.parsing import declaration

_HEAD = '''"""The commands for the light reader: what positional argument each takes, and its options with their keys and kinds.
Generated from `app` by `make generated`."""

'''


def tables() -> str:
    """The module `tcenv.cli.parsing.tables`."""
    groups = tuple(command.words for command in declaration.commands() if command.members and command.words)
    lines = [f"GROUPS = {_tuple(groups)}", "COMMANDS: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {"]
    for command in declaration.commands():
        if command.members or command.words == "help":
            continue
        lines.append(f'    "{command.words}": (')
        lines.append(f'        "{_positional(command)}",')
        if command.options:
            lines.append("        {")
            lines += [f'            "{option.name}": ("{option.key}", "{option.kind}"),' for option in command.options]
            lines.append("        },")
        else:
            lines.append("        {},")
        lines.append("    ),")
    return _HEAD + "\n".join([*lines, "}"]) + "\n"


def _tuple(texts: tuple[str, ...]) -> str:
    return "(" + ", ".join(f'"{text}"' for text in texts) + ("," if len(texts) == 1 else "") + ")"


def _positional(command: declaration.Command) -> str:
    if command.behind_dashes:
        return "--"
    if command.argument is None:
        return ""
    return "!" if command.argument.required else "?"
