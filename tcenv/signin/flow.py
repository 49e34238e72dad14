"""Make sure that there is a session: load the stored one, reset its token through the API, or ask for an approval in the
browser.

Only one process at a time signs in. This module knows no shell and prints nothing; `Progress` prints."""

from __future__ import annotations

import time
from dataclasses import replace

from tcenv import verbosity
from tcenv.config.profile import Profile
from tcenv.deployment.scopes import covers
from tcenv.sessions.lock import hold_sign_in_lock
from tcenv.sessions.recovery import recover
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, load_session
from tcenv.signin import interactivity
from tcenv.signin.approval import sign_in
from tcenv.signin.progress import Progress
from tcenv.text import format_duration


def is_usable(session: Session | None, profile: Profile) -> bool:
    """Return whether `session` makes a new sign-in unnecessary: it has time left, and has what the user insists on."""
    if session is None or not session.has_time_left():
        return False
    if {"name", "series"} & profile.insisted and session.name != profile.client_name:
        return False
    if "scopes" in profile.insisted:
        # Scopes that were asked for and not granted would not be granted now.
        held = session.scopes or ()
        return all(covers(session.asked, scope) or covers(held, scope) for scope in profile.scopes)
    return True


def ensure_session(
    profile: Profile, store: Store, progress: Progress, *, reset: bool = False, retry: bool = False
) -> Session:
    """Return the stored session of `profile`. If it is not usable, or for a `reset`, make a new session and store it.

    If several processes call this, one signs in, and the others get its session. `retry` opens a browser even if nobody
    answered the last sign-in. Raises TcenvError."""
    if not reset:
        session = load_session(store, profile.name, profile.root_url, progress.note)
        if session is not None and is_usable(session, profile):
            verbosity.log(f"The stored session expires in {format_duration(session.expires - time.time())}.")
            return session
        verbosity.log("There is no stored session." if session is None else "The stored session is not usable.")
    started = int(time.time())
    with hold_sign_in_lock(profile.name, profile.timeout, progress.show_queued) as waited:
        session = load_session(store, profile.name, profile.root_url, progress.note if reset else lambda text: None)
        session = recover(session, store, progress.note, has_lock=True, deadline=time.monotonic() + profile.timeout)
        if (
            session is not None
            and is_usable(session, profile)
            and (not reset or (waited and session.created >= started))
        ):
            return session
        try:
            if reset and session is not None:
                from tcenv.deployment.auth import Deployment
                from tcenv.signin.reset import reset_session

                # If the deployment is out, its page does not work either.
                deadline = time.monotonic() + profile.timeout
                Deployment(profile.root_url, deadline=deadline, argument=profile.argument).ping()
                profile = _keep_scopes(profile, session)
                new = reset_session(session, profile, store, progress)
                if new is not None:
                    progress.show_granted(new, is_reset=True)
                    return new
            interactivity.require_person(profile, waited=waited, retry=retry)
            with interactivity.remember_attempt(profile):
                return sign_in(profile, store, progress, replacing=session)
        finally:
            progress.close()


def _keep_scopes(profile: Profile, session: Session) -> Profile:
    """Return `profile` with the scopes to request at a reset. An option or a variable comes first, then the scopes that
    the user chose for the session, then the profile's own scopes, then the scopes that were requested for the session."""
    if "scopes" in profile.insisted or not session.requested_scopes or (profile.has_scopes and not session.chosen):
        return profile
    insisted = profile.insisted | {"scopes"} if session.chosen else profile.insisted
    return replace(profile, scopes=session.requested_scopes, insisted=insisted)
