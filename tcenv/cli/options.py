"""The options and arguments of the command line, each declared once: name, kind of value, known values, help, group. The commands
that take them are in `app`; everything that is generated reads both.

A parameter's name is the key under which the command finds the value, and that of the configuration file where there is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from tcenv.deployment.limits import FLOWS
from tcenv.shells import ALIASES, SHELLS
from tcenv.shells.formats import FORMATS


@dataclass(frozen=True)
class Known:
    """The values that complete an option or argument: fixed ones, or the names of `of` (profiles) on this machine."""

    values: tuple[str, ...] = ()
    of: str = ""


def known(*values: str, of: str = "") -> Known:
    """The values that complete a parameter. They are no limit: the command judges what it is given."""
    return Known(values, of)


def _one_of(values: Iterable[str]) -> str:
    return "|".join(values)


_SIGNING_IN = "Signing in"
_BROWSER = "The browser"
_CUT = "Temporary credentials"
_OUTPUT = "Output"

ProfileArgument = Annotated[
    str | None,
    typer.Argument(metavar="[PROFILE]", help="A configured profile, a root URL, or the host of one used before."),
    known(of="profiles"),
]
ProfileName = Annotated[str, typer.Argument(metavar="PROFILE", help="The profile's name."), known(of="profiles")]
ShellArgument = Annotated[
    str, typer.Argument(metavar="SHELL", help="The shell: bash, zsh, fish, ..."), known(*SHELLS, *ALIASES)
]

RootUrl = Annotated[
    str | None,
    typer.Option("--root-url", metavar="URL", help="The deployment.", rich_help_panel=_SIGNING_IN),
]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The client's name (default: tcenv). {hostname} and {user} are replaced.",
        rich_help_panel=_SIGNING_IN,
    ),
]
Scopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="S",
        help="A scope to ask for; repeatable, 20 at most (default: *).",
        rich_help_panel=_SIGNING_IN,
    ),
]
CutScopes = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="S",
        help="Temporary credentials with this scope alone, cut from the session; repeatable. Without a session: the scope "
        "to sign in with.",
        rich_help_panel=_CUT,
    ),
]
Expires = Annotated[
    str | None,
    typer.Option(
        "--expires",
        metavar="TIME",
        help="How long the session lasts, like 8h or 1d (default: 1d).",
        rich_help_panel=_SIGNING_IN,
    ),
    known("1h", "8h", "1d", "1w"),
]
Description = Annotated[
    str | None,
    typer.Option(
        "--description",
        metavar="TEXT",
        help="The client's description on the deployment.",
        rich_help_panel=_SIGNING_IN,
    ),
]
Reset = Annotated[
    bool,
    typer.Option(
        "--reset", help="A new token for the same client, even if the session is good.", rich_help_panel=_SIGNING_IN
    ),
]
Flow = Annotated[
    str | None,
    typer.Option(
        "--flow",
        metavar=_one_of(FLOWS),
        help="Which sign-in page to open (default: auto).",
        rich_help_panel=_BROWSER,
    ),
    known(*FLOWS),
]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        metavar="N",
        help="The loopback port for the answer (default: a free one).",
        rich_help_panel=_BROWSER,
    ),
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="How long to wait for the browser (default: 5m).",
        rich_help_panel=_BROWSER,
    ),
    known("1m", "5m", "15m"),
]
Browser = Annotated[
    str | None,
    typer.Option(
        "--browser", metavar="CMD", help="The browser to open, as BROWSER would name it.", rich_help_panel=_BROWSER
    ),
]
NoBrowser = Annotated[
    bool,
    typer.Option(
        "--no-browser",
        help="Open none: print the URL, and take the answer or the pasted address of it.",
        rich_help_panel=_BROWSER,
    ),
]
Shell = Annotated[
    str | None,
    typer.Option(
        "--shell",
        metavar="NAME",
        help="The shell that evaluates the output (default: detected).",
        rich_help_panel=_OUTPUT,
    ),
    known(*SHELLS, *ALIASES),
]
Format = Annotated[
    str | None,
    typer.Option("--format", metavar=_one_of(FORMATS), help="A form for what is not a shell.", rich_help_panel=_OUTPUT),
    known(*FORMATS),
]
For = Annotated[
    str | None,
    typer.Option(
        "--for",
        metavar="TIME",
        help="How long temporary credentials last, like 15m (31 days at most).",
        rich_help_panel=_CUT,
    ),
    known("15m", "1h", "8h"),
]
NoLogin = Annotated[bool, typer.Option("--no-login", help="Exit with 3 instead of signing in.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.", rich_help_panel=_OUTPUT)]
