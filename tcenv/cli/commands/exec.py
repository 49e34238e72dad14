"""Carry out `tcenv exec`: run a command with the session loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.cli import proxied_run
from tcenv.cli.acquire import SessionOptions, load_session_and_change
from tcenv.cli.run_options import RunOptions
from tcenv.shells import environment
from tcenv.shells.process import replace_process
from tcenv.shells.secrets_in_environment import drop_whole_token

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o
    from tcenv.cli.parsing import proxy_options as p


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Run a command with the session loaded. Signs in first if there is no session.

    Examples:
        tcenv exec -- ./deploy.py
        tcenv exec --for 15m --scope 'queue:get-artifact:*' -- ./deploy.py
        tcenv exec --agent -- ./agent.py
        tcenv exec --container -- docker run --rm image ./job
        tcenv exec --proxy --read-only --log calls.log -- ./deploy.py
        tcenv exec --learn -- ./deploy.py
    """

    command: o.CommandLine = ()
    proxy: p.Proxy = False
    listen: p.Listen = None
    log: p.Log = None
    read_only: p.ReadOnly = False
    unsigned: p.Unsigned = False
    allow_credentials: p.AllowCredentials = False
    container: p.Container = False
    agent: p.Agent = False
    learn: p.Learn = False
    save: p.Save = None


def run(options: Options) -> int:
    """Replace this process by the command with the session loaded, or run the command with its own proxy and return its
    status."""
    command = list(options.command)
    choice = SessionOptions.from_options(options)
    proxy = proxied_run.ProxyOptions(
        proxy=options.proxy,
        learn=options.learn,
        save=options.save,
        listen=options.listen,
        log=options.log,
        read_only=options.read_only,
        unsigned=options.unsigned,
        allow_credentials=options.allow_credentials,
        agent=options.agent,
        container=options.container,
    )
    if not any(proxy):
        session, change = load_session_and_change(choice)
        environ = drop_whole_token(change, os.environ, session.credentials.access_token)
        replace_process(command, environment.apply(change, environ))
    return proxied_run.execute(choice, proxy, command)
