"""The full command line, declared: names, options, help. What the commands do stands in their own modules, imported when one
is carried out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from tcenv.cli.ending import carry_out

app = typer.Typer(
    name="tcenv",
    help="Taskcluster credentials for your shell: sign in once in the browser, and every terminal, direnv directory and "
    "command has them.",
    no_args_is_help=True,
    add_completion=False,
    # Typer's own tracebacks show local variables, and with them tokens.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
profiles = typer.Typer(help="Named deployments in the configuration file.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(profiles, name="profile")


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line; its exit status."""

    def invoke() -> int:
        app(list(arguments), prog_name="tcenv")
        return 0

    return carry_out(arguments, invoke)


def _version(value: bool) -> None:
    if value:
        from tcenv import __version__

        print(f"tcenv {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


ProfileArgument = Annotated[
    str | None,
    typer.Argument(metavar="[PROFILE]", help="A configured profile, a root URL, or the host of one used before."),
]
RootUrl = Annotated[str | None, typer.Option("--root-url", metavar="URL", help="The deployment.")]
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        metavar="NAME",
        help="The client's name (default: tcenv). {hostname} and {user} are replaced.",
    ),
]
Scope = Annotated[
    list[str] | None,
    typer.Option("--scope", metavar="S", help="A scope to ask for; repeatable, 20 at most (default: *)."),
]
CutScope = Annotated[
    list[str] | None,
    typer.Option(
        "--scope",
        metavar="S",
        help="Temporary credentials with this scope alone, cut from the session; repeatable. Without a session: the scope "
        "to sign in with.",
    ),
]
Expires = Annotated[
    str | None,
    typer.Option("--expires", metavar="TIME", help="How long the session lasts, like 8h or 1d (default: 1d)."),
]
Description = Annotated[
    str | None,
    typer.Option("--description", metavar="TEXT", help="The client's description on the deployment."),
]
Reset = Annotated[bool, typer.Option("--reset", help="A new token for the same client, even if the session is good.")]
Flow = Annotated[
    str | None,
    typer.Option("--flow", metavar="create|new|auto", help="Which sign-in page to open (default: auto)."),
]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="N", help="The loopback port for the answer (default: a free one)."),
]
Timeout = Annotated[
    str | None,
    typer.Option("--timeout", metavar="TIME", help="How long to wait for the browser (default: 5m)."),
]
Browser = Annotated[
    str | None,
    typer.Option("--browser", metavar="CMD", help="The browser to open, as BROWSER would name it."),
]
NoBrowser = Annotated[
    bool,
    typer.Option("--no-browser", help="Open none: print the URL, and take the answer or the pasted address of it."),
]
Shell = Annotated[
    str | None,
    typer.Option("--shell", metavar="NAME", help="The shell that evaluates the output (default: detected)."),
]
For = Annotated[
    str | None,
    typer.Option("--for", metavar="TIME", help="How long temporary credentials last, like 15m (31 days at most)."),
]
NoLogin = Annotated[bool, typer.Option("--no-login", help="Exit with 3 instead of signing in.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout.")]


def _sign_in_options(values: dict[str, Any]) -> dict[str, Any]:
    """The options under the keys of the configuration file, those that were not given left out."""
    renamed = {"scope": "scopes"}
    return {
        renamed.get(key, key): value
        for key, value in values.items()
        if key != "profile" and value not in (None, False, [])
    }


@app.command()
def login(
    profile: ProfileArgument = None,
    root_url: RootUrl = None,
    name: Name = None,
    scope: Scope = None,
    expires: Expires = None,
    description: Description = None,
    reset: Reset = False,
    flow: Flow = None,
    port: Port = None,
    timeout: Timeout = None,
    browser: Browser = None,
    no_browser: NoBrowser = False,
    shell: Shell = None,
) -> None:
    """Make sure that there is a working session, and print the statements that load it.

    eval "$(tcenv login)"  ·  fish: tcenv login | source  ·  tcsh: eval `tcenv login`
    """
    options = _sign_in_options(locals())
    from tcenv.cli import login as command

    raise typer.Exit(command.run(profile, options))


@app.command()
def env(
    profile: ProfileArgument = None,
    shell: Shell = None,
    output: Annotated[
        str | None,
        typer.Option("--format", metavar="json|dotenv|github|systemd", help="A form for what is not a shell."),
    ] = None,
    scope: CutScope = None,
    duration: For = None,
) -> None:
    """Print the statements that load the stored session. Never opens a browser; exit status 3 when there is none."""
    from tcenv.cli import env as command

    raise typer.Exit(command.run(profile, shell, output, scope or [], duration))


@app.command()
def logout(
    profile: ProfileArgument = None,
    delete_client: Annotated[
        bool, typer.Option("--delete-client", help="Delete the client on the deployment as well.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="Forget the sessions of all profiles.")] = False,
    shell: Shell = None,
) -> None:
    """Forget the session, and print the statements that unset it."""
    from tcenv.cli import logout as command

    raise typer.Exit(command.run(profile, delete_client=delete_client, everything=everything, shell=shell))


@app.command()
def shell(
    profile: ProfileArgument = None,
    root_url: RootUrl = None,
    name: Name = None,
    scope: CutScope = None,
    expires: Expires = None,
    description: Description = None,
    reset: Reset = False,
    flow: Flow = None,
    port: Port = None,
    timeout: Timeout = None,
    browser: Browser = None,
    no_browser: NoBrowser = False,
    duration: For = None,
    no_login: NoLogin = False,
    shell: Shell = None,
) -> None:
    """A subshell of your own shell with the session loaded; `exit` leaves it."""
    options = _sign_in_options(locals())
    from tcenv.cli import shell as command

    raise typer.Exit(command.run(profile, options))


@app.command("exec", context_settings={"allow_interspersed_args": False})
def execute(
    words: Annotated[list[str], typer.Argument(metavar="[PROFILE] -- CMD...", help="The command, behind `--`.")],
    root_url: RootUrl = None,
    name: Name = None,
    scope: CutScope = None,
    expires: Expires = None,
    description: Description = None,
    reset: Reset = False,
    flow: Flow = None,
    port: Port = None,
    timeout: Timeout = None,
    browser: Browser = None,
    no_browser: NoBrowser = False,
    duration: For = None,
    no_login: NoLogin = False,
) -> None:
    """Run one command with the session loaded, signing in first if need be."""
    # The everyday forms never come here (see `arguments`): what does lacks its `--`, or a value.
    raise typer.BadParameter("write the command behind `--`, and the options before it: tcenv exec [PROFILE] -- CMD...")


@app.command()
def status(
    profile: ProfileArgument = None,
    offline: Annotated[bool, typer.Option("--offline", help="Do not ask the deployment.")] = False,
    as_json: Json = False,
) -> None:
    """Who am I, where, until when, with which scopes: verified with the deployment."""
    from tcenv.cli import status as command

    raise typer.Exit(command.run(profile, offline=offline, as_json=as_json))


@app.command()
def init(
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh, fish, ...")],
    no_hook: Annotated[bool, typer.Option("--no-hook", help="Leave out the prompt hook.")] = False,
    no_completion: Annotated[bool, typer.Option("--no-completion", help="Leave out completion.")] = False,
) -> None:
    """Print the text for the shell's start-up file: the `tcenv` function, the prompt hook, completion."""
    from tcenv.cli import init as command

    raise typer.Exit(command.run(shell, hook=not no_hook, completion=not no_completion))


@app.command()
def direnv(
    install: Annotated[bool, typer.Option("--install", help="Write it where direnv finds it.")] = False,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove it from there.")] = False,
) -> None:
    """Print the direnv library (`use taskcluster [PROFILE]`)."""
    from tcenv.cli import direnv as command

    raise typer.Exit(command.run(install=install, uninstall=uninstall))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check what tcenv needs on this machine, and say how to mend what is wrong."""
    from tcenv.cli import doctor as command

    raise typer.Exit(command.run(as_json=as_json))


@app.command()
def sandbox(
    port: Annotated[int, typer.Option("--port", metavar="N", help="The port (default: a free one).")] = 0,
    private: Annotated[
        bool, typer.Option("--private", help="A deployment where nobody may look without scopes.")
    ] = False,
) -> None:
    """A Taskcluster look-alike on loopback, for trying tcenv and for testing tools that use its credentials."""
    from tcenv.cli import sandbox as command

    raise typer.Exit(command.run(port=port, private=private))


@profiles.command("list")
def profile_list(as_json: Json = False) -> None:
    """List the profiles, one a line, with their root URLs; the default is marked."""
    from tcenv.cli import profile as command

    raise typer.Exit(command.list_profiles(as_json=as_json))


@profiles.command("show")
def profile_show(
    name: Annotated[str | None, typer.Argument(metavar="[PROFILE]")] = None, as_json: Json = False
) -> None:
    """Show what a profile comes to, with the file's defaults and tcenv's own filled in."""
    from tcenv.cli import profile as command

    raise typer.Exit(command.show(name, as_json=as_json))


@profiles.command("set")
def profile_set(
    profile: Annotated[str, typer.Argument(metavar="PROFILE")],
    root_url: RootUrl = None,
    name: Name = None,
    scope: Scope = None,
    expires: Expires = None,
    description: Description = None,
    flow: Flow = None,
    port: Port = None,
    timeout: Timeout = None,
    browser: Browser = None,
    default: Annotated[bool, typer.Option("--default", help="Make it the default profile.")] = False,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove a key.")] = None,
) -> None:
    """Make a profile, or change the keys of one."""
    given = {k: v for k, v in _sign_in_options(locals()).items() if k not in ("default", "unset")}
    from tcenv.cli import profile as command

    raise typer.Exit(command.set_profile(profile, given, default=default, unset=unset or []))


@profiles.command("remove")
def profile_remove(profile: Annotated[str, typer.Argument(metavar="PROFILE")]) -> None:
    """Remove a profile from the configuration file, and forget its session."""
    from tcenv.cli import profile as command

    raise typer.Exit(command.remove(profile))
