"""Give the stored session to Python programs, in the form that a `taskcluster` client takes."""

from __future__ import annotations

import sys
from typing import TypedDict

from tcenv.config import profile as profiles
from tcenv.errors import Hint, NotSignedIn, TcenvError, make_login_command
from tcenv.sessions.profile_names import get_display_name
from tcenv.sessions.recovery import recover
from tcenv.sessions.stores import load_session, open_store

__all__ = ["NotSignedIn", "Options", "TcenvError", "credentials"]


class Options(TypedDict):
    """The options for a client of the `taskcluster` package."""

    rootUrl: str
    credentials: dict[str, str]


def credentials(profile: str | None = None) -> Options:
    """Return the stored session of `profile` (None: the one that `tcenv env` loads) for `taskcluster.Queue(credentials())`.

    Each call makes a new dictionary, because the clients change theirs. Never opens a browser. Asks the deployment only
    if a reset of the session was interrupted. Raises NotSignedIn if there is no live session, and other kinds of
    TcenvError (all in `tcenv.errors`) for a wrong configuration or a store that cannot be used."""
    chosen = profiles.resolve(profile)
    store = open_store(profiles.read_store_name())
    session = recover(load_session(store, chosen.name, chosen.root_url, _say), store, _say)
    if session is None or not session.is_live():
        state = "has expired" if session else "is not there"
        raise NotSignedIn(
            f"The session of {get_display_name(chosen.name, chosen.root_url)} {state}.",
            Hint("Sign in:", make_login_command(chosen.argument)),
        )
    return {"rootUrl": session.root_url, "credentials": session.credentials.for_taskcluster()}


def _say(text: str) -> None:
    print(f"tcenv: {text}", file=sys.stderr)
