"""Sign in by one approval in the browser: choose a name, listen, open the page, take the callback, verify it, store the
session.

Credentials leave this module only after the deployment has accepted them. No later failure loses them."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from tcenv import core_dumps
from tcenv.config.profile import Profile
from tcenv.errors import CredentialsRejected, DeploymentError, Hint, Refused, TcenvError, TimedOut, make_login_command
from tcenv.sessions import expansions, known_clients
from tcenv.sessions.profile_names import get_stored_argument
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import Store, compute_store_id
from tcenv.signin import client_names, pages
from tcenv.signin.approval_request import ApprovalRequest
from tcenv.signin.browser import PausedLaunch
from tcenv.signin.listener import Listener
from tcenv.signin.paste import StandardInput
from tcenv.signin.progress import Progress
from tcenv.signin.request import has_new_page, resolve_flow
from tcenv.signin.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable


# The advice to the user when this process ends.
_CLOSE_PAGE = "Close the sign-in page: an approval there no longer reaches tcenv."
_CLOSE_PAGE_ON_FREE_PORT = (
    "Close the sign-in page: a later approval would give the token to the next program on its port."
)


def sign_in(profile: Profile, store: Store, progress: Progress, replacing: Session | None = None) -> Session:
    """Get an approval, verify it, store its session and return that. Deletes the client of the session that it replaces: in a
    terminal before the approval, so that the name is free, and elsewhere afterwards."""
    flow = resolve_flow(profile.flow, profile.root_url)
    requested_at = int(time.time())
    with Listener(port=profile.port) as listener:
        with StandardInput(listener, progress) as stdin:
            request = _request_approval(profile, flow, replacing, listener, store, progress)
            session = _wait_for_session(request, profile, requested_at, listener, stdin, progress)
        names = request.names
        if (
            names is not None
            and names.prefix is not None
            and not session.credentials.client_id.startswith(names.prefix)
        ):
            progress.warn(
                f"You are signed in as {session.credentials.client_id}, but the last sign-in here was "
                f"{names.prefix.rstrip('/')}. If that is not you:",
                ("tcenv", "logout", get_stored_argument(profile.name, profile.root_url)),
            )
            # The deletion scopes name the clients of the other user.
            asked = tuple(scope for scope in session.asked if scope not in request.deletion_scopes)
            session = replace(session, asked=asked)
        place = compute_store_id(store) if _store_session(session, store, progress) else ""
        # Remember the client before the page reports success.
        _try_step(progress, lambda: client_names.remember(session, request.name, made=flow == "create", place=place))
        listener.succeed()
        _try_step(progress, lambda: listener.finish(pages.describe_success(session)))
    progress.show_granted(session)
    session = _note_roles(session, store, kept=bool(place))
    _try_step(progress, lambda: _clean_up(session, request, replacing, store, progress))
    progress.close()
    return session


def _request_approval(
    profile: Profile, flow: str, replacing: Session | None, listener: Listener, store: Store, progress: Progress
) -> ApprovalRequest:
    """Open the page and return the request. Deletes the client that holds the name before a person sees the page, if a browser
    starts and the deployment accepts the session."""
    if flow == "new":
        if not has_new_page(profile.root_url):
            progress.warn(
                f"{profile.root_url} probably has no such page. If it says “Client not found”, leave out --flow new."
            )
        # The older page resets an existing client of that name.
        request = ApprovalRequest(profile, flow, None, listener, progress)
        request.open()
        return request
    former = _find_client_to_delete(profile, replacing, progress)
    if former is not None:
        names = client_names.choose_names(profile, former, replacing)
        request = ApprovalRequest(profile, flow, names, listener, progress)
        with PausedLaunch() as paused:
            if request.open(paused.launch):
                _describe_name(names, request.name, profile, progress, freed=True)
                _delete_former(former, store, progress)
                return request
        progress.note(
            f"No browser could be started, so {former.credentials.client_id} stays until there is a new session."
        )
    # A reset that nobody approved has freed a name: ask for that one again.
    freed = replacing if replacing is not None and replacing.state == ENDED else None
    names = client_names.choose_names(profile, freed, replacing)
    request = ApprovalRequest(profile, flow, names, listener, progress)
    _describe_name(names, request.name, profile, progress, freed=False)
    if former is None:
        request.open()
    return request


def _wait_for_session(
    request: ApprovalRequest,
    profile: Profile,
    requested_at: int,
    listener: Listener,
    stdin: StandardInput,
    progress: Progress,
) -> Session:
    """Return the session of the first answer that the deployment accepts. A rejected answer does not end the wait, because
    anybody may have sent it and the genuine one may still come. Raises TimedOut, TcenvError."""
    end = time.monotonic() + profile.timeout
    rejection: CredentialsRejected | None = None
    stdin.watch(opened=request.opened, insisted=profile.no_browser, on_enter=request.ask_for_next_name)
    request.show(pasting=stdin.source is not None, enter=stdin.is_terminal)
    core_dumps.hide_memory()
    while True:
        try:
            credentials = request.wait(end, stdin.source)
        except BaseException as stop:
            stop.add_note(_say_to_close_page(listener))
            raise
        if credentials is None:
            break
        _try_step(progress, partial(request.note_unconfirmed, credentials))
        progress.show_verifying()
        try:
            return verify(profile, request.scopes, credentials, requested_at, end, progress)
        except CredentialsRejected as error:
            goes_on = error.reason != "clock" and time.monotonic() < end
            _show_failure(listener, profile, error, goes_on=goes_on)
            request.reject(credentials, error, goes_on=goes_on)
            rejection = error
            if not goes_on:
                break
            listener.reopen()
        except Exception as error:
            _show_failure(listener, profile, error)
            raise
    if rejection is not None and rejection.reason == "clock":
        raise DeploymentError(f"The browser's answer is invalid: {rejection.message}", rejection.hint)
    if rejection is not None:
        raise DeploymentError(
            f"The browser sent no valid answer in time. About the last one: {rejection.message} {_say_to_close_page(listener)}",
            Hint("To approve again, run:", make_login_command(profile.argument)),
        )
    raise TimedOut(
        f"Nobody approved in the browser in time. {_say_to_close_page(listener)}", request.advise_after_timeout()
    )


def _say_to_close_page(listener: Listener) -> str:
    return _CLOSE_PAGE if listener.is_held else _CLOSE_PAGE_ON_FREE_PORT


def _describe_name(names: client_names.Names, name: str, profile: Profile, progress: Progress, *, freed: bool) -> None:
    """Tell the user whether the name may be taken, and which scopes the sign-in adds for deleting clients."""
    if not profile.no_self_delete:
        sentence, has_room = client_names.describe_deletion_scopes(names, name, profile.scopes)
        if sentence and has_room:
            progress.note_once("self-delete", sentence)
        elif sentence:
            # How much room there is depends on this sign-in's scopes.
            progress.note(sentence)
    if names.unsure:
        progress.note(
            "Each name that tcenv uses here was taken, and this deployment does not say which ones are free now. If the page "
            "says “Client already exists”, ask for the next name."
        )
    elif name != profile.client_name:
        progress.note(f"The name {profile.client_name} was taken when tcenv last heard of it, so it asks for {name}.")
    elif names.insisted and names.taken and not freed:
        progress.note(
            f"The name {name} was taken when tcenv last heard of it. If the page says “Client already exists”, change the "
            "Client ID there, or leave out --name."
        )


def _store_session(session: Session, store: Store, progress: Progress) -> bool:
    """Store the session and return whether that worked. A failure is no error: this process has the only copy and hands it to
    the shell."""
    try:
        store.save(session)
        return True
    except (TcenvError, OSError) as error:
        reason = error.message if isinstance(error, TcenvError) else error.strerror or str(error)
        progress.warn(f"The session could not be stored, so only this shell has it: {reason}")
        return False


def _note_roles(session: Session, store: Store, *, kept: bool) -> Session:
    """Return the session with the scopes that its roles cover, which shorten the headers of calls. Stores this session
    if the old one is `kept`. Returns the session unchanged if the deployment does not show its roles."""
    known = replace(session, expansions=expansions.fetch(session))
    if kept and known != session:
        with suppress(TcenvError, OSError):
            if store.load(session.profile) == session:
                store.save(known)
    return known


def _try_step(progress: Progress, step: Callable[[], object]) -> None:
    """Run a step that the session does not depend on. If it fails, warn."""
    try:
        step()
    except Exception as error:
        progress.warn(error.message if isinstance(error, TcenvError) else f"{type(error).__name__} after the sign-in.")


def _show_failure(listener: Listener, profile: Profile, error: Exception, *, goes_on: bool = False) -> None:
    try:
        listener.finish(pages.describe_failure(profile, error, goes_on=goes_on))
    except OSError:
        return


def _clean_up(
    session: Session, request: ApprovalRequest, replacing: Session | None, store: Store, progress: Progress
) -> None:
    names = request.names
    if (
        names is not None
        and request.deletion_scopes
        and session.credentials.client_id != names.make_client_id(request.name)
    ):
        progress.note(
            "You changed the Client ID on the page, so the session does not have the scope to delete this client: "
            f"{', '.join(request.deletion_scopes)} does not cover it."
        )
    if replacing is not None:
        client_names.delete_replaced(replacing, session, progress.note)
    client_names.delete_unused(session, store, progress.note)


def _find_client_to_delete(profile: Profile, replacing: Session | None, progress: Progress) -> Session | None:
    """Return the session whose client to delete before the approval, or None.

    That needs a terminal, where a person can approve, and a live session that may delete its client and has the requested name.
    Raises DeploymentError if the deployment is out, because its page does not work then."""
    if replacing is None or not replacing.is_live() or not os.isatty(2) or not client_names.may_delete(replacing):
        return None
    if replacing.name != profile.client_name:
        return None
    from tcenv.deployment.auth import Deployment

    try:
        deployment = Deployment(
            profile.root_url, deadline=time.monotonic() + profile.timeout, argument=profile.argument
        )
        deployment.confirm(replacing.credentials)
    except (CredentialsRejected, Refused) as error:
        if isinstance(error, CredentialsRejected):
            known_clients.note_rejection(replacing.root_url, replacing.credentials.client_id, error.reason)
        progress.note(f"{error.message} So {replacing.credentials.client_id} is unchanged.")
        return None
    return replacing


def _delete_former(old: Session, store: Store, progress: Progress) -> None:
    """Delete the client of the session that is replaced."""
    client_id = old.credentials.client_id
    try:
        deleted = client_names.delete(old, old)
    except DeploymentError as error:
        progress.note(
            f"The former client {client_id} could not be deleted, so the page may say that it exists: {error.message}"
        )
        return
    store.save(old.mark_ended())
    if deleted:
        progress.note(f"Deleted the former client {client_id}, so that the new one can have its name.")
