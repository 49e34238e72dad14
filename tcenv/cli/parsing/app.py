"""The full command line, declared once: commands, their options (`options`), help, examples. What a command does stands in the
module of its first word: `run`, or for a command of a group `run_` and its second word, called with the positional argument and
the given options. Completion, man pages, reference, help texts and the light reader's tables are generated from here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import typer

from tcenv.cli.parsing import options as o
from tcenv.cli.parsing.help_command import Command, Group
from tcenv.cli.terminal.exit_status import carry_out

_CONTEXT = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    cls=Group,
    name="tcenv",
    help="Taskcluster credentials for your shell: sign in once in the browser, and every terminal, direnv directory and "
    "command has them.",
    epilog='eval "$(tcenv login)"\ntcenv status\ntcenv exec -- taskcluster group list',
    add_completion=False,
    # Typer's own tracebacks show local variables, and with them tokens.
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=_CONTEXT,
)
profiles = typer.Typer(cls=Group, help="Named deployments in the configuration file.", rich_markup_mode=None)
app.add_typer(profiles, name="profile")
purposes = typer.Typer(cls=Group, help="Named sets of scopes, for --as.", rich_markup_mode=None)
app.add_typer(purposes, name="purpose")


def run(arguments: Sequence[str]) -> int:
    """Carry out a command line; its exit status."""

    def invoke() -> int:
        return int(app(list(arguments), prog_name="tcenv", standalone_mode=False) or 0)

    return carry_out(arguments, invoke)


def _declared(
    group: typer.Typer, name: str, *examples: str, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command of `group`, with lines to copy for its help."""
    return group.command(name, cls=Command, epilog="\n".join(examples) or None, **settings)


def _carry_out(words: str, argument: str | None, values: Mapping[str, Any]) -> None:
    """Run the command `words`; `values` are its parameters, of which those that were not given are left out."""
    from tcenv.cli.parsing.dispatch import action

    # By identity: a port of 0 equals False, and is a value.
    given = {
        key: value
        for key, value in values.items()
        if key != "argument" and value is not None and value is not False and value != []
    }
    raise typer.Exit(action(words)(argument, given))


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        _carry_out("version", None, {})
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)


@_declared(
    app, "login", 'eval "$(tcenv login)"', "tcenv login | source       # fish", "eval `tcenv login`          # tcsh"
)
def login(
    argument: o.ProfileArgument = None,
    root_url: o.RootUrl = None,
    name: o.Name = None,
    scopes: o.Scopes = None,
    purpose: o.As = None,
    expires: o.Expires = None,
    description: o.Description = None,
    reset: o.Reset = False,
    flow: o.Flow = None,
    port: o.Port = None,
    timeout: o.Timeout = None,
    browser: o.Browser = None,
    no_browser: o.NoBrowser = False,
    retry: o.Retry = False,
    no_self_delete: o.NoSelfDelete = False,
    shell: o.Shell = None,
) -> None:
    """Make sure that there is a working session, and print the statements that load it."""
    _carry_out("login", argument, locals())


@_declared(app, "signin", 'eval "$(tcenv signin)"', 'eval "$(tcenv signin -n laptop -s queue:* --expires 8h)"')
def signin(
    argument: o.ProfileArgument = None,
    root_url: o.RootUrl = None,
    name: o.SigninName = None,
    scopes: o.SigninScopes = None,
    expires: o.Expires = None,
    port: o.SigninPort = None,
    timeout: o.Timeout = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only tell, by the exit status (0 or 1), whether you are signed in.")
    ] = False,
    csh: Annotated[bool, typer.Option("--csh", help="Print what csh and tcsh evaluate.")] = False,
    shell: o.Shell = None,
) -> None:
    """Sign in with the options of `taskcluster signin`, and print the statements that load the session: `tcenv login` for
    start-up files that were written for the Go tool."""
    _carry_out("signin", argument, locals())


@_declared(app, "env", 'eval "$(tcenv env)"', "tcenv env --format json | jq -r .TASKCLUSTER_CLIENT_ID")
def env(
    argument: o.ProfileArgument = None,
    shell: o.Shell = None,
    format: o.Format = None,
    scopes: o.CutScopes = None,
    purpose: o.As = None,
    duration: o.For = None,
) -> None:
    """Print the statements that load the stored session. Never opens a browser; exit status 3 when there is none."""
    _carry_out("env", argument, locals())


@_declared(app, "logout", 'eval "$(tcenv logout)"', "tcenv logout --all")
def logout(
    argument: o.ProfileArgument = None,
    keep_client: o.KeepClient = False,
    delete_client: o.DeleteClient = False,
    everything: o.Everywhere = False,
    timeout: o.Patience = None,
    shell: o.Shell = None,
) -> None:
    """Forget the session, end its client where that is tcenv's own, and print the statements that unset it."""
    _carry_out("logout", argument, locals())


@_declared(app, "shell", "tcenv shell", "tcenv shell community --scope queue:get-artifact:*")
def shell(
    argument: o.ProfileArgument = None,
    root_url: o.RootUrl = None,
    name: o.Name = None,
    scopes: o.CutScopes = None,
    purpose: o.As = None,
    expires: o.Expires = None,
    description: o.Description = None,
    reset: o.Reset = False,
    flow: o.Flow = None,
    port: o.Port = None,
    timeout: o.Timeout = None,
    browser: o.Browser = None,
    no_browser: o.NoBrowser = False,
    retry: o.Retry = False,
    no_self_delete: o.NoSelfDelete = False,
    duration: o.For = None,
    no_login: o.NoLogin = False,
    proxy: o.Proxy = False,
    listen: o.Listen = None,
    log: o.Log = None,
    read_only: o.ReadOnly = False,
    unsigned: o.Unsigned = False,
    allow_credentials: o.AllowCredentials = False,
    shell: o.Shell = None,
) -> None:
    """A subshell of your own shell with the session loaded; `exit` leaves it."""
    _carry_out("shell", argument, locals())


@_declared(
    app,
    "exec",
    "tcenv exec -- ./deploy.py",
    "tcenv exec community --for 15m -- taskcluster task status fN1SbArXTPSVFNUvaOlinQ",
    "tcenv exec --proxy --read-only --log calls.log -- ./agent.py",
    "tcenv exec --learn -- ./deploy.py",
    context_settings={"allow_interspersed_args": False},
)
def execute(
    words: Annotated[
        list[str],
        typer.Argument(metavar="[PROFILE] -- CMD...", help="The command, behind `--`."),
        o.known(of="profiles"),
    ],
    root_url: o.RootUrl = None,
    name: o.Name = None,
    scopes: o.CutScopes = None,
    purpose: o.As = None,
    expires: o.Expires = None,
    description: o.Description = None,
    reset: o.Reset = False,
    flow: o.Flow = None,
    port: o.Port = None,
    timeout: o.Timeout = None,
    browser: o.Browser = None,
    no_browser: o.NoBrowser = False,
    retry: o.Retry = False,
    no_self_delete: o.NoSelfDelete = False,
    duration: o.For = None,
    no_login: o.NoLogin = False,
    proxy: o.Proxy = False,
    listen: o.Listen = None,
    log: o.Log = None,
    read_only: o.ReadOnly = False,
    unsigned: o.Unsigned = False,
    allow_credentials: o.AllowCredentials = False,
    learn: o.Learn = False,
    save: o.Save = None,
) -> None:
    """Run one command with the session loaded, signing in first if need be."""
    # The light reader carries out all forms that are whole: what comes here lacks its `--`, or a value.
    raise typer.BadParameter("write the command behind `--`, and the options before it: tcenv exec [PROFILE] -- CMD...")


@_declared(app, "proxy", "tcenv proxy > proxy.env", "tcenv proxy community --read-only --log calls.log")
def proxy(
    argument: o.ProfileArgument = None,
    root_url: o.RootUrl = None,
    scopes: o.CutScopes = None,
    purpose: o.As = None,
    duration: o.For = None,
    no_login: o.NoLogin = False,
    port: o.ProxyPort = None,
    listen: o.Listen = None,
    log: o.Log = None,
    read_only: o.ReadOnly = False,
    unsigned: o.Unsigned = False,
    allow_credentials: o.AllowCredentials = False,
    shell: o.Shell = None,
) -> None:
    """A signing proxy in the foreground: programs that use it need no token. Prints the statements that make a shell use it."""
    _carry_out("proxy", argument, locals())


@_declared(app, "whoami", "tcenv whoami")
@_declared(app, "status", "tcenv status", "tcenv status --json | jq -r .expires")
def status(
    argument: o.ProfileArgument = None,
    offline: o.Offline = False,
    scopes: o.EveryScope = False,
    everything: o.Everywhere = False,
    timeout: o.Patience = None,
    as_json: o.Json = False,
) -> None:
    """Who am I, where, until when, with which scopes: verified with the deployment. `status` and `whoami` are the same."""
    _carry_out("status", argument, locals())


@_declared(
    app,
    "scopes",
    "tcenv scopes",
    "tcenv scopes --satisfies queue:create-task:highest:*",
    "tcenv scopes --method queue.createTask",
)
def scopes(
    argument: o.ProfileArgument = None,
    satisfies: o.Satisfies = None,
    method: o.Method = None,
    timeout: o.Patience = None,
) -> None:
    """What the session may do, one scope a line."""
    _carry_out("scopes", argument, locals())


@_declared(
    app,
    "init",
    'eval "$(tcenv init bash)"         # in ~/.bashrc',
    "tcenv init fish | source           # in config.fish",
    "tcenv init --install",
)
def init(
    argument: o.ShellArgument = None,
    no_hook: Annotated[bool, typer.Option("--no-hook", help="Leave out the prompt hook.")] = False,
    no_completion: Annotated[bool, typer.Option("--no-completion", help="Leave out completion.")] = False,
    prompt: Annotated[bool, typer.Option("--prompt", help="Have the prompt show which profile is loaded.")] = False,
    install: o.Install = False,
    uninstall: o.Uninstall = False,
    yes: Annotated[bool, typer.Option("--yes", help="Write without asking.")] = False,
) -> None:
    """Print the text for the shell's start-up file: the `tcenv` function, the prompt hook, completion."""
    _carry_out("init", argument, locals())


@_declared(app, "direnv", "tcenv direnv --install", "echo 'use taskcluster community' >> .envrc")
def direnv(
    install: o.Install = False,
    uninstall: o.Uninstall = False,
) -> None:
    """Print the direnv library (`use taskcluster [PROFILE]`)."""
    _carry_out("direnv", None, locals())


@_declared(app, "doctor", "tcenv doctor")
def doctor(timeout: o.Patience = None, as_json: o.Json = False) -> None:
    """Check what tcenv needs on this machine, and say how to mend what is wrong."""
    _carry_out("doctor", None, locals())


@_declared(app, "sandbox", "tcenv sandbox --port 8080")
def sandbox(
    port: Annotated[int | None, typer.Option("--port", metavar="N", help="The port (default: a free one).")] = None,
    private: Annotated[
        bool, typer.Option("--private", help="A deployment where nobody may look without scopes.")
    ] = False,
) -> None:
    """A Taskcluster look-alike on loopback, for trying tcenv and for testing tools that use its credentials."""
    _carry_out("sandbox", None, locals())


@_declared(app, "help", "tcenv help profile set")
def help_of(
    words: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND]", help="The command.")] = None,
) -> None:
    """Show the help of a command."""
    # Read by the way in, as `COMMAND --help`; it never comes here.
    raise typer.Exit(app(["--help"], prog_name="tcenv", standalone_mode=False))


@_declared(app, "version")
def version() -> None:
    """Print the version."""
    _carry_out("version", None, {})


@_declared(profiles, "list", "tcenv profile list")
def profile_list(as_json: o.Json = False) -> None:
    """List the profiles, one a line, with their root URLs; the default is marked."""
    _carry_out("profile list", None, locals())


@_declared(profiles, "show", "tcenv profile show community")
def profile_show(argument: o.ProfileArgument = None, as_json: o.Json = False) -> None:
    """Show what a profile comes to, with the file's defaults and tcenv's own filled in."""
    _carry_out("profile show", argument, locals())


@_declared(
    profiles,
    "set",
    "tcenv profile set community --root-url https://community-tc.services.mozilla.com --default",
)
def profile_set(
    argument: o.ProfileName,
    root_url: o.RootUrl = None,
    name: o.Name = None,
    scopes: o.Scopes = None,
    expires: o.Expires = None,
    description: o.Description = None,
    flow: o.Flow = None,
    port: o.Port = None,
    timeout: o.Timeout = None,
    browser: o.Browser = None,
    default: Annotated[bool, typer.Option("--default", help="Make it the default profile.")] = False,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="Remove a key.")] = None,
) -> None:
    """Make a profile, or change the keys of one."""
    _carry_out("profile set", argument, locals())


@_declared(profiles, "remove", "tcenv profile remove community")
def profile_remove(argument: o.ProfileName) -> None:
    """Remove a profile from the configuration file, and forget its session."""
    _carry_out("profile remove", argument, {})


@_declared(purposes, "list", "tcenv purpose list")
def purpose_list(argument: o.ProfileArgument = None, as_json: o.Json = False) -> None:
    """List the purposes, one a line: everybody's and the profiles' own."""
    _carry_out("purpose list", argument, locals())


@_declared(purposes, "show", "tcenv purpose show relduty")
def purpose_show(argument: o.PurposeName, profile: o.OfProfile = None, as_json: o.Json = False) -> None:
    """Show the scopes and the time of a purpose."""
    _carry_out("purpose show", argument, locals())


@_declared(purposes, "set", "tcenv purpose set relduty --scope queue:rerun-task:* --scope queue:cancel-task:* --for 1h")
def purpose_set(
    argument: o.PurposeName,
    scopes: Annotated[
        list[str] | None, typer.Option("--scope", metavar="S", help="A scope of the purpose; repeatable.")
    ] = None,
    duration: o.For = None,
    profile: o.OfProfile = None,
) -> None:
    """Make a purpose, or change it: the scopes that are given take the place of those that it had."""
    _carry_out("purpose set", argument, locals())


@_declared(purposes, "remove", "tcenv purpose remove relduty")
def purpose_remove(argument: o.PurposeName, profile: o.OfProfile = None) -> None:
    """Remove a purpose from the configuration file."""
    _carry_out("purpose remove", argument, locals())
