"""Reset a client's token through the API, without a browser, if the session may do so.

A reset makes the stored token worthless. So first mark the session in the store, which shows that the store can be written;
then reset the token; then store the new session; then do everything else."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from tcenv.config.profile import Profile
from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import covers, intersect
from tcenv.errors import CredentialsRejected, DeploymentError, Hint, Refused, StoreError, make_login_command
from tcenv.sessions import expansions, known_clients
from tcenv.sessions.session import RESETTING, Session
from tcenv.sessions.stores import Store
from tcenv.signals import HeldSignals
from tcenv.signin.progress import Progress

# The note for a user who interrupts the command after the reset.
_STORED = "The token has been reset, and the new one is stored."


@dataclass(frozen=True)
class _Plan:
    """The changes of a reset. `scopes` are the client's new scopes (None: they and its expiry stay as they are)."""

    scopes: tuple[str, ...] | None


def reset_session(session: Session, profile: Profile, store: Store, progress: Progress) -> Session | None:
    """Reset the token of a session, store it, and return the new session. Gives its client the scopes and the end that
    `profile` asks for, if the session may change them. Returns None if only the browser flow can do that.

    Raises StoreError, before the reset, if the store cannot be written. Raises DeploymentError if the deployment is out:
    its sign-in page does not work then either."""
    if not session.has_time_left() or ("name" in profile.insisted and session.name != profile.client_name):
        return None
    deployment = Deployment(profile.root_url, deadline=time.monotonic() + profile.timeout, argument=profile.argument)
    try:
        plan = _plan(session, profile, deployment)
        if plan is None:
            return None
        new = _reset_token(session, store, deployment, progress)
    except CredentialsRejected as rejection:
        known_clients.note_rejection(profile.root_url, session.credentials.client_id, rejection.reason)
        progress.note(f"{rejection.message} Using the browser instead.")
        return None
    except Refused as error:
        progress.note(f"The token could not be reset by API: {error.message} Using the browser instead.")
        return None
    try:
        if plan.scopes is not None:
            new = _update_client(new, plan.scopes, profile, store, deployment, progress)
        known_clients.extend(profile.root_url, new.credentials.client_id, new.expires, new.name)
    except BaseException as end:
        _add_note(end, profile.argument)
        raise
    return new


def _plan(session: Session, profile: Profile, deployment: Deployment) -> _Plan | None:
    """Return the changes to make through the API. Returns None if the session may not make them, or if only the page can."""
    client_id = session.credentials.client_id
    held = session.scopes
    if held is None and not any("assume:".startswith(scope[:7].rstrip("*")) for scope in session.asked):
        held = session.asked  # it can hold no more
    if held is not None and not covers(held, f"auth:reset-access-token:{client_id}"):
        return None
    confirmed = deployment.confirm(session.credentials)
    client_scopes = confirmed.client.scopes if confirmed.client else session.scopes
    held = confirmed.scopes or client_scopes or ()
    # Scopes that were requested before and not granted would not be granted now.
    if not all(covers(held, scope) or covers(session.asked, scope) for scope in profile.scopes):
        return None
    has_same_scopes = set(profile.scopes) == set(session.requested_scopes)
    if client_scopes is not None and covers(held, f"auth:update-client:{client_id}"):
        if has_same_scopes:
            return _Plan(client_scopes)
        return _Plan(intersect((*profile.scopes, *_list_deletion_scopes(session)), client_scopes))
    return _Plan(None) if has_same_scopes and "expires" not in profile.insisted else None


def _list_deletion_scopes(session: Session) -> tuple[str, ...]:
    """Return the scopes that were requested besides the user's: the right to delete the client."""
    return tuple(scope for scope in session.asked if scope not in session.requested_scopes)


def _reset_token(session: Session, store: Store, deployment: Deployment, progress: Progress) -> Session:
    """Reset the token and store the new session. Raises DeploymentError, CredentialsRejected, StoreError."""
    try:
        store.save(replace(session, state=RESETTING))
    except StoreError as error:
        raise StoreError(
            f"{error.message} Nothing was changed, because a new token could not be stored.", error.hint
        ) from None
    client_id = session.credentials.client_id
    unsaved: StoreError | None = None
    stored = False
    try:
        with HeldSignals() as signals:
            token = _call_reset(session, store, deployment)
            now = min(int(time.time()), session.expires - 1)
            new = replace(session, credentials=Credentials(client_id, token), created=now)
            try:
                store.save(new)
                stored = True
            except StoreError as error:
                # This process has the only copy, and must live to hand it to the shell.
                unsaved = error
                signals.clear()
    except BaseException as end:
        if stored:
            _add_note(end, session.argument)
        raise
    if unsaved is not None:
        known_clients.note_without_session(session.root_url, client_id)
        progress.note(
            f"The token has been reset, but the new one could not be stored, so only this shell has it: {unsaved.message}"
        )
    return new


def _add_note(end: BaseException, argument: str) -> None:
    end.add_note(_STORED)
    end.__dict__.setdefault("hint", Hint("To load it:", make_login_command(argument)))


def _call_reset(session: Session, store: Store, deployment: Deployment) -> str:
    try:
        return deployment.reset_token(session.credentials, session.credentials.client_id)
    except CredentialsRejected:
        raise
    except DeploymentError as error:
        # If it is unknown whether the old token still works, keep the mark: the next command asks the deployment.
        with suppress(DeploymentError, StoreError):
            if not isinstance(error, Refused):
                deployment.confirm(session.credentials)
            store.save(session)
        raise


def _update_client(
    session: Session,
    scopes: tuple[str, ...],
    profile: Profile,
    store: Store,
    deployment: Deployment,
    progress: Progress,
) -> Session:
    """Give the client `scopes` and a new end, and return its session. If that fails, say so and return it as it was."""
    now = int(time.time())
    client_id = session.credentials.client_id
    try:
        facts = deployment.update_client(
            session.credentials, client_id, scopes, now + profile.lifetime, profile.description
        )
    except DeploymentError as error:
        progress.note(f"The token is new, but the client's scopes and expiry could not be changed: {error.message}")
        return session
    asked = (*profile.scopes, *_list_deletion_scopes(session))
    chosen = "scopes" in profile.insisted
    updated = replace(session, created=now, expires=facts.expires, asked=asked, scopes=facts.expanded, chosen=chosen)
    updated = replace(updated, expansions=expansions.fetch(updated))
    try:
        store.save(updated)
    except StoreError as error:
        progress.note(f"The session could not be stored as it is now: {error.message}")
    return updated
