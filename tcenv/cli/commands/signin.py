"""`tcenv signin`: `tcenv login` with the options of the Go tool's `taskcluster signin`, so that start-up files go on working."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

from tcenv.cli.acquire import rejected, resolve_to_open, session_to_ask_with
from tcenv.cli.commands import login
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.shell_output import print_change
from tcenv.config.profile import VARIABLES
from tcenv.errors import CredentialsRejected, DeploymentError, NotSignedIn

_NAME = "cli"


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Sign in if need be and print the statements, or (`check`) only say by the status, 0 or 1, whether anybody is signed in."""
    options = dict(options)
    csh, check = options.pop("csh", False), options.pop("check", False)
    shell = options.pop("shell", None) or ("tcsh" if csh else None)
    if check:
        return _check(argument, shell, options)
    named = bool(options.get("name") or os.environ.get(VARIABLES["name"]))
    if not named:
        options["name"] = _NAME
    profile = resolve_to_open(argument, options)
    # There, the name was no promise: one that is still taken is followed by the next of its series.
    insisted = profile.insisted - {"name"}
    return login.load(replace(profile, insisted=insisted | {"series"} if named else insisted), options, shell)


def _check(argument: str | None, shell: str | None, options: dict[str, Any]) -> int:
    try:
        session, until = session_to_ask_with(argument, options)
        from tcenv.deployment.auth import Deployment

        Deployment(session.root_url, until=until, argument=session.argument).vouch(session.credentials)
    except NotSignedIn as failure:
        messages.error(failure)
        return 1
    except CredentialsRejected as rejection:
        messages.error(rejected(session, rejection))
        return 1
    except DeploymentError as failure:
        messages.warn(f"Not verified: {failure.message}")
    print_change({}, shell)
    return 0
