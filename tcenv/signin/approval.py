"""One approval in the browser, in the order in which it happens: name, listener, request, browser, callback, the deployment's
word, session. No credentials leave here before the deployment has vouched for them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import not_granted
from tcenv.errors import CredentialsRejected, DeploymentError, TcenvError, TimedOut
from tcenv.sessions import clients
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store
from tcenv.settings.profile import Profile
from tcenv.signin.display import Display

if TYPE_CHECKING:
    from tcenv.signin.page import Outcome


def sign_in(profile: Profile, store: Store, display: Display) -> Session:
    """One approval in the browser, taken, verified and remembered."""
    from tcenv.signin import browser, naming, paste
    from tcenv.signin.listener import Listener
    from tcenv.signin.request import SigninRequest, resolve_flow

    flow = resolve_flow(profile.flow, profile.root_url)
    name = profile.client_name
    if flow == "create" and clients.known(profile.root_url):
        from tcenv.deployment.auth import Deployment

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
        naming.remember(session, name)
        store.save(session)
        listener.finish(_success_page(session))
    display.granted(session)
    naming.tidy(session)
    return session


def _verified(profile: Profile, name: str, credentials: Credentials, asked_at: int) -> Session:
    """The session that these credentials are, by the deployment's word. Raises DeploymentError."""
    from tcenv.deployment.auth import Deployment

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
