"""One approval in the browser, in the order in which it happens: name, listener, request, browser, callback, the deployment's
word, session. No credentials leave here before the deployment has vouched for them, and what it has vouched for is not lost."""

from __future__ import annotations

import os
import time

from tcenv.config.profile import Profile
from tcenv.errors import CredentialsRejected, DeploymentError, Hint, TcenvError, TimedOut, login_command
from tcenv.sessions.profile_names import stored_argument_of
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import Store, place
from tcenv.signin import client_names
from tcenv.signin.listener import Listener
from tcenv.signin.progress import Display

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tcenv.signin.approval_request import Asking
    from tcenv.signin.pages import Outcome


# To what the page does when this process has ended.
_CLOSE_PAGE = "Close the sign-in page: an approval that comes now is taken by nobody."
_CLOSE_PAGE_IN_ANY_CASE = "Close the sign-in page: whoever takes its port next would be given the token."


def sign_in(profile: Profile, store: Store, display: Display, replacing: Session | None = None) -> Session:
    """One approval in the browser, taken, verified and remembered. The client of the session that it replaces is ended: in a
    terminal before the approval, so that its name is free for it; else afterwards."""
    from tcenv.signin.request import resolve_flow

    flow = resolve_flow(profile.flow, profile.root_url)
    asked_at = int(time.time())
    with Listener(port=profile.port) as listener:
        asking = _asked(profile, flow, replacing, listener, store, display)
        names = asking.names
        session = _answered(asking, profile, asked_at, listener, display)
        if (
            names is not None
            and names.prefix is not None
            and not session.credentials.client_id.startswith(names.prefix)
        ):
            display.warn(
                f"You are signed in as {session.credentials.client_id}, which is not who signed in here before "
                f"({names.prefix.rstrip('/')}). If that is not you:",
                ("tcenv", "logout", stored_argument_of(profile.name, profile.root_url)),
            )
        kept_in = place(store) if _keep(session, store, display) else ""
        # Stored before the page says so.
        _regardless(
            display, lambda: client_names.remember(session, asking.name, made=flow == "create", kept_in=kept_in)
        )
        listener.succeed()
        _regardless(display, lambda: listener.finish(_success(session)))
    display.granted(session)
    _regardless(display, lambda: _afterwards(session, asking, replacing, store, display))
    display.close()
    return session


def _asked(
    profile: Profile, flow: str, replacing: Session | None, listener: Listener, store: Store, display: Display
) -> Asking:
    """The question, with the browser on its way to it; the client that stands in its way is ended where everything that is
    needed to answer it has been proven."""
    from tcenv.signin.approval_request import Asking
    from tcenv.signin.browser import Standstill

    if flow == "new":
        # The older page resets a client of that name itself.
        asking = Asking(profile, flow, None, listener, display)
        asking.open()
        return asking
    first = _to_be_ended_first(profile, replacing, display)
    if first is not None:
        names = client_names.names(profile, first)
        asking = Asking(profile, flow, names, listener, display)
        with Standstill() as standstill:
            if asking.open(standstill.launch):
                _tell(names, asking.name, profile, display, freed=True)
                _end_first(first, store, display)
                return asking
        display.note(
            f"No browser could be started, so {first.credentials.client_id} stays until the new session is there."
        )
    # A reset that nobody approved has freed a name: that one again.
    freed = replacing if replacing is not None and replacing.state == ENDED else None
    names = client_names.names(profile, freed)
    asking = Asking(profile, flow, names, listener, display)
    _tell(names, asking.name, profile, display, freed=False)
    if first is None:
        asking.open()
    return asking


def _answered(asking: Asking, profile: Profile, asked_at: int, listener: Listener, display: Display) -> Session:
    """The session of the first answer that the deployment vouches for. One that it rejects does not end the wait: whoever
    sent that, the genuine one may still come. Raises TimedOut, TcenvError."""
    from tcenv.signin import paste
    from tcenv.signin.verify import verified

    end = time.monotonic() + profile.timeout
    rejection: CredentialsRejected | None = None
    with paste.watching(
        listener,
        opened=asking.opened,
        insisted=profile.no_browser,
        on_wrong=display.wrong_paste,
        on_enter=asking.next,
    ) as pasted:
        asking.show(pasted.possible)
        while True:
            try:
                credentials = asking.wait(end, pasted.source)
            except BaseException as stop:
                stop.add_note(_close_page(listener))
                raise
            if credentials is None:
                break
            _regardless(display, lambda came=credentials: asking.unconfirmed(came))  # type: ignore[misc]
            display.verify()
            try:
                return verified(profile, asking.scopes, credentials, asked_at, end, display)
            except CredentialsRejected as error:
                _tell_page(listener, profile, error)
                asking.rejected(credentials, error)
                rejection = error
                if error.reason == "clock":
                    break
                listener.reopen()
            except Exception as error:
                _tell_page(listener, profile, error)
                raise
    if rejection is not None:
        raise DeploymentError(
            f"The browser's answer is no good: {rejection.message}",
            rejection.hint
            if rejection.reason == "clock"
            else "Try again; if it happens again, look at the client there.",
        )
    raise TimedOut(
        f"Nobody approved in the browser in time. {_close_page(listener)}",
        Hint(
            "If it said “Client already exists”, ask for another name:",
            login_command(profile.argument, "--name", f"{profile.client_name}-new"),
            ". With more time: --timeout 15m. Without a browser on this machine: --no-browser.",
        ),
    )


def _close_page(listener: Listener) -> str:
    return _CLOSE_PAGE if listener.is_held else _CLOSE_PAGE_IN_ANY_CASE


def _tell(names: client_names.Names, name: str, profile: Profile, display: Display, *, freed: bool) -> None:
    """What is worth knowing of the name before it is asked for."""
    said = client_names.told(names, name, profile.scopes, wanted=not profile.no_self_delete)
    if said:
        display.note(said)
    if name != profile.client_name:
        display.note(
            f"The name {profile.client_name} is still taken on this deployment, so {name} is asked for this time."
        )
    elif names.insisted and names.taken and not freed:
        display.note(
            f"The name {name} is taken on this deployment: the page will say so. "
            "Change the Client ID there, or leave out --name."
        )


def _keep(session: Session, store: Store, display: Display) -> bool:
    """Store the session. Where that fails this process has the only copy, and goes on to hand it to the shell."""
    try:
        store.save(session)
        return True
    except (TcenvError, OSError) as error:
        reason = error.message if isinstance(error, TcenvError) else error.strerror or str(error)
        display.warn(f"The session could not be stored, so this shell alone has it: {reason}")
        return False


def _regardless(display: Display, step: Callable[[], object]) -> None:
    """Do what the session does not depend on: its failing is said, and no more."""
    try:
        step()
    except Exception as error:
        what = error.message if isinstance(error, TcenvError) else f"{type(error).__name__} after the sign-in."
        display.warn(what)


def _success(session: Session) -> Outcome:
    from tcenv.signin import pages

    return pages.describe_success(session)


def _tell_page(listener: Listener, profile: Profile, error: Exception) -> None:
    from tcenv.signin import pages

    try:
        listener.finish(pages.describe_failure(profile, error))
    except OSError:
        return


def _afterwards(session: Session, asking: Asking, replacing: Session | None, store: Store, display: Display) -> None:
    names = asking.names
    if names is not None and asking.ending and session.credentials.client_id != names.client_id(asking.name):
        display.note(
            f"The Client ID was changed on the page: what was asked for ({', '.join(asking.ending)}) does not speak of it, and "
            "cannot end it."
        )
    if replacing is not None:
        client_names.end_replaced(replacing, session, display.note)
    client_names.tidy(session, store, display.note)


def _to_be_ended_first(profile: Profile, replacing: Session | None, display: Display) -> Session | None:
    """The session whose client is to be deleted before the approval: in a terminal, where somebody is there to give it, and
    only for one that is good and may, and whose name would be asked for again. The deployment and the clock are proven."""
    if replacing is None or not replacing.is_live() or not os.isatty(2) or not client_names.may_end(replacing):
        return None
    if replacing.name != profile.client_name:
        return None
    from tcenv.deployment.auth import Deployment

    try:
        deployment = Deployment(profile.root_url, until=time.monotonic() + profile.timeout, argument=profile.argument)
        deployment.vouch(replacing.credentials)
    except DeploymentError as error:
        display.note(f"{error.message} So {replacing.credentials.client_id} is left as it is.")
        return None
    return replacing


def _end_first(old: Session, store: Store, display: Display) -> None:
    """Delete the client of the session that is being replaced."""
    client_id = old.credentials.client_id
    try:
        client_names.end(old, old)
    except DeploymentError as error:
        display.note(
            f"The former client {client_id} could not be deleted, so the page may say that it exists: {error.message}"
        )
        return
    store.save(old.ended())
    display.note(
        f"The former client {client_id} is deleted, and its session has ended: the same name is free for this one."
    )
