"""Carry out `tcenv shell`: open a subshell with the session loaded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.cli import proxied_run
from tcenv.cli.acquire import SessionOptions, load_session_and_change
from tcenv.cli.run_options import RunOptions
from tcenv.cli.terminal import messages
from tcenv.config import profile as profiles
from tcenv.config.enclosing_proxy import read_enclosing_proxy
from tcenv.config.profile import Overrides
from tcenv.errors import Hint, TcenvError, UsageError, make_login_command
from tcenv.sessions.session import Session
from tcenv.sessions.stores import open_store
from tcenv.shells import environment, load_shell, subshell
from tcenv.shells.detect import choose_shell
from tcenv.shells.secrets_in_environment import drop_whole_token

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o
    from tcenv.cli.parsing import proxy_options as p


@dataclass(frozen=True, kw_only=True)
class Options(RunOptions):
    """Open a subshell with the session loaded. `exit` leaves it.

    Examples:
        tcenv shell
        tcenv shell --scope 'queue:get-artifact:*'
    """

    profile: o.ProfileArgument = None
    proxy: p.Proxy = False
    listen: p.Listen = None
    log: p.Log = None
    read_only: p.ReadOnly = False
    unsigned: p.Unsigned = False
    allow_credentials: p.AllowCredentials = False
    shell: o.Shell = None


def run(options: Options) -> int:
    """Run a subshell with the session loaded, and return its status."""
    shell = load_shell(choose_shell(options.shell))
    subshell.find_program(shell)
    _refuse_nesting(options)
    choice = SessionOptions.from_options(options)
    proxy = proxied_run.ProxyOptions(
        proxy=options.proxy,
        listen=options.listen,
        log=options.log,
        read_only=options.read_only,
        unsigned=options.unsigned,
        allow_credentials=options.allow_credentials,
    )
    if any(proxy):
        return proxied_run.execute_subshell(choice, proxy, shell)
    session, change = load_session_and_change(choice)
    environ = drop_whole_token(change, os.environ, session.credentials.access_token)
    status = subshell.run_subshell(shell, change, session.profile, environ=environ)
    _report_changes(session, is_narrowed=change.get(environment.CERTIFICATE) is not None)
    return status


def _refuse_nesting(options: Options) -> None:
    """Raise UsageError in a subshell of the same profile, unless this one gets fewer scopes."""
    profile_here = os.environ.get(subshell.MARK)
    proxy = read_enclosing_proxy()
    loaded = proxy.profile if proxy is not None else os.environ.get(environment.PROFILE)
    if not profile_here or options.scopes or profile_here != loaded:
        return
    profile = profiles.resolve(options.profile, Overrides(root_url=options.root_url))
    if profile.name == profile_here:
        raise UsageError(
            f"This is already a tcenv subshell with the session of {profile.name}.",
            Hint("Leave it: exit. To renew its token:", make_login_command(profile.argument, "--reset")),
        )


def _report_changes(session: Session, *, is_narrowed: bool) -> None:
    """Say what happened to the session while the subshell ran."""
    if not session.is_live():
        messages.note(f"The session of {session.profile} has expired in the meantime.")
        return
    if is_narrowed:
        return
    try:
        now = open_store(profiles.read_store_name()).load(session.profile)
    except TcenvError:
        return
    if now is not None and now.credentials.access_token != session.credentials.access_token:
        messages.note(
            f"The token of {session.profile} was reset in the meantime: the subshell's token no longer works."
        )
