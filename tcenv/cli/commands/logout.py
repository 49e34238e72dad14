"""Carry out `tcenv logout`: forget the session, delete its client, and unload it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from tcenv.cli.terminal import messages
from tcenv.cli.terminal.shell_output import print_change, render_statements
from tcenv.config import profile as profiles
from tcenv.errors import (
    CredentialsRejected,
    DamagedSession,
    DeploymentError,
    Hint,
    NotSignedIn,
    StoreError,
    TcenvError,
    UsageError,
)
from tcenv.portholder import messages as holder_files
from tcenv.sessions import known_clients, name_series
from tcenv.sessions.profile_names import get_display_name, is_profile_name
from tcenv.sessions.session import ENDED, RESETTING, Session
from tcenv.sessions.stores import Store, list_stores, open_store
from tcenv.sessions.traces import remove
from tcenv.shells import environment
from tcenv.signin import client_names

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o

# How long to wait for the deployments (seconds, for all clients together).
_TIMEOUT = 4.0


class _SignOut:
    """A session to sign out of, and the outcome for its client. `is_dead` is true if the token no longer works, and `outcome`
    is the sentence about that. Else there may be a `failure`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.is_dead = False
        self.outcome = ""
        self.failure: TcenvError | None = None

    def delete_client(self) -> None:
        client_id, root_url = self.session.credentials.client_id, self.session.root_url
        try:
            if client_names.delete(self.session, self.session):
                self.outcome = f"Deleted {client_id} on {root_url}: its token no longer works."
            else:
                self.outcome = f"{client_id} was deleted before on {root_url}."
            self.is_dead, self.failure = True, None
        except CredentialsRejected as rejection:
            self.is_dead = rejection.reason in client_names.DEAD_TOKEN_REASONS
            self.failure = None if self.is_dead else rejection
            self.outcome = f"The token of {client_id} no longer works. {rejection.message}"
        except TcenvError as error:
            self.failure = error


class Options(NamedTuple):
    """Forget the session, delete its client, and unload it from this shell.

    Deletes the client if tcenv created it and the session has the scope for that. Works without a network too.

    Examples:
        eval "$(tcenv logout)"
        eval "$(tcenv logout --keep-client)"
        tcenv logout --all
    """

    profile: o.ProfileArgument = None
    keep_client: o.KeepClient = False
    delete_client: o.DeleteClient = False
    everything: o.Everywhere = False
    forget: o.Forget = False
    timeout: o.RequestTimeout = None
    shell: o.Shell = None


def run(options: Options) -> int:
    """Forget the session of a profile, or all sessions, in every store. Delete their clients if tcenv made them, and print
    the statements that unload them from this shell. Returns 1 if `--delete-client` could not delete a client: its session
    stays then, so that the user can try again."""
    if options.delete_client and options.keep_client:
        raise UsageError("Use either --delete-client or --keep-client.")
    if options.forget and not options.everything:
        raise UsageError("--forget needs --all.", Hint(("tcenv", "logout", "--all", "--forget")))
    render_statements({}, options.shell)
    # The option or the profile may allow less.
    timeout = min(_TIMEOUT, profiles.resolve_timeout(options.profile, options.timeout))
    stores = list_stores(open_store(profiles.read_store_name(), messages.warn))
    if options.everything:
        for store in stores:
            store.clear()
        names = sorted({name for store in stores for name in store.list_profiles()})
        if not names:
            messages.note("There was no session.")
    else:
        name, root_url = _find_profile(options.profile, stores)
        names = [name]
    loaded = environment.read_loaded(os.environ)
    found = sign_out(
        names, stores, keep=options.keep_client, insist=options.delete_client, forget=options.forget, timeout=timeout
    )
    if len(found) < len(names):
        return 1
    if options.forget:
        _forget_this_machine()
    if not options.everything and not found[names[0]]:
        messages.note(f"There was no session of {get_display_name(names[0], root_url) if root_url else names[0]}.")
    unloads = loaded and (loaded.profile in names or options.everything)
    print_change(environment.make_unloading(os.environ) if unloads else {}, options.shell)
    return 0


def _forget_this_machine() -> None:
    left = remove()
    held = [path for path in left if os.path.basename(path) in (holder_files.SOCKET, holder_files.LOCK)]
    if held:
        messages.note(
            f"{holder_files.NAME}, a process, still holds the port of an earlier sign-in or proxy. It ends by itself after at "
            f"most 15 minutes (a proxy: 24 hours), and then removes its files in {os.path.dirname(held[0])}."
        )
    left = [path for path in left if path not in held]
    if left:
        messages.note(f"In use, and not removed: {', '.join(left)}.")
    elif not held:
        messages.confirm("Removed what tcenv remembered on this machine.")


def sign_out(
    names: list[str],
    stores: list[Store],
    *,
    keep: bool = False,
    insist: bool = False,
    forget: bool = False,
    timeout: float = _TIMEOUT,
) -> dict[str, bool]:
    """Forget the sessions of the profiles `names` in all `stores`, then delete their clients: all with `insist`, none with
    `keep`, else those that tcenv made and that the session may delete. Reports what became of each. With `forget`, no later
    sign-in will know of these clients.

    Changes the stores first: a session that stays there must not have a dead token. Returns for each profile whether there
    was a session. Leaves out a profile whose session stays, because its store cannot be changed or `insist` has failed."""
    sign_outs = {name: [_SignOut(session) for session in list_sessions(stores, name)] for name in names}
    found = {}
    for name in names:
        try:
            if insist:
                _mark_as_resetting(stores, sign_outs[name])
            else:
                found[name] = _forget(stores, name)
        except StoreError as error:
            messages.report_error(error)
            messages.hint(f"{name} is still signed in, and its client was not deleted.")
            del sign_outs[name]
    if not keep:
        every = [one for own in sign_outs.values() for one in own]
        _delete_clients(
            [one for one in every if insist or (_is_made_by_tcenv(one.session) and _can_delete(one.session))], timeout
        )
    for name, own in sign_outs.items():
        if insist:
            if any(one.failure for one in own):
                _clear_mark(stores, own)
                _report_failures(own)
                continue
            found[name] = _forget(stores, name)
        if found[name]:
            messages.confirm(f"Signed out of {get_display_name(name, own[0].session.root_url) if own else name}.")
        for one in own:
            _report_client(one, keep=keep, forget=forget)
    return found


def _forget(stores: list[Store], name: str) -> bool:
    """Remove the session of `name` from all stores. Returns whether there was one. Raises StoreError."""
    found = False
    for store in stores:
        found |= store.forget(name)
    return found


def _mark_as_resetting(stores: list[Store], sign_outs: list[_SignOut]) -> None:
    """Mark the stored sessions as possibly dead, so that the next command asks the deployment if this one is interrupted.
    Raises StoreError."""
    for store, session in _list_copies(stores, sign_outs):
        store.save(replace(session, state=RESETTING))


def _clear_mark(stores: list[Store], sign_outs: list[_SignOut]) -> None:
    """Remove the mark. If that fails, the next command asks the deployment in vain."""
    for store, session in _list_copies(stores, sign_outs):
        with suppress(StoreError):
            store.save(session)


def _list_copies(stores: list[Store], sign_outs: list[_SignOut]) -> Iterator[tuple[Store, Session]]:
    """Yield each session with every store that has it."""
    for one in sign_outs:
        for store in stores:
            with suppress(DamagedSession):
                stored = store.load(one.session.profile)
                if stored is not None and stored.credentials == one.session.credentials:
                    yield store, one.session


def _find_profile(argument: str | None, stores: list[Store]) -> tuple[str, str | None]:
    """Return the profile to sign out of, and its root URL if that is known. Raises UsageError if the profile is not
    configured, is not loaded here, and has no session."""
    found = environment.read_loaded(os.environ)
    loaded = found and found.profile
    try:
        chosen = profiles.resolve(argument)
    except TcenvError as error:
        name = argument or os.environ.get(environment.PROFILE)
        if isinstance(error, NotSignedIn) or not name or not is_profile_name(name):
            raise
        if name == loaded or any(name in store.list_profiles() for store in stores):
            return name, None
        raise
    known = chosen.is_configured or chosen.name == loaded
    if argument and not known and not any(chosen.name in store.list_profiles() for store in stores):
        raise profiles.UnknownProfile(
            f"{argument} is not a profile and has no session.",
            Hint(("tcenv", "profile", "list"), "shows who is signed in where."),
        )
    return chosen.name, chosen.root_url


def list_sessions(stores: list[Store], name: str) -> list[Session]:
    """Return the sessions of `name` in all stores, each client once."""
    found: dict[str, Session] = {}
    for store in stores:
        try:
            session = store.load(name)
        except DamagedSession as damaged:
            messages.warn(f"{damaged.message} Its client stays until it expires.")
            continue
        if session is not None and session.credentials.certificate is None:
            found.setdefault(session.credentials.access_token, session)
    return list(found.values())


def _is_made_by_tcenv(session: Session) -> bool:
    """Return whether tcenv made the session's client, under its own name."""
    known = _find_known_client(session)
    name = name_series.get_name(session.credentials.client_id, session.name)
    return (known is None or known.made) and name in name_series.list_names(session.name)


def _find_known_client(session: Session) -> known_clients.KnownClient | None:
    """Return what tcenv remembers of the session's client, or None."""
    client_id = session.credentials.client_id
    return next((known for known in known_clients.list_clients(session.root_url) if known.client_id == client_id), None)


def _can_delete(session: Session) -> bool:
    return client_names.may_delete(session) or (session.scopes is None and not session.asked)


def _delete_clients(sign_outs: list[_SignOut], timeout: float) -> None:
    """Delete the clients on their deployments, all at once, for at most `timeout` seconds."""
    threads = []
    for one in sign_outs:
        if one.session.is_live() and one.session.state != ENDED:
            one.failure = DeploymentError(f"{one.session.root_url} has not answered in time.")
            threads.append(threading.Thread(target=one.delete_client, daemon=True))
            threads[-1].start()
        else:
            one.is_dead = True
    end = time.monotonic() + timeout
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _report_failures(sign_outs: list[_SignOut]) -> None:
    for one in sign_outs:
        if one.failure is not None:
            messages.report_error(one.failure)
            messages.hint(
                f"{one.session.credentials.client_id} expires by itself. To sign out without deleting it:",
                ("tcenv", "logout", one.session.stored_argument, "--keep-client"),
            )


def _report_client(sign_out: _SignOut, *, keep: bool, forget: bool) -> None:
    """Say what became of a client: whether its token still works, and who deletes it."""
    session = sign_out.session
    if sign_out.is_dead:
        if sign_out.outcome:
            messages.confirm(sign_out.outcome)
    elif session.is_live() and session.state != ENDED:
        if sign_out.failure is not None:
            messages.warn(f"The client could not be deleted: {sign_out.failure.message}")
        elif keep or not _is_made_by_tcenv(session):
            known_clients.note_without_session(session.root_url, session.credentials.client_id)
        messages.note(client_names.describe_live_token(session))
        known = _find_known_client(session)
        if known is not None and known.place and not forget:
            messages.note("The next sign-in deletes it if it has the scope for that.")
