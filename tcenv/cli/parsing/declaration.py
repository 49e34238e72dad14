"""Describe the command line as plain values: every command, its options and its argument. Help, completion, man pages, the
reference and the tables of the plain reader are all made from this.

A command is declared in its own module: the fields of its `Options` class are its options (see `options`), the class's
docstring is its help, and lines below "Examples:" are its examples. This module imports Typer, so it is never on a hot
path."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, get_type_hints

from typer.models import ArgumentInfo, OptionInfo

from tcenv.cli.parsing import options, plain_reader, proxy_options
from tcenv.cli.parsing.options import KnownValues

# The commands by the sections of help, in their order.
SECTIONS = {
    "Sign in": ("login", "status", "logout", "whoami", "signin"),
    "Use": ("exec", "shell", "env", "ssh", "direnv", "hook"),
    "Less than everything": ("scopes", "purpose", "proxy"),
    "Set up": ("init", "profile", "doctor", "sandbox", "help", "version"),
}
# All commands; those of a group come last.
COMMANDS = (
    *(words for section in SECTIONS.values() for words in section),
    *("profile list", "profile show", "profile set", "profile remove"),
    *("purpose list", "purpose show", "purpose set", "purpose remove"),
)
# Another name of a command, and that command.
ALIASES = {"whoami": "status"}
GROUPS = {
    "profile": "Manage named deployments in the configuration file.",
    "purpose": "Manage named sets of scopes, for --as.",
}
_HELP = """Taskcluster credentials for your shell. Sign in once in the browser, and every terminal, direnv directory and
command can use them."""
_EXAMPLES = ('eval "$(tcenv login)"', "tcenv status", "tcenv exec -- ./deploy.py")

# Each command takes these, and `verbosity` reads them before the command does.
LEVELS = (
    ("--quiet", "-q", "quiet", "Print only errors, and the output that you asked for."),
    ("--verbose", "-v", "verbose", "Also print what tcenv does and asks. Never prints a secret."),
)

_KINDS = {bool: "flag", int: "number", tuple: "list", str: "text"}


@dataclass(frozen=True)
class Option:
    """One option. `key` is the field of the command's options; `kind` is flag, text, list (repeatable) or number; `values`
    are known values, and `of` says whose names complete it (profiles, purposes or nothing)."""

    name: str
    short: str
    key: str
    kind: str
    metavar: str
    help: str
    panel: str
    values: tuple[str, ...]
    names_of: str

    @property
    def summary(self) -> str:
        return self.help.split(". ")[0].rstrip(".")

    @property
    def label(self) -> str:
        """The names of the option, as help shows them."""
        return f"{self.short}, {self.name}" if self.short else self.name


@dataclass(frozen=True)
class Argument:
    """The positional argument. It is completed as the value of an option is."""

    key: str
    metavar: str
    help: str
    required: bool
    is_repeatable: bool
    values: tuple[str, ...]
    names_of: str


@dataclass(frozen=True)
class Command:
    """One command, or a group (`members`), by its `words`; tcenv itself has none."""

    words: str
    help: str
    examples: tuple[str, ...]
    options: tuple[Option, ...]
    argument: Argument | None
    members: tuple[str, ...]

    @property
    def summary(self) -> str:
        if self.words in ALIASES:
            return f"Alias of {ALIASES[self.words]}"
        return self.help.split("\n\n")[0].split(". ")[0].rstrip(".").replace("\n", " ")

    @property
    def arguments(self) -> list[tuple[str, str]]:
        """The rows of help for the argument: its form on a command line, and its description."""
        if self.argument is None or not self.argument.help:
            return []
        profile, dashes, command = self.argument.metavar.partition(" -- ")
        if not dashes:
            return [(profile, self.argument.help)]
        return [(profile, options.PROFILE_HELP), (f"-- {command}", self.argument.help)]

    @property
    def aliases(self) -> tuple[str, ...]:
        """The other names of this command."""
        return tuple(alias for alias, words in ALIASES.items() if words == self.words)

    @property
    def takes_command(self) -> bool:
        """Whether another command line follows behind `--`."""
        return self.argument is not None and "--" in self.argument.metavar


@cache
def list_commands() -> tuple[Command, ...]:
    """Return all commands, each group before its members."""
    return tuple(_describe())


def find_command(words: str) -> Command:
    """Return the command called `words`. Raises KeyError."""
    return {command.words: command for command in list_commands()}[words]


def list_members(group: Command) -> list[Command]:
    """Return the commands of a group."""
    return [find_command(words) for words in group.members]


def list_sections(group: Command) -> list[tuple[str, list[Command]]]:
    """Return the commands of a group in the sections of its help, each with its title."""
    if group.words:
        return [("Commands", list_members(group))] if group.members else []
    return [(title, [find_command(words) for words in section]) for title, section in SECTIONS.items()]


def get_hints(words: str) -> dict[str, Any]:
    """Return the type of each option of a command, with what `options` declares of it."""
    return get_type_hints(
        plain_reader.load_options_class(words), localns={"o": options, "p": proxy_options}, include_extras=True
    )


def _describe() -> Iterator[Command]:
    top = tuple(words for words in COMMANDS if " " not in words)
    version = Option("--version", "", "version", "flag", "", "Print the version and exit.", "", (), "")
    yield Command("", _reflow(_HELP), _EXAMPLES, (version,), None, top)
    for words in COMMANDS:
        if words in GROUPS:
            own = tuple(name for name in COMMANDS if name.startswith(words + " "))
            yield Command(words, GROUPS[words], (), (), None, own)
            continue
        text, _, examples = inspect.cleandoc(plain_reader.load_options_class(words).__doc__ or "").partition(
            "\n\nExamples:\n"
        )
        lines = tuple(line.strip() for line in examples.splitlines())
        found, argument = _list_parameters(words)
        levels = tuple(Option(*level[:3], "flag", "", level[3], "", (), "") for level in LEVELS)
        yield Command(words, _reflow(text), lines, (*found, *levels), argument, ())


def _reflow(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _list_parameters(words: str) -> tuple[tuple[Option, ...], Argument | None]:
    found: list[Option] = []
    argument: Argument | None = None
    for key, hint in get_hints(words).items():
        metadata = getattr(hint, "__metadata__", ())
        known = next((entry for entry in metadata if isinstance(entry, KnownValues)), KnownValues())
        for entry in metadata:
            if isinstance(entry, OptionInfo):
                panel = entry.rich_help_panel if isinstance(entry.rich_help_panel, str) else ""
                # In an annotation, Typer takes the first name for the default.
                names = (str(entry.default), *(entry.param_decls or ()))
                short = next((name for name in names if not name.startswith("--")), "")
                kind, help_text = get_kind(hint), entry.help or ""
                found.append(
                    Option(
                        names[0], short, key, kind, entry.metavar or "", help_text, panel, known.values, known.names_of
                    )
                )
            elif isinstance(entry, ArgumentInfo):
                required = not str(entry.metavar).startswith("[")
                repeatable, help_text = get_kind(hint) == "list", entry.help or ""
                argument = Argument(
                    key, str(entry.metavar), help_text, required, repeatable, known.values, known.names_of
                )
    return tuple(found), argument


def get_kind(hint: Any) -> str:
    """Return the kind of an option with this type: flag, text, list or number."""
    own = hint.__origin__
    kinds = [kind for kind in getattr(own, "__args__", ()) if kind in _KINDS]
    return _KINDS[getattr(own, "__origin__", own) if getattr(own, "__origin__", own) in _KINDS else kinds[0]]
