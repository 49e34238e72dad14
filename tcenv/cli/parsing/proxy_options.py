"""Declares the options of runs behind a signing proxy, here and on another machine (see `options`)."""

from __future__ import annotations

from typing import Annotated

import typer

from tcenv.cli.parsing.known import known

_PROXY = "Without a token"

Proxy = Annotated[
    bool,
    typer.Option(
        "--proxy",
        help="Without a token: calls go through a signing proxy that ends with the command.",
        rich_help_panel=_PROXY,
    ),
]
Listen = Annotated[
    str | None,
    typer.Option(
        "--listen",
        metavar="ADDRESS",
        help="An address beside loopback where the proxy answers signed calls, for containers on a bridge.",
        rich_help_panel=_PROXY,
    ),
]
Log = Annotated[
    str | None,
    typer.Option(
        "--log",
        metavar="FILE",
        help="Note each call through the proxy: time, method, path, status, scopes.",
        rich_help_panel=_PROXY,
    ),
]
ReadOnly = Annotated[
    bool, typer.Option("--read-only", help="The proxy passes on GET and HEAD alone.", rich_help_panel=_PROXY)
]
Unsigned = Annotated[
    bool,
    typer.Option(
        "--unsigned",
        help="Also TASKCLUSTER_PROXY_URL, an unguessable address for programs that do not sign.",
        rich_help_panel=_PROXY,
    ),
]
AllowCredentials = Annotated[
    bool,
    typer.Option(
        "--allow-credentials",
        help="The proxy passes on calls that hand out credentials.",
        rich_help_panel=_PROXY,
    ),
]
Agent = Annotated[
    bool,
    typer.Option(
        "--agent",
        help="For an AI agent or a script that you do not trust: the proxy, a log, one hour, no question. Without --as or "
        "--scope, the run is read-only and gets no secrets and no private artifacts.",
        rich_help_panel=_PROXY,
    ),
]
Learn = Annotated[
    bool,
    typer.Option(
        "--learn",
        help="Behind a proxy, with no scopes at first; ends with the least set that the command needed.",
        rich_help_panel=_PROXY,
    ),
]
Save = Annotated[
    str | None,
    typer.Option("--save", metavar="PURPOSE", help="Keep what was learned under this name.", rich_help_panel=_PROXY),
]
ProxyPort = Annotated[
    int | None,
    typer.Option("--port", metavar="N", help="The proxy's port (default: a free one).", rich_help_panel=_PROXY),
]
ProxyOutput = Annotated[
    str | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Write the statements into this new file (0600), and remove it at the end.",
        rich_help_panel=_PROXY,
    ),
]
Host = Annotated[
    str,
    typer.Argument(
        metavar="HOST [-- CMD...]", help="The host, as for ssh, and the command (default: the login shell there)."
    ),
]
SshOptions = Annotated[
    tuple[str, ...],
    typer.Option(
        "--ssh-option", "-o", metavar="OPTION", help="An option for ssh, like ProxyJump=HOST (also -o); repeatable."
    ),
]
ForProfile = Annotated[
    str | None,
    typer.Option("--profile", metavar="PROFILE", help="The profile whose session to use."),
    known(of="profiles"),
]
