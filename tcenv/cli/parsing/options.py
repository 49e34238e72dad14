"""Declare each option and argument of the command line once: its names, the kind of its value, known values, help and group.

A command takes one by naming it in its `Options` class. The name of the field is the key of the configuration file if
there is one."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from tcenv.config.config_file import REMOVABLE
from tcenv.deployment.limits import FLOWS
from tcenv.shells import ALIASES, SHELLS
from tcenv.shells.formats import FORMATS


class KnownValues:
    """The values that complete an option or argument: `values`, or the names of `names_of` (profiles, purposes) on this machine.
    Other values are allowed: the command judges what it gets."""

    def __init__(self, *values: str, names_of: str = "") -> None:
        self.values = values
        self.names_of = names_of


# The groups of options in help.
_sign_in_option = partial(typer.Option, rich_help_panel="Signing in")
_browser_option = partial(typer.Option, rich_help_panel="The browser")
_temporary_option = partial(typer.Option, rich_help_panel="Temporary credentials")
_output_option = partial(typer.Option, rich_help_panel="Output")

PROFILE_HELP = (
    "A profile, a root URL, or the host of a deployment. Default: what the shell has loaded, then TASKCLUSTER_ROOT_URL, then the "
    "configuration's default."
)
ProfileArgument = Annotated[
    str | None, typer.Argument(metavar="[PROFILE]", help=PROFILE_HELP), KnownValues(names_of="profiles")
]
ProfileName = Annotated[
    str, typer.Argument(metavar="PROFILE", help="The profile's name."), KnownValues(names_of="profiles")
]
ShellArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[SHELL]", help="The shell, such as bash, zsh or fish. With --install: the default is this shell."
    ),
    KnownValues(*SHELLS, *ALIASES),
]


RootUrl = Annotated[
    str | None, _sign_in_option("--root-url", metavar="URL", help="Use the deployment with this root URL.")
]
Name = Annotated[
    str | None,
    _sign_in_option(
        "--name",
        metavar="NAME",
        help="Name the client. tcenv replaces {hostname}, {user}, {profile} and {machine}. Default: tcenv-{hostname}, in a "
        "profile tcenv-{hostname}:{profile}.",
    ),
]
Scopes = Annotated[
    tuple[str, ...],
    _sign_in_option("--scope", metavar="S", help="Ask for this scope. Repeatable, up to 20. Default: *."),
]
CutScopes = Annotated[
    tuple[str, ...],
    _temporary_option(
        "--scope",
        metavar="S",
        help="Restrict the session to this scope, with temporary credentials. Repeatable. Without a session: sign in with "
        "this scope.",
    ),
]
Expires = Annotated[
    str | None,
    _sign_in_option("--expires", metavar="TIME", help="How long the session lasts, such as 8h or 2 days. Default: 1d."),
    KnownValues("1h", "8h", "1d", "1w"),
]
Description = Annotated[
    str | None, _sign_in_option("--description", metavar="TEXT", help="Describe the client on the deployment.")
]
Reset = Annotated[
    bool, _sign_in_option("--reset", help="Get a new token for the same client, even if the session is active.")
]
Flow = Annotated[
    str | None,
    _browser_option("--flow", metavar="|".join(FLOWS), help="Open this sign-in page. Default: auto."),
    KnownValues(*FLOWS),
]
Port = Annotated[
    int | None,
    _browser_option("--port", metavar="N", help="Listen on this loopback port for the answer. Default: a free port."),
]
Timeout = Annotated[
    str | None,
    _browser_option("--timeout", metavar="TIME", help="How long to wait for the browser. Default: 5m."),
    KnownValues("1m", "5m", "15m"),
]
RequestTimeout = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="TIME", help="How long to wait for the deployment, such as 10s. At most 30s for each call."
    ),
    KnownValues("5s", "10s", "30s"),
]
Browser = Annotated[
    str | None,
    _browser_option(
        "--browser", metavar="CMD", help="Open this browser. Accepts the same values as the variable BROWSER."
    ),
]
NoBrowser = Annotated[
    bool,
    _browser_option(
        "--no-browser", help="Open no browser. Print the URL, and accept the pasted address of the last page."
    ),
]
NoSelfDelete = Annotated[
    bool,
    _sign_in_option(
        "--no-self-delete",
        help="Do not ask for the scope to delete this client early (auth:delete-client for its own names).",
    ),
]
Retry = Annotated[
    bool,
    _browser_option(
        "--retry",
        help="Open a browser even if nobody answered the last sign-in. Without a terminal, tcenv otherwise waits 15 minutes.",
    ),
]
Shell = Annotated[
    str | None,
    _output_option(
        "--shell", metavar="NAME", help="Print statements for this shell. Default: the shell that runs tcenv."
    ),
    KnownValues(*SHELLS, *ALIASES),
]
Format = Annotated[
    str | None,
    _output_option("--format", metavar="|".join(FORMATS), help="Print the session in a format for other programs."),
    KnownValues(*FORMATS),
]
For = Annotated[
    str | None,
    _temporary_option(
        "--for", metavar="TIME", help="How long temporary credentials last, such as 15m. At most 31 days."
    ),
    KnownValues("15m", "1h", "8h"),
]
As = Annotated[
    str | None,
    _temporary_option(
        "--as",
        metavar="PURPOSE",
        help="Restrict the session to the scopes and the time of a purpose. Without a session: sign in with these.",
    ),
    KnownValues(names_of="purposes"),
]
KeepClient = Annotated[bool, typer.Option("--keep-client", help="Keep the client on the deployment until it expires.")]
DeleteClient = Annotated[
    bool,
    typer.Option(
        "--delete-client", help="Delete the client, even if tcenv did not create it. Fail if that is impossible."
    ),
]
Satisfies = Annotated[
    tuple[str, ...],
    typer.Option(
        "--satisfies",
        metavar="S",
        help="Print nothing. Exit with 0 if the session satisfies S, 1 if not, 3 if not signed in, 4 if the deployment does "
        "not say. Repeatable.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option(
        "--method", metavar="SERVICE.METHOD", help="Show the scopes that a method of the deployment's API needs."
    ),
]
SigninName = Annotated[
    str | None, _sign_in_option("--name", "-n", metavar="NAME", help="Name the client. Default: cli.")
]
SigninScopes = Annotated[
    tuple[str, ...],
    _sign_in_option("--scope", "-s", metavar="S", help="Ask for this scope. Repeatable, up to 20. Default: *."),
]
SigninPort = Annotated[
    int | None,
    _browser_option(
        "--port", "-p", metavar="N", help="Listen on this loopback port for the answer. Default: a free port."
    ),
]
PurposeName = Annotated[
    str, typer.Argument(metavar="NAME", help="The purpose's name."), KnownValues(names_of="purposes")
]
OfProfile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="Use the purpose of this profile only."),
    KnownValues(names_of="profiles"),
]
NoLogin = Annotated[bool, typer.Option("--no-login", help="Never sign in. Exit with 3 if there is no session.")]
Json = Annotated[bool, _output_option("--json", help="Print JSON on stdout.")]

Offline = Annotated[bool, typer.Option("--offline", help="Do not ask the deployment.")]
EveryScope = Annotated[bool, typer.Option("--scopes", help="List every scope instead of one line for each service.")]
Everywhere = Annotated[bool, typer.Option("--all", help="Show every deployment that has a session.")]

Install = Annotated[
    bool, typer.Option("--install", help="Add the line to the shell's start-up file, or write direnv's library.")
]
Uninstall = Annotated[bool, typer.Option("--uninstall", help="Remove that line, or direnv's library.")]

CommandLine = Annotated[
    tuple[str, ...],
    typer.Argument(metavar="[PROFILE] -- CMD...", help="The command and its arguments."),
    KnownValues(names_of="profiles"),
]
HookWords = Annotated[
    tuple[str, ...],
    typer.Argument(metavar="SHELL", help="The shell. With --for-directory: also the profile."),
    KnownValues(*SHELLS, *ALIASES),
]
ForDirectory = Annotated[
    bool, typer.Option("--for-directory", help="Select a profile for a directory, signed in or not.")
]
HelpWords = Annotated[tuple[str, ...], typer.Argument(metavar="[COMMAND]", help="The command to explain.")]
Check = Annotated[bool, typer.Option("--check", help="Print nothing. Exit with 0 if you are signed in, else with 1.")]
Csh = Annotated[bool, typer.Option("--csh", help="Print statements for csh and tcsh.")]
NoHook = Annotated[bool, typer.Option("--no-hook", help="Leave out the prompt hook.")]
NoCompletion = Annotated[bool, typer.Option("--no-completion", help="Leave out completion.")]
Prompt = Annotated[bool, typer.Option("--prompt", help="Show the loaded profile in the prompt.")]
EveryShell = Annotated[bool, typer.Option("--all", help="With --uninstall: change the files of all shells.")]
Forget = Annotated[
    bool, typer.Option("--forget", help="With --all: also remove notes, locks and caches from this machine.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Write without asking.")]
SandboxPort = Annotated[
    int | None, typer.Option("--port", metavar="N", help="Listen on this port. Default: a free port.")
]
Private = Annotated[
    bool, typer.Option("--private", help="Act as a private deployment, which answers only callers with scopes.")
]
Default = Annotated[bool, typer.Option("--default", help="Make it the default profile.")]
Unset = Annotated[
    tuple[str, ...],
    typer.Option("--unset", metavar="KEY", help=f"Remove a key: {', '.join(REMOVABLE)}."),
    KnownValues(*REMOVABLE),
]
PurposeScopes = Annotated[
    tuple[str, ...], typer.Option("--scope", metavar="S", help="Add this scope to the purpose. Repeatable.")
]
