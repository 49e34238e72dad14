"""Asks the deployment about a session whose reset or logout was cut short, before anybody trusts its token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from tcenv.errors import CredentialsRejected, TimedOut
from tcenv.sessions import known_clients
from tcenv.sessions.lock import sign_in_lock
from tcenv.sessions.session import RESETTING, Session
from tcenv.sessions.stores import Store, load_session

# Seconds that a reset under way in another process is given to come to its end.
_PATIENCE = 10.0


def settled(
    session: Session | None,
    store: Store,
    say: Callable[[str], None],
    *,
    locked: bool = False,
    until: float | None = None,
) -> Session | None:
    """`session` as it can be trusted: the same at once, unless it is marked as being reset. Then whoever is at it is waited
    for, and the deployment asked; None where it says that the token is no longer good. `locked`: the caller has the lock. `until`
    (time.monotonic) is when its own time is up.

    Raises DeploymentError where it cannot be asked, StoreError."""
    if session is None or session.state != RESETTING:
        return session
    with ExitStack() as stack:
        if not locked:
            try:
                stack.enter_context(sign_in_lock(session.profile, _PATIENCE, lambda: None))
                locked = True
            except TimedOut:
                # It waits for a browser by now; what is stored is nobody's to change then, but can be asked about.
                pass
        session = load_session(store, session.profile, session.root_url, say)
        if session is None or session.state != RESETTING:
            return session
        from tcenv.deployment.auth import Deployment

        try:
            Deployment(session.root_url, until=until, argument=session.argument).vouch(session.credentials)
        except CredentialsRejected as rejection:
            if rejection.reason not in ("bad-token", "deleted", "expired", "disabled"):
                raise
            if rejection.reason == "deleted":
                known_clients.forget(session.root_url, session.credentials.client_id)
            say(
                f"A reset or a logout of {session.profile} was cut short, and the token that is stored is no longer good."
            )
            return None
        session = replace(session, state="")
        if locked:
            store.save(session)
    return session
