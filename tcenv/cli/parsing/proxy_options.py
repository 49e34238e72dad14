"""Declare the options of runs behind a signing proxy, here and on another machine (see `options`)."""

from __future__ import annotations

from typing import Annotated

import typer

from tcenv.cli.parsing.options import Known

_PROXY = "Without a token"

Proxy = Annotated[
    bool,
    typer.Option(
        "--proxy",
        help="Give the command no token. Its calls go through a signing proxy, which ends with the command.",
        rich_help_panel=_PROXY,
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="ADDRESS",
        help="Also answer signed calls on this address, for containers on a bridge.",
        rich_help_panel=_PROXY,
    ),
]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Log each call through the proxy: time, method, path, status, scopes.",
        rich_help_panel=_PROXY,
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="Pass only GET and HEAD through the proxy.", rich_help_panel=_PROXY)
]
Unsigned = Annotated[
    bool,
    typer.Option(
        "--unsigned",
        help="Also set TASKCLUSTER_PROXY_URL, an unguessable address for programs that do not sign.",
        rich_help_panel=_PROXY,
    ),
]
AllowCredentials = Annotated[
    bool,
    typer.Option(
        "--allow-credentials",
        help="Also pass calls that return credentials through the proxy.",
        rich_help_panel=_PROXY,
    ),
]
Container = Annotated[
    bool,
    typer.Option(
        "--container",
        help="Run a container or sandbox that reaches the proxy. CMD is docker, podman, devcontainer or bwrap.",
        rich_help_panel=_PROXY,
    ),
]
Agent = Annotated[
    bool,
    typer.Option(
        "--agent",
        help="For an AI agent or a script that you do not trust: use the proxy, log each call, stop after one hour, and ask "
        "nothing. Without --as or --scope, the run is read-only and gets no secrets and no private artifacts.",
        rich_help_panel=_PROXY,
    ),
]
Learn = Annotated[
    bool,
    typer.Option(
        "--learn",
        help="Start with no scopes, through the proxy. At the end, print the smallest set that the command needed.",
        rich_help_panel=_PROXY,
    ),
]
Save = Annotated[
    str | None,
    typer.Option(
        "--save", metavar="PURPOSE", help="With --learn: save the scopes as this purpose.", rich_help_panel=_PROXY
    ),
]
ProxyPort = Annotated[
    int | None,
    typer.Option("--port", metavar="N", help="Listen on this port. Default: a free port.", rich_help_panel=_PROXY),
]
ProxyOutput = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Write the statements into this new file (mode 0600), and remove it at the end.",
        rich_help_panel=_PROXY,
    ),
]
Host = Annotated[
    str,
    typer.Argument(
        metavar="HOST [-- CMD...]", help="The host, as for ssh, and the command. Default: the login shell there."
    ),
]
SshOptions = Annotated[
    tuple[str, ...],
    typer.Option(
        "--ssh-option", "-o", metavar="OPTION", help="Pass this option to ssh, such as ProxyJump=HOST. Repeatable."
    ),
]
ForProfile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="Use the session of this profile."),
    Known(of="profiles"),
]
