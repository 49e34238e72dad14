"""A new token for the same client by API, without a browser, where the session may.

The reset is the moment after which the stored token is worthless, so everything that can fail comes before or after it: first
the store is proven by marking the session there, then the reset, then the new session is stored, and only then the rest."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace

from tcenv.config.profile import Profile
from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import covers, intersection
from tcenv.errors import CredentialsRejected, DeploymentError, Hint, Refused, StoreError, login_command
from tcenv.sessions import known_clients
from tcenv.sessions.session import RESETTING, Session
from tcenv.sessions.stores import Store
from tcenv.signals import HeldSignals
from tcenv.signin.progress import Display

# What somebody who interrupts it afterwards is told.
_STORED = "The token has been reset, and the new one is stored."


@dataclass(frozen=True)
class _Plan:
    """What the client is to be given besides the token; None: it stays as it is."""

    scopes: tuple[str, ...] | None


def renewed(session: Session, profile: Profile, store: Store, display: Display) -> Session | None:
    """The same client with a new token, stored, and with the scopes and the end that `profile` asks for where the session
    may change those; None where that is not possible, and a browser has to be asked.

    Raises StoreError where the store cannot be written: before the reset, so that nothing has changed then."""
    if not session.has_time_left() or ("name" in profile.insisted and session.name != profile.client_name):
        return None
    deployment = Deployment(profile.root_url, until=time.monotonic() + profile.timeout, argument=profile.argument)
    try:
        plan = _plan(session, profile, deployment)
        if plan is None:
            return None
        new = _with_new_token(session, store, deployment, display)
    except CredentialsRejected as rejection:
        display.note(f"{rejection.message} The browser is asked instead.")
        return None
    except DeploymentError as error:
        display.note(f"The token could not be reset by API: {error.message} The browser is asked instead.")
        return None
    try:
        if plan.scopes is not None:
            new = _updated(new, plan.scopes, profile, store, deployment, display)
        known_clients.extend(profile.root_url, new.credentials.client_id, new.expires, new.name)
    except BaseException as end:
        _add_note(end, profile.argument)
        raise
    return new


def _plan(session: Session, profile: Profile, deployment: Deployment) -> _Plan | None:
    """What is to be done by API; None where the session may not, or where only the page can give what is asked for."""
    client_id = session.credentials.client_id
    held = session.scopes
    if held is None and not any("assume:".startswith(scope[:7].rstrip("*")) for scope in session.asked):
        held = session.asked  # no more than that
    if held is not None and not covers(held, f"auth:reset-access-token:{client_id}"):
        return None
    vouched = deployment.vouch(session.credentials)
    own = vouched.client.scopes if vouched.client else session.scopes
    held = vouched.scopes or own or ()
    # What was asked for before and not given would not be given now either.
    if not all(covers(held, scope) or covers(session.asked, scope) for scope in profile.scopes):
        return None
    same = set(profile.scopes) == set(session.wanted)
    if own is not None and covers(held, f"auth:update-client:{client_id}"):
        return _Plan(own if same else intersection((*profile.scopes, *_ending(session)), own))
    return _Plan(None) if same and "expires" not in profile.insisted else None


def _ending(session: Session) -> tuple[str, ...]:
    """What was asked for besides what the user wanted: the right to end the client."""
    return tuple(scope for scope in session.asked if scope not in session.wanted)


def _with_new_token(session: Session, store: Store, deployment: Deployment, display: Display) -> Session:
    """The session with a new token, stored. Raises DeploymentError, CredentialsRejected, StoreError."""
    try:
        store.save(replace(session, state=RESETTING))
    except StoreError as error:
        raise StoreError(
            f"{error.message} Nothing was changed, since a new token could not be kept.", error.hint
        ) from None
    client_id = session.credentials.client_id
    unsaved: StoreError | None = None
    stored = False
    try:
        with HeldSignals() as signals:
            token = _token(session, store, deployment)
            now = min(int(time.time()), session.expires - 1)
            new = replace(session, credentials=Credentials(client_id, token), created=now)
            try:
                store.save(new)
                stored = True
            except StoreError as error:
                # This process has the only copy: it must live to hand it to the shell.
                unsaved = error
                signals.clear()
    except BaseException as end:
        if stored:
            _add_note(end, session.argument)
        raise
    if unsaved is not None:
        known_clients.let_go(session.root_url, client_id)
        display.note(
            f"The token has been reset, but the new one could not be stored, so only this shell has it: {unsaved.message}"
        )
    return new


def _add_note(end: BaseException, argument: str) -> None:
    end.add_note(_STORED)
    end.__dict__.setdefault("hint", Hint("To load it:", login_command(argument)))


def _token(session: Session, store: Store, deployment: Deployment) -> str:
    try:
        return deployment.reset_token(session.credentials, session.credentials.client_id)
    except Refused:
        # It did not happen. (Where nobody knows, the mark stays, and whoever meets it asks the deployment.)
        with suppress(StoreError):
            store.save(session)
        raise


def _updated(
    session: Session, scopes: tuple[str, ...], profile: Profile, store: Store, deployment: Deployment, display: Display
) -> Session:
    """The session after its client was given `scopes` and a new end; as it was, and said so, where that failed."""
    now = int(time.time())
    client_id = session.credentials.client_id
    try:
        facts = deployment.update_client(
            session.credentials, client_id, scopes, now + profile.lifetime, profile.description
        )
    except DeploymentError as error:
        display.note(f"The token is new, but the client's scopes and end could not be changed: {error.message}")
        return session
    asked = (*profile.scopes, *_ending(session))
    updated = replace(session, created=now, expires=facts.expires, asked=asked, scopes=facts.expanded)
    try:
        store.save(updated)
    except StoreError as error:
        display.note(f"The session could not be stored as it is now: {error.message}")
    return updated
