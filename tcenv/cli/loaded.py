"""What `exec` and `shell` share: the environment that the child is to have."""

from __future__ import annotations

from typing import Any

from tcenv.cli.env import live_session
from tcenv.cli.login import resolve_to_open
from tcenv.cli.waiting import Waiting
from tcenv.sessions.session import Session
from tcenv.sessions.stores import in_files, load_session, open_store
from tcenv.settings import profile as profiles
from tcenv.signin.flow import ensure_session


def session_and_change(argument: str | None, options: dict[str, Any]) -> tuple[Session, dict[str, str | None]]:
    """The session, signed in to first if need be, and the change that loads it: cut to `--scope` and `--for` if given.
    Raises NotSignedIn where `--no-login` forbids signing in."""
    options = dict(options)
    term = options.pop("duration", None)
    no_login = options.pop("no_login", False)
    reset = options.pop("reset", False) or bool(profiles.flag("TCENV_RESET"))
    scopes = tuple(options.pop("scopes", ()))
    if no_login:
        session = live_session(argument)
    else:
        profile = resolve_to_open(argument, options)
        store = open_store(profiles.store_name())
        stored = load_session(store, profile.name, profile.root_url, lambda text: None) if scopes else None
        if scopes and (stored is None or not stored.has_time_left()):
            # Nothing to cut from: what the command needs is what is asked for.
            profile = resolve_to_open(argument, {**options, "scopes": list(scopes)})
        display = Waiting(profile)
        session = ensure_session(profile, store, display, reset=reset)
    if scopes or term:
        from tcenv.sessions import temporary

        return session, temporary.loading(session, scopes, term)
    return session, session.variables(kept=in_files(open_store(profiles.store_name())))
