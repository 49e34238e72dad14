"""Verify the credentials from the browser. If the deployment is out, ask again after longer and longer pauses until the time
is up, so that no approval is lost."""

from __future__ import annotations

import time

from tcenv.config.profile import Profile
from tcenv.deployment.credentials import Credentials
from tcenv.errors import CredentialsRejected, DeploymentError, Refused, UnknownAuthority
from tcenv.sessions.session import Session
from tcenv.signin.progress import Progress

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
# Seconds that an approval gets at least, even if it comes at the end of the wait.
_GRACE = 30.0


def verify(
    profile: Profile,
    asked: tuple[str, ...],
    credentials: Credentials,
    requested_at: int,
    deadline: float,
    progress: Progress,
) -> Session:
    """Ask the deployment about `credentials` and return their session. Waits for an answer until `deadline` (time.monotonic).
    Raises CredentialsRejected, DeploymentError."""
    from tcenv.deployment.auth import Deployment

    deadline = max(deadline, time.monotonic() + _GRACE)
    pause = _FIRST_PAUSE
    while True:
        try:
            confirmed = Deployment(
                profile.root_url, deadline=deadline, argument=profile.argument, library=True
            ).confirm(credentials)
            break
        except (CredentialsRejected, Refused, UnknownAuthority):
            raise
        except DeploymentError as error:
            if time.monotonic() + pause >= deadline:
                raise
            if pause == _FIRST_PAUSE:
                progress.warn(f"{error.message} tcenv asks again until it answers.")
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    client = confirmed.client
    if client is not None and client.disabled:
        raise DeploymentError(
            "The deployment created the client and disabled it immediately.", "Ask for fewer scopes: --scope."
        )
    now = int(time.time())
    expires = client.expires if client is not None else requested_at + profile.lifetime
    if expires <= now:
        raise DeploymentError(
            "The client that the browser created has already expired.", "Ask for more time: --expires 1d."
        )
    return Session(
        profile=profile.name,
        root_url=profile.root_url,
        credentials=credentials,
        created=now,
        expires=expires,
        name=profile.client_name,
        scopes=confirmed.scopes,
        asked=asked,
        chosen="scopes" in profile.insisted,
    )
