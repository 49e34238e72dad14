"""One approval in the browser, in the order in which it happens: name, listener, request, browser, callback, the deployment's
word, session. No credentials leave here before the deployment has vouched for them."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import not_granted
from tcenv.errors import CredentialsRejected, DeploymentError, TcenvError, TimedOut
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import Store
from tcenv.settings.profile import Profile
from tcenv.signin.display import Display

if TYPE_CHECKING:
    from tcenv.signin.page import Outcome


def sign_in(profile: Profile, store: Store, display: Display, replacing: Session | None = None) -> Session:
    """One approval in the browser, taken, verified and remembered. The client of the session that it replaces is ended: in a
    terminal before the approval, so that its name is free for it; else afterwards."""
    from tcenv.signin import browser, naming, paste
    from tcenv.signin.listener import Listener
    from tcenv.signin.request import SigninRequest, resolve_flow

    flow = resolve_flow(profile.flow, profile.root_url)
    # The older page resets a client of that name itself.
    first = _to_be_ended_first(profile, replacing) if flow == "create" else None
    # A reset that nobody approved has freed a name: that one again.
    freed = replacing if replacing is not None and replacing.state == ENDED else None
    names = naming.names(profile, first or freed)
    name = names.free[0] if flow == "create" else profile.client_name
    ending = names.ending(name, profile.scopes, wanted=not profile.no_self_delete)
    said = naming.told(names, name, profile.scopes, wanted=not profile.no_self_delete)
    if said:
        display.note(said)
    if flow == "create" and name != profile.client_name:
        display.note(
            f"The name {profile.client_name} is still taken on this deployment, so {name} is asked for this time."
        )
    elif flow == "create" and names.insisted and names.taken and first is None:
        display.note(
            f"The name {name} is taken on this deployment: the page will say so. "
            "Change the Client ID there, or leave out --name."
        )
    asked_at = int(time.time())
    with Listener(port=profile.port) as listener:
        request = SigninRequest(
            root_url=profile.root_url,
            flow=flow,
            name=name,
            description=profile.description,
            scopes=(*profile.scopes, *ending),
            expires=profile.expires,
            callback_url=listener.callback_url,
        )
        if first is not None:
            _end_first(first, store, display)
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
            session = _verified(profile, request.scopes, credentials, asked_at)
        except TcenvError as failure:
            listener.finish(_failure_page(profile, failure))
            raise
        # Stored before the page says so.
        naming.remember(session, name, made=flow == "create")
        store.save(session)
        listener.finish(_success_page(session))
    display.granted(session)
    if ending and session.credentials.client_id != names.client_id(name):
        display.note(
            f"The Client ID was changed on the page: {', '.join(ending)} does not speak of it, and cannot end it."
        )
    if replacing is not None:
        naming.end_replaced(replacing, session, display.note)
    naming.tidy(session)
    display.close()
    return session


def _to_be_ended_first(profile: Profile, replacing: Session | None) -> Session | None:
    """The session whose client is to be deleted before the approval: in a terminal, where somebody is there to give it, and
    only for one that is good and may, and whose name would be asked for again."""
    from tcenv.signin import browser, naming

    if replacing is None or not replacing.is_live() or not os.isatty(2) or not naming.may_end(replacing):
        return None
    # The page must not be seen while the name is still taken, so that there is a browser to start is all that can be known.
    if not profile.no_browser and not browser.is_findable(profile.browser):
        return None
    return replacing if replacing.name == profile.client_name else None


def _end_first(old: Session, store: Store, display: Display) -> None:
    """Delete the client of the session that is being replaced. That the deployment does it proves the clock and the network."""
    from tcenv.signin import naming

    client_id = old.credentials.client_id
    try:
        naming.end(old, old)
    except DeploymentError as error:
        display.note(
            f"The former client {client_id} could not be deleted, so the page may say that it exists: {error.message}"
        )
        return
    store.save(old.ended())
    display.note(
        f"The former client {client_id} is deleted, and its session has ended: the same name is free for this one."
    )


def _verified(profile: Profile, asked: tuple[str, ...], credentials: Credentials, asked_at: int) -> Session:
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
        asked=asked,
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
        dropped, _ = not_granted(session.wanted, session.scopes)
    lines = ("The deployment has confirmed it.",)
    return Outcome(True, "You are signed in", lines, tuple(facts), missing=tuple(dropped))


def _failure_page(profile: Profile, failure: TcenvError) -> Outcome:
    from tcenv.signin.page import Outcome

    lines = (failure.message, *([failure.hint] if failure.hint else []))
    return Outcome(False, "That did not work", lines, (("Deployment", profile.root_url.partition("://")[2]),))
