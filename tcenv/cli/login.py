"""`tcenv login`."""

from __future__ import annotations

from typing import Any

from tcenv.cli.statements import evaluation_line, print_change, statements, stdout_is_terminal
from tcenv.cli.waiting import Waiting
from tcenv.sessions.stores import in_files, open_store
from tcenv.settings import profile as profiles
from tcenv.signin.flow import ensure_session


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Sign in if need be, and print the statements that load the session. `options` by configuration key, besides
    `reset` and `shell`."""
    options = dict(options)
    shell = options.pop("shell", None)
    reset = options.pop("reset", False) or bool(profiles.flag("TCENV_RESET"))
    profile = resolve_to_open(argument, options)
    if not stdout_is_terminal():
        # Before a browser opens: a shell that we cannot speak, or not tell, is no reason to sign in first.
        statements({}, shell)
    display = Waiting(profile)
    store = open_store(profiles.store_name())
    session = ensure_session(profile, store, display, reset=reset)
    if stdout_is_terminal():
        display.explain(session, f"To load it in this shell: {evaluation_line('login', shell)}")
        return 0
    print_change(session.variables(kept=in_files(store)), shell)
    return 0


def resolve_to_open(argument: str | None, options: dict[str, Any]) -> profiles.Profile:
    """The profile to sign in to. Here, that nothing names a deployment is a usage error."""
    try:
        return profiles.resolve(argument, options)
    except profiles.NoDeployment as missing:
        from tcenv.errors import UsageError

        raise UsageError(missing.message, missing.hint) from None
