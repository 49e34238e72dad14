"""Declares each option and argument of the command line once: its names, the kind of its value, known values, help and group.

A command takes one by naming it in its `Options` class. The name of the field is the key of the configuration file where there
is one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from tcenv.cli.parsing.known import known
from tcenv.config.config_file import REMOVABLE
from tcenv.deployment.limits import FLOWS
from tcenv.shells import ALIASES, SHELLS
from tcenv.shells.formats import FORMATS


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
    str | None,
    typer.Argument(metavar="[SHELL]", help="The shell: bash, zsh, fish, ... (--install: the one that runs)."),
    known(*SHELLS, *ALIASES),
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
        help="The client's name (default: tcenv-{hostname}, for a profile tcenv-{hostname}:{profile}). {hostname}, {user}, "
        "{profile} and {machine} are replaced.",
        rich_help_panel=_SIGNING_IN,
    ),
]
Scopes = Annotated[
    tuple[str, ...],
    typer.Option(
        "--scope",
        metavar="S",
        help="A scope to ask for; repeatable, 20 at most (default: *).",
        rich_help_panel=_SIGNING_IN,
    ),
]
CutScopes = Annotated[
    tuple[str, ...],
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
Patience = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="TIME", help="How long to wait for the deployment, like 10s (30s a call at most)."
    ),
    known("5s", "10s", "30s"),
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
NoSelfDelete = Annotated[
    bool,
    typer.Option(
        "--no-self-delete",
        help="Do not ask for the right to end this client early (auth:delete-client for its own names).",
        rich_help_panel=_SIGNING_IN,
    ),
]
Retry = Annotated[
    bool,
    typer.Option(
        "--retry",
        help="Open a browser though nobody has answered the last one (without a terminal, that waits for 15 minutes).",
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
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="PURPOSE",
        help="Temporary credentials with the scopes and the time of a purpose. Without a session: what to sign in with.",
        rich_help_panel=_CUT,
    ),
    known(of="purposes"),
]
KeepClient = Annotated[
    bool, typer.Option("--keep-client", help="Leave the client on the deployment until it ends by itself.")
]
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
        help="Only tell, by the exit status, whether the session may do that: 0 yes, 1 no, 3 not signed in, 4 the "
        "deployment does not tell; repeatable.",
    ),
]
Method = Annotated[
    str | None,
    typer.Option("--method", metavar="SERVICE.METHOD", help="Show what a method of the deployment's API needs."),
]
SigninName = Annotated[
    str | None,
    typer.Option(
        "--name", "-n", metavar="NAME", help="The client's name (also -n; default: cli).", rich_help_panel=_SIGNING_IN
    ),
]
SigninScopes = Annotated[
    tuple[str, ...],
    typer.Option(
        "--scope",
        "-s",
        metavar="S",
        help="A scope to ask for (also -s); repeatable, 20 at most (default: *).",
        rich_help_panel=_SIGNING_IN,
    ),
]
SigninPort = Annotated[
    int | None,
    typer.Option(
        "--port",
        "-p",
        metavar="N",
        help="The loopback port for the answer (also -p; default: a free one).",
        rich_help_panel=_BROWSER,
    ),
]
PurposeName = Annotated[str, typer.Argument(metavar="NAME", help="The purpose's name."), known(of="purposes")]
OfProfile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="The purpose of this profile alone."),
    known(of="profiles"),
]
NoLogin = Annotated[bool, typer.Option("--no-login", help="Exit with 3 instead of signing in.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.", rich_help_panel=_OUTPUT)]

Offline = Annotated[bool, typer.Option("--offline", help="Do not ask the deployment.")]
EveryScope = Annotated[bool, typer.Option("--scopes", help="Every scope, not a line a service.")]
Everywhere = Annotated[bool, typer.Option("--all", help="Every deployment that has a session.")]

Install = Annotated[
    bool,
    typer.Option(
        "--install", help="Write it where it is found: a line in the shell's start-up file, direnv's library."
    ),
]
Uninstall = Annotated[bool, typer.Option("--uninstall", help="Remove it from there.")]

CommandLine = Annotated[
    tuple[str, ...],
    typer.Argument(metavar="[PROFILE] -- CMD...", help="The command, behind `--`."),
    known(of="profiles"),
]
HookWords = Annotated[
    tuple[str, ...],
    typer.Argument(metavar="SHELL", help="The shell, and for a directory its profile."),
    known(*SHELLS, *ALIASES),
]
ForDirectory = Annotated[
    bool, typer.Option("--for-directory", help="Select the profile for a directory, signed in or not.")
]
HelpWords = Annotated[tuple[str, ...], typer.Argument(metavar="[COMMAND]", help="The command.")]
Check = Annotated[
    bool, typer.Option("--check", help="Only tell, by the exit status (0 or 1), whether you are signed in.")
]
Csh = Annotated[bool, typer.Option("--csh", help="Print what csh and tcsh evaluate.")]
NoHook = Annotated[bool, typer.Option("--no-hook", help="Leave out the prompt hook.")]
NoCompletion = Annotated[bool, typer.Option("--no-completion", help="Leave out completion.")]
Prompt = Annotated[bool, typer.Option("--prompt", help="Have the prompt show which profile is loaded.")]
EveryShell = Annotated[bool, typer.Option("--all", help="With --uninstall: out of the files of all shells.")]
Forget = Annotated[bool, typer.Option("--forget", help="With --all: also remove what tcenv remembers on this machine.")]
Yes = Annotated[bool, typer.Option("--yes", help="Write without asking.")]
SandboxPort = Annotated[int | None, typer.Option("--port", metavar="N", help="The port (default: a free one).")]
Private = Annotated[bool, typer.Option("--private", help="A deployment where nobody may look without scopes.")]
Default = Annotated[bool, typer.Option("--default", help="Make it the default profile.")]
Unset = Annotated[
    tuple[str, ...],
    typer.Option("--unset", metavar="KEY", help=f"Remove a key: {', '.join(REMOVABLE)}."),
    known(*REMOVABLE),
]
PurposeScopes = Annotated[
    tuple[str, ...], typer.Option("--scope", metavar="S", help="A scope of the purpose; repeatable.")
]
