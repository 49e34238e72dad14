"""Declare the options of runs behind a signing proxy, here and on another machine (see `options`)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from tcenv.cli.parsing.options import KnownValues

_proxy_option = partial(typer.Option, rich_help_panel="Without a token")

Proxy = Annotated[
    bool,
    _proxy_option(
        "--proxy", help="Give the command no token. Its calls go through a signing proxy, which ends with the command."
    ),
]
Listen = Annotated[
    str | None,
    _proxy_option(
        "--listen", metavar="ADDRESS", help="Also answer signed calls on this address, for containers on a bridge."
    ),
]
Log = Annotated[
    str | None,
    _proxy_option("--log", metavar="FILE", help="Log each call through the proxy: time, method, path, status, scopes."),
]
ReadOnly = Annotated[bool, _proxy_option("--read-only", help="Pass only GET and HEAD through the proxy.")]
Unsigned = Annotated[
    bool,
    _proxy_option(
        "--unsigned", help="Also set TASKCLUSTER_PROXY_URL, an unguessable address for programs that do not sign."
    ),
]
AllowCredentials = Annotated[
    bool, _proxy_option("--allow-credentials", help="Also pass calls that return credentials through the proxy.")
]
Container = Annotated[
    bool,
    _proxy_option(
        "--container",
        help="Run a container or sandbox that reaches the proxy. CMD is docker, podman, devcontainer or bwrap.",
    ),
]
Agent = Annotated[
    bool,
    _proxy_option(
        "--agent",
        help="For an AI agent or a script that you do not trust: use the proxy, log each call, stop after one hour, and ask "
        "nothing. Without --as or --scope, the run is read-only and gets no secrets and no private artifacts.",
    ),
]
Learn = Annotated[
    bool,
    _proxy_option(
        "--learn",
        help="Start with no scopes, through the proxy. At the end, print the smallest set that the command needed.",
    ),
]
Save = Annotated[
    str | None, _proxy_option("--save", metavar="PURPOSE", help="With --learn: save the scopes as this purpose.")
]
ProxyPort = Annotated[
    int | None, _proxy_option("--port", metavar="N", help="Listen on this port. Default: a free port.")
]
ProxyOutput = Annotated[
    str | None,
    _proxy_option(
        "--output",
        metavar="FILE",
        help="Write the statements into this new file (mode 0600), and remove it at the end.",
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
    KnownValues(names_of="profiles"),
]
