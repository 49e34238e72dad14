"""Render the help of a command as text. `make generated` keeps the text for 80 columns, so that showing it needs no Typer."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from tcenv import output
from tcenv.cli.parsing import declaration
from tcenv.cli.parsing.declaration import Command

WIDTH = 80
_NARROWEST = 40
_FIRST = 26


def measure_width() -> int:
    """Return the width of help: the terminal's, between 40 and 80 columns."""
    return max(_NARROWEST, min(WIDTH, output.measure_width() or WIDTH))


def render(command: Command, width: int = WIDTH) -> str:
    """Render the help of `command` for `width` columns, without a newline at its end."""
    argument = command.argument
    usage = ["tcenv", *command.words.split(), *([] if command.members else ["[OPTIONS]"])]
    if command.members:
        usage.append("COMMAND [OPTIONS]")
    elif argument is not None:
        usage.append(argument.metavar)
    parts = [" ".join(["Usage:", *usage]), _wrap_paragraphs(command.help, width)]
    if command.words in declaration.ALIASES:
        parts.append(f"Alias of tcenv {declaration.ALIASES[command.words]}.")
    if command.aliases:
        parts.append(f"Aliases:\n  tcenv {', tcenv '.join(command.aliases)}")
    if command.examples:
        parts.append("Examples:\n" + "\n".join(f"  {line}" for line in command.examples))
    if command.arguments:
        parts.append(_render_section("Arguments", command.arguments, width))
    for title, members in declaration.list_sections(command):
        rows = [(member.words.rpartition(" ")[2], member.summary + ".") for member in members]
        parts.append(_render_section(title, rows, width))
    if command.members and not command.words:
        parts.append(_wrap_paragraphs("tcenv COMMAND --help shows the options and examples of a command.", width))
    panels: dict[str, list[tuple[str, str]]] = {"": []}
    for option in command.options:
        label = option.label if option.kind == "flag" else f"{option.label} {option.metavar}"
        panels.setdefault(option.panel, []).append((label, option.help))
    own = panels.pop("")
    own.append(("-h, --help", "Show this help and exit."))
    parts += [_render_section(panel, rows, width) for panel, rows in panels.items()]
    parts.append(_render_section("Options", own, width))
    return "\n\n".join(parts)


def _wrap_paragraphs(text: str, width: int) -> str:
    return "\n\n".join(_fill(paragraph, width) for paragraph in text.split("\n\n"))


def _render_section(title: str, rows: Iterable[tuple[str, str]], width: int) -> str:
    return "\n".join([f"{title}:", *(_render_row(label, text, width) for label, text in rows)])


def _render_row(label: str, text: str, width: int) -> str:
    """Render a label with its text beside it, or below it if there is no room."""
    if width < WIDTH:
        indent = "      "
        return f"  {label}\n" + _fill(text, width, indent)
    indent = " " * _FIRST
    filled = _fill(text, width, indent)
    if len(label) + 4 > _FIRST:
        return f"  {label}\n{filled}"
    return f"  {label}".ljust(_FIRST) + filled[_FIRST:]


def _fill(text: str, width: int, indent: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
