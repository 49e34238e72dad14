"""Write the tables of the plain reader."""

from __future__ import annotations

from tcenv.cli.parsing import declaration

_HEAD = '''"""The commands for the plain reader: the key and kind of each argument, and its options with their keys and kinds.
`make generated` writes this from the declaration of the command line."""

'''


def render() -> str:
    """Render the module `tcenv.cli.parsing.tables`."""
    lines = [f"GROUPS = {_render_tuple(tuple(declaration.GROUPS))}"]
    lines.append("COMMANDS: dict[str, tuple[str, str, dict[str, tuple[str, str]]]] = {")
    for command in declaration.list_commands():
        if command.members or command.words == "help":
            continue
        key, kind = _render_argument(command)
        lines += [f'    "{command.words}": (', f'        "{key}",', f'        "{kind}",']
        levels = {level[0] for level in declaration.LEVELS}
        own = [option for option in command.options if option.name not in levels]
        names = [(name, option) for option in own for name in (option.name, option.short) if name]
        if names:
            lines.append("        {")
            lines += [f'            "{name}": ("{option.key}", "{option.kind}"),' for name, option in names]
            lines.append("        },")
        else:
            lines.append("        {},")
        lines.append("    ),")
    return _HEAD + "\n".join([*lines, "}"]) + "\n"


def _render_tuple(texts: tuple[str, ...]) -> str:
    return "(" + ", ".join(f'"{text}"' for text in texts) + ("," if len(texts) == 1 else "") + ")"


def _render_argument(command: declaration.Command) -> tuple[str, str]:
    """Return the key and the kind of the argument, as `plain_reader.read` takes them."""
    argument = command.argument
    if argument is None:
        return "", ""
    if command.takes_command:
        return (argument.key, "!--") if argument.required else ("profile", "--")
    if argument.is_repeatable:
        return argument.key, "+"
    return argument.key, "!" if argument.required else "?"
