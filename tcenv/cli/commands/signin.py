"""Carry out `tcenv signin`: sign in with the options of the Go tool's `taskcluster signin`, so that start-up files go on
working."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.acquire import explain_rejection, find_session_and_deadline, resolve_for_sign_in
from tcenv.cli.commands import login
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.shell_output import print_change
from tcenv.config.profile import VARIABLES, Overrides
from tcenv.errors import CredentialsRejected, DeploymentError, NotSignedIn
from tcenv.shells.detect import get_named_shell

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o

_NAME = "cli"


class Options(NamedTuple):
    """Sign in with the options of the `taskcluster signin` command, for start-up files that use them.

    Examples:
        eval "$(tcenv signin)"
        eval "$(tcenv signin -n laptop -s 'queue:*' --expires 8h)"
    """

    profile: o.ProfileArgument = None
    root_url: o.RootUrl = None
    name: o.SigninName = None
    scopes: o.SigninScopes = ()
    expires: o.Expires = None
    port: o.SigninPort = None
    timeout: o.Timeout = None
    check: o.Check = False
    csh: o.Csh = False
    shell: o.Shell = None


def run(options: Options) -> int:
    """Sign in if necessary and print the statements. With --check, only tell by the status, 0 or 1, whether the user is
    signed in."""
    shell = get_named_shell(options.shell, csh=options.csh)
    if options.check:
        return _check(options, shell)
    named = bool(options.name or os.environ.get(VARIABLES["name"]))
    overrides = Overrides(
        options.root_url,
        options.name,
        options.scopes,
        options.expires,
        port=options.port,
        timeout=options.timeout,
    )
    if not named:
        overrides = overrides._replace(name=_NAME)
    profile = resolve_for_sign_in(options.profile, overrides)
    # In the Go tool the name is only a wish: if it is taken, ask for the next one of its series.
    insisted = profile.insisted - {"name"}
    return login.load(replace(profile, insisted=insisted | {"series"} if named else insisted), overrides, shell)


def _check(options: Options, shell: str | None) -> int:
    try:
        session, deadline = find_session_and_deadline(options.profile, options.timeout)
        from tcenv.deployment.auth import Deployment

        Deployment(session.root_url, deadline=deadline, argument=session.argument).confirm(session.credentials)
    except NotSignedIn as failure:
        messages.report_error(failure)
        return 1
    except CredentialsRejected as rejection:
        messages.report_error(explain_rejection(session, rejection))
        return 1
    except DeploymentError as failure:
        messages.warn(f"Not verified: {failure.message}")
    print_change({}, shell)
    return 0
