"""What `app` declares, as plain values: for help, and for everything that is generated. Imports Typer: never on a hot path."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from tcenv.cli.parsing.app import app
from tcenv.cli.parsing.options import Known

_KINDS = {bool: "flag", int: "number", list[str]: "list", str: "text"}


@dataclass(frozen=True)
class Option:
    """One option. `key` is under which the command finds its value; `kind` is flag, text, list (repeatable) or number;
    `of` tells whose names complete it (profiles, or nothing), else `values` do."""

    name: str
    key: str
    kind: str
    metavar: str
    help: str
    panel: str
    values: tuple[str, ...]
    of: str

    @property
    def summary(self) -> str:
        return self.help.split(". ")[0].rstrip(".")


@dataclass(frozen=True)
class Argument:
    """The positional argument, completed as an option's value is."""

    metavar: str
    help: str
    required: bool
    values: tuple[str, ...]
    of: str


@dataclass(frozen=True)
class Command:
    """One command, or a group (`members`), under its `words` (none: tcenv itself)."""

    words: str
    help: str
    examples: tuple[str, ...]
    options: tuple[Option, ...]
    argument: Argument | None
    members: tuple[str, ...]

    @property
    def summary(self) -> str:
        return self.help.split("\n\n")[0].split(". ")[0].rstrip(".").replace("\n", " ")

    @property
    def behind_dashes(self) -> bool:
        """Whether another command line follows behind `--`."""
        return self.argument is not None and "--" in self.argument.metavar


@cache
def commands() -> tuple[Command, ...]:
    """All commands, each group before its members."""
    return tuple(_walk(app, ""))


def command(words: str) -> Command:
    """The command called `words`. Raises KeyError."""
    return {command.words: command for command in commands()}[words]


def members(group: Command) -> list[Command]:
    """The commands of a group."""
    return [command(words) for words in group.members]


def _walk(group: typer.Typer, words: str) -> Iterator[Command]:
    found: list[Command] = []
    direct: list[str] = []
    for info in group.registered_commands:
        name = f"{words} {info.name}".strip()
        direct.append(name)
        found.append(_command(name, info.callback, info.epilog))
    for member in group.registered_groups:
        assert member.typer_instance is not None
        name = f"{words} {member.name}".strip()
        direct.append(name)
        found += _walk(member.typer_instance, name)
    callback = group.registered_callback
    options = _parameters(callback.callback)[0] if callback else ()
    help_text = _flowing(str(group.info.help))
    yield Command(words, help_text, _lines(group.info.epilog), options, None, tuple(direct))
    yield from found


def _command(words: str, callback: Any, epilog: str | None) -> Command:
    options, argument = _parameters(callback)
    return Command(words, _flowing(callback.__doc__ or ""), _lines(epilog), options, argument, ())


def _flowing(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _lines(text: Any) -> tuple[str, ...]:
    return tuple(text.split("\n")) if isinstance(text, str) else ()


def _parameters(callback: Any) -> tuple[tuple[Option, ...], Argument | None]:
    options: list[Option] = []
    argument: Argument | None = None
    for key, hint in get_type_hints(callback, include_extras=True).items():
        metadata = getattr(hint, "__metadata__", ())
        known = next((entry for entry in metadata if isinstance(entry, Known)), Known())
        for entry in metadata:
            if isinstance(entry, OptionInfo):
                options.append(
                    Option(
                        # In an annotation, Typer takes the first name for the default.
                        name=str(entry.default),
                        key=key,
                        kind=_kind(hint),
                        metavar=entry.metavar or "",
                        help=entry.help or "",
                        panel=entry.rich_help_panel if isinstance(entry.rich_help_panel, str) else "",
                        values=known.values,
                        of=known.of,
                    )
                )
            elif isinstance(entry, ArgumentInfo):
                required = not str(entry.metavar).startswith("[")
                argument = Argument(str(entry.metavar), entry.help or "", required, known.values, known.of)
    return tuple(options), argument


def _kind(hint: Any) -> str:
    own = hint.__origin__
    inner = [kind for kind in getattr(own, "__args__", ()) if kind is not type(None)]
    return _KINDS[own if own in _KINDS else inner[0]]
