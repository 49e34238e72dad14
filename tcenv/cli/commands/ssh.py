"""Carry out `tcenv ssh`: open a shell or run a command on another machine with the session of this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.cli import proxied_run, remote_run
from tcenv.cli.acquire import SessionOptions
from tcenv.cli.run_options import RunOptions

if TYPE_CHECKING:
    from tcenv.cli.parsing import proxy_options as p


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Open a shell or run a command on another machine that uses the session of this machine.

    No token goes there: calls come back to a signing proxy on this machine, which ends with the command. Your own ssh
    connects, with its configuration.

    Examples:
        tcenv ssh dev.example.com
        tcenv ssh dev.example.com -- ./deploy.py --all
        tcenv ssh --as relduty -o ProxyJump=bastion.example.com jo@build7
    """

    host: p.Host
    command: tuple[str, ...] = ()
    ssh_options: p.SshOptions = ()
    profile: p.ForProfile = None
    log: p.Log = None
    read_only: p.ReadOnly = False
    allow_credentials: p.AllowCredentials = False


def run(options: Options) -> int:
    """Run the login shell of `host`, or the `command`, with a proxy on this machine, and return its status."""
    proxy = proxied_run.ProxyOptions(
        log=options.log, read_only=options.read_only, allow_credentials=options.allow_credentials
    )
    return remote_run.execute(
        SessionOptions.from_options(options), proxy, options.host, options.ssh_options, options.command
    )
