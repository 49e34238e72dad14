"""Signing in, in the order in which it happens: lock, name, URL, listener, browser, callback, the deployment's word, session.

Knows nothing of shells and prints nothing: what people see is the `Display`'s. No credentials leave here before the
deployment has vouched for them."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tcenv import clients
from tcenv.clients import KnownClient
from tcenv.errors import CredentialsRejected, DeploymentError, TcenvError, TimedOut
from tcenv.profile import Profile
from tcenv.scopes import covers, intersection, not_granted
from tcenv.session import Credentials, Session
from tcenv.store import Store, load_session, sign_in_lock

if TYPE_CHECKING:
    from tcenv.signin.page import Outcome


class Display(Protocol):
    """What a person sees while signing in takes its time."""

    def note(self, text: str) -> None:
        """Something worth knowing; it went on by itself."""

    def queue(self) -> None:
        """Another tcenv is signing in to the same profile, and this one waits for its session."""

    def ask(self, url: str, opened: bool, pasting: bool, name: str) -> None:
        """The user is to approve at `url`: in the browser that was `opened`, or in one of their own."""

    def tick(self, left: float) -> None:
        """Called about once a second while waiting, with the seconds that are left."""

    def wrong_paste(self) -> None:
        """What was pasted is not the address that is waited for."""

    def verify(self) -> None:
        """The browser has answered; the deployment is being asked."""

    def granted(self, session: Session) -> None:
        """A new session has been made, verified and stored."""

    def close(self) -> None:
        """The wait is over, whichever way."""


def is_usable(session: Session | None, profile: Profile) -> bool:
    """Whether `session` is one that signing in with `profile` may hand out again: time left, and what the user insists on."""
    if session is None or not session.has_time_left():
        return False
    if "name" in profile.insisted and session.name != profile.client_name:
        return False
    if "scopes" in profile.insisted:
        held = session.scopes or ()
        return all(scope in session.asked or covers(held, scope) for scope in profile.scopes)
    return True


def ensure_session(profile: Profile, store: Store, display: Display, *, reset: bool = False) -> Session:
    """The stored session of `profile` if it is usable (and no `reset` is asked for), else a new one, stored.

    However many ask at once, one signs in and the others get its session. Raises TcenvError's kinds."""
    if not reset:
        session = load_session(store, profile.name, profile.root_url, display.note)
        if session is not None and is_usable(session, profile):
            return session
    began = int(time.time())
    with sign_in_lock(profile.name, profile.timeout, display.queue) as waited:
        session = load_session(store, profile.name, profile.root_url, display.note if reset else lambda text: None)
        if session is not None and is_usable(session, profile) and (not reset or (waited and session.created >= began)):
            return session
        try:
            renewed = _renewed(session, profile, display) if reset and session is not None else None
            if renewed is None:
                return _sign_in(profile, store, display)
            store.save(renewed)
            display.granted(renewed)
            return renewed
        finally:
            display.close()


def _renewed(session: Session, profile: Profile, display: Display) -> Session | None:
    """The same client with new scopes, end and token, by API and without a browser; None where that is not possible."""
    client_id = session.credentials.client_id
    if not session.is_live() or ("name" in profile.insisted and session.name != profile.client_name):
        return None
    if session.scopes is not None:
        needed = [f"auth:update-client:{client_id}", f"auth:reset-access-token:{client_id}"]
        if not all(covers(session.scopes, scope) for scope in needed):
            return None
    from tcenv.deployment import Deployment

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
    clients.remember(profile.root_url, KnownClient(session.name, client_id, facts.expires))
    return renewed


def _sign_in(profile: Profile, store: Store, display: Display) -> Session:
    """One approval in the browser, taken, verified and remembered."""
    from tcenv.signin import browser, naming, paste
    from tcenv.signin.listener import Listener
    from tcenv.signin.request import SigninRequest, resolve_flow

    flow = resolve_flow(profile.flow, profile.root_url)
    name = profile.client_name
    if flow == "create" and clients.known(profile.root_url):
        from tcenv.deployment import Deployment

        name = naming.free_name(profile, Deployment(profile.root_url), display.note)
    asked_at = int(time.time())
    with Listener(port=profile.port) as listener:
        request = SigninRequest(
            root_url=profile.root_url,
            flow=flow,
            name=name,
            description=profile.description,
            scopes=profile.scopes,
            expires=profile.expires,
            callback_url=listener.callback_url,
        )
        opened = not profile.no_browser and browser.open_browser(request.url, profile.browser)
        end = time.monotonic() + profile.timeout
        with paste.watching(
            listener, opened=opened, insisted=profile.no_browser, on_wrong=display.wrong_paste
        ) as pasted:
            display.ask(request.url, opened, pasted.possible, name)
            credentials = listener.wait(end, lambda: display.tick(end - time.monotonic()), pasted.source)
        if credentials is None:
            raise TimedOut(
                "Nobody approved in the browser in time.",
                "Try again with more of it: --timeout 15m. Without a browser on this machine: --no-browser.",
            )
        display.verify()
        try:
            session = _verified(profile, name, credentials, asked_at)
        except TcenvError as failure:
            listener.finish(_failure_page(profile, failure))
            raise
        # Stored before the page says so.
        _remember(session, name)
        store.save(session)
        listener.finish(_success_page(session))
    display.granted(session)
    _tidy(session)
    return session


def _verified(profile: Profile, name: str, credentials: Credentials, asked_at: int) -> Session:
    """The session that these credentials are, by the deployment's word. Raises DeploymentError."""
    from tcenv.deployment import Deployment

    try:
        vouched = Deployment(profile.root_url).vouch(credentials)
    except CredentialsRejected as rejection:
        hint = (
            rejection.hint
            if rejection.reason == "clock"
            else "Try again; if it happens again, look at the client there."
        )
        raise DeploymentError(f"The browser's answer is no good: {rejection.message}", hint) from None
    client = vouched.client
    if client is not None and client.disabled:
        raise DeploymentError(
            "The deployment made the client, and disabled it at once.", "Ask for fewer scopes: --scope."
        )
    now = int(time.time())
    expires = client.expires if client is not None else asked_at + profile.lifetime
    if expires <= now:
        raise DeploymentError(
            "The client that the browser made has expired already.", "Ask for more time: --expires 1d."
        )
    return Session(
        profile=profile.name,
        root_url=profile.root_url,
        credentials=credentials,
        created=now,
        expires=expires,
        name=profile.client_name,
        scopes=vouched.scopes,
        asked=profile.scopes,
    )


def _remember(session: Session, asked_name: str) -> None:
    """Note the name that the deployment gave. Another one than was asked for tells that the asked one is taken."""
    client_id = session.credentials.client_id
    prefix, _, last = client_id.rpartition("/")
    if client_id.endswith("/" + asked_name):
        given = asked_name
    else:
        given = last
        if prefix:
            taken = KnownClient(asked_name, f"{prefix}/{asked_name}", session.expires)
            if not any(known.client_id == taken.client_id for known in clients.known(session.root_url)):
                clients.remember(session.root_url, taken)
    clients.remember(session.root_url, KnownClient(given, client_id, session.expires))


def _tidy(session: Session) -> None:
    """Delete the expired clients of the series, if the new session may: their names become free. Not being able to is no
    error, and a client that the deployment does not call expired is left alone."""
    from tcenv.deployment import Deployment
    from tcenv.signin import naming

    names = naming.series(session.name)
    deployment = Deployment(session.root_url)
    for known in clients.known(session.root_url):
        client_id = known.client_id
        if (
            known.name not in names
            or client_id == session.credentials.client_id
            or known.expires > time.time()
            or session.scopes is None
            or not covers(session.scopes, f"auth:delete-client:{client_id}")
        ):
            continue
        with suppress(DeploymentError, PermissionError):
            facts = deployment.look(client_id, session.credentials)
            if facts is not None and facts.expires > time.time():
                continue
            if facts is not None:
                deployment.delete_client(session.credentials, client_id)
            clients.forget(session.root_url, client_id)


def _success_page(session: Session) -> Outcome:
    from tcenv.signin.page import Outcome
    from tcenv.text import duration, moment

    left = duration(session.expires - time.time())
    facts = [
        ("Client", session.credentials.client_id),
        ("Deployment", session.root_url.partition("://")[2]),
        ("Good until", f"{moment(session.expires)} ({left})"),
    ]
    dropped: list[str] = []
    if session.scopes is not None:
        facts.append(("Scopes", f"{len(session.scopes)} held"))
        dropped, _ = not_granted(session.asked, session.scopes)
    lines = ("The deployment has confirmed it.",)
    return Outcome(True, "You are signed in", lines, tuple(facts), missing=tuple(dropped))


def _failure_page(profile: Profile, failure: TcenvError) -> Outcome:
    from tcenv.signin.page import Outcome

    lines = (failure.message, *([failure.hint] if failure.hint else []))
    return Outcome(False, "That did not work", lines, (("Deployment", profile.root_url.partition("://")[2]),))
