"""Credentials cut to the job: temporary ones, minted from a live session without a call, that hold less and never outlive it."""

from __future__ import annotations

import os
import time

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.temporary import LONGEST_TEMPORARY, temporary
from tcenv.errors import NotSignedIn, UsageError
from tcenv.sessions.session import Session
from tcenv.shells import environment


def loading(session: Session, scopes: tuple[str, ...], term: str | None) -> dict[str, str | None]:
    """The change to the environment that loads temporary credentials with `scopes` (none given: all that the session
    holds) for `term` (fromNow text; None: as long as the session lasts, 31 days at most). Raises UsageError, NotSignedIn."""
    now = int(time.time())
    if not session.is_live(now):
        raise NotSignedIn(
            f"The session of {session.profile} has expired.", f"Sign in again: tcenv login {session.argument}"
        )
    if not scopes:
        if session.scopes is None:
            raise UsageError("This deployment does not tell what the session holds.", "Name scopes: --scope S")
        scopes = session.passed_on or ()
    expires = min(session.expires, now + LONGEST_TEMPORARY)
    if term is not None:
        seconds = parse_expires(term)
        if seconds > LONGEST_TEMPORARY:
            raise UsageError("Temporary credentials last 31 days at most.", "Accepted: --for 15m, 8h, 31d.")
        expires = min(expires, now + seconds)
    made = temporary(session.credentials, session.passed_on, scopes, expires)
    return environment.loading(
        {
            environment.ROOT_URL: session.root_url,
            environment.CLIENT_ID: made.client_id,
            environment.ACCESS_TOKEN: made.access_token,
            environment.CERTIFICATE: made.certificate or "",
            environment.PROFILE: session.profile,
            environment.EXPIRES: str(expires),
        },
        os.environ,
    )
