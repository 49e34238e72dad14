"""Typer's commands with tcenv's own help: one form, whoever asks for it. Imported by the full command line alone."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup


def _help(context: Any) -> str:
    from tcenv.cli.parsing import declaration, help_text

    words = " ".join(context.command_path.split()[1:])
    return help_text.render(declaration.command(words), help_text.columns())


class Command(TyperCommand):
    """A command whose help is `helptext`'s."""

    def get_help(self, ctx: Any) -> str:
        return _help(ctx)


class Group(TyperGroup):
    """A group of commands whose help is `helptext`'s; alone it is a usage error that shows it."""

    def get_help(self, ctx: Any) -> str:
        return _help(ctx)
