"""A new token for the same client by API, without a browser, where the session may."""

from __future__ import annotations

import time
from dataclasses import replace

from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import covers, intersection, not_granted
from tcenv.errors import CredentialsRejected, DeploymentError
from tcenv.sessions import clients
from tcenv.sessions.session import Session
from tcenv.settings.profile import Profile
from tcenv.signin.display import Display


def renewed(session: Session, profile: Profile, display: Display) -> Session | None:
    """The same client with new scopes, end and token, by API and without a browser; None where that is not possible."""
    client_id = session.credentials.client_id
    if not session.is_live() or ("name" in profile.insisted and session.name != profile.client_name):
        return None
    if session.scopes is not None:
        needed = [f"auth:update-client:{client_id}", f"auth:reset-access-token:{client_id}"]
        if not all(covers(session.scopes, scope) for scope in needed):
            return None
    from tcenv.deployment.auth import Deployment

    deployment = Deployment(profile.root_url)
    try:
        vouched = deployment.vouch(session.credentials)
        held = vouched.client.scopes if vouched.client else session.scopes
        if held is None or not_granted(profile.scopes, vouched.scopes or held) != ([], []):
            return None
        scopes = intersection(profile.scopes, held) if profile.scopes != session.asked else held
        now = int(time.time())
        token, facts = deployment.renew(
            session.credentials, client_id, scopes, now + profile.lifetime, profile.description
        )
    except CredentialsRejected as rejection:
        display.note(f"{rejection.message} The browser is asked instead.")
        return None
    except DeploymentError as error:
        display.note(f"The token could not be reset by API: {error.message} The browser is asked instead.")
        return None
    credentials = Credentials(client_id, token)
    renewed = replace(
        session,
        credentials=credentials,
        created=now,
        expires=facts.expires,
        asked=profile.scopes,
        scopes=facts.expanded,
    )
    clients.extend(profile.root_url, client_id, facts.expires, session.name)
    return renewed
