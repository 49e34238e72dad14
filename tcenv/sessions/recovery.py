"""Ask the deployment about a session whose reset or logout was interrupted, before any code trusts its token."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from tcenv.errors import CredentialsRejected, TimedOut
from tcenv.sessions import known_clients
from tcenv.sessions.lock import hold_sign_in_lock
from tcenv.sessions.session import RESETTING, Session
from tcenv.sessions.stores import Store, load_session

# Seconds to wait for another process to finish its reset.
_TIMEOUT = 10.0


def recover(
    session: Session | None,
    store: Store,
    say: Callable[[str], None],
    *,
    has_lock: bool = False,
    deadline: float | None = None,
) -> Session | None:
    """Return the session if its token can be trusted, else None. Returns a session at once unless it is marked as being
    reset. For a marked one, waits for the process that resets it and then asks the deployment whether the token is
    still good. `has_lock` says that the caller holds the lock. `deadline` is a time of time.monotonic.

    Raises DeploymentError if the deployment cannot be asked; StoreError."""
    if session is None or session.state != RESETTING:
        return session
    with ExitStack() as stack:
        if not has_lock:
            try:
                stack.enter_context(hold_sign_in_lock(session.profile, _TIMEOUT, lambda: None))
                has_lock = True
            except TimedOut:
                # The other process is waiting for a browser. Ask about the stored session, but do not change it.
                pass
        session = load_session(store, session.profile, session.root_url, say)
        if session is None or session.state != RESETTING:
            return session
        from tcenv.deployment.auth import Deployment

        try:
            Deployment(session.root_url, deadline=deadline, argument=session.argument).confirm(session.credentials)
        except CredentialsRejected as rejection:
            if rejection.reason not in ("bad-token", "deleted", "expired", "disabled"):
                raise
            known_clients.note_rejection(session.root_url, session.credentials.client_id, rejection.reason)
            say(f"A reset or a logout of {session.profile} was interrupted, and the stored token no longer works.")
            return None
        session = replace(session, state="")
        if has_lock:
            store.save(session)
    return session
