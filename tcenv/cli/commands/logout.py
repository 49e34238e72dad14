"""`tcenv logout`."""

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

# Do not wait longer for a missing network (seconds, for all clients together).
_PATIENCE = 4.0


class _Ending:
    """A session to sign out of, and what became of its client. `dead` is true if the token no longer works, and `said` is
    the sentence about that. Else there is a `failure`."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.dead = False
        self.said = ""
        self.failure: TcenvError | None = None

    def delete(self) -> None:
        client_id, root_url = self.session.credentials.client_id, self.session.root_url
        try:
            deleted = client_names.delete(self.session, self.session)
            self.said = (
                f"Deleted {client_id} on {root_url}: its token no longer works."
                if deleted
                else f"{client_id} was deleted before on {root_url}."
            )
            self.dead, self.failure = True, None
        except CredentialsRejected as rejection:
            dead = rejection.reason in client_names.DEAD
            self.dead, self.failure = dead, None if dead else rejection
            self.said = f"The token of {client_id} no longer works. {rejection.message}"
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
    timeout: o.Patience = None
    shell: o.Shell = None


def run(options: Options) -> int:
    """Forget the session of a profile, or all sessions, in every store. Delete their clients if tcenv made them, and print
    the statements that unload them from this shell. Returns 1 if `--delete-client` could not delete a client: its session
    stays then, so that the user can try again."""
    insisted, kept = options.delete_client, options.keep_client
    if insisted and kept:
        raise UsageError("Use either --delete-client or --keep-client.")
    if options.forget and not options.everything:
        raise UsageError("--forget needs --all.", Hint(("tcenv", "logout", "--all", "--forget")))
    shell = options.shell
    render_statements({}, shell)
    # The option or the profile may allow less.
    patience = min(_PATIENCE, profiles.resolve_timeout(options.profile, options.timeout))
    places = list_stores(open_store(profiles.read_store_name(), messages.warn))
    if options.everything:
        for store in places:
            store.clear()
        names = sorted({name for store in places for name in store.list_profiles()})
        if not names:
            messages.note("There was no session.")
    else:
        name, root_url = _find_profile(options.profile, places)
        names = [name]
    loaded = environment.read_loaded(os.environ)
    ended = sign_out(names, places, kept=kept, insisted=insisted, forgets=options.forget, patience=patience)
    if len(ended) < len(names):
        return 1
    if options.forget:
        _forget_this_machine()
    if not options.everything and not ended[names[0]]:
        messages.note(f"There was no session of {get_display_name(names[0], root_url) if root_url else names[0]}.")
    unloads = loaded and (loaded.profile in names or options.everything)
    print_change(environment.make_unloading(os.environ) if unloads else {}, shell)
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
    places: list[Store],
    *,
    kept: bool = False,
    insisted: bool = False,
    forgets: bool = False,
    patience: float = _PATIENCE,
) -> dict[str, bool]:
    """Forget the sessions of the profiles `names` in all `places`, then delete their clients: all if `insisted`, none if
    `kept`, else those that tcenv made and that the session may delete. Reports what became of each. With `forgets`, no later
    sign-in will know of these clients.

    Changes the stores first: a session that stays there must not have a dead token. Returns for each profile whether there
    was a session. Leaves out a profile whose session stays, because its store cannot be changed or `insisted` has
    failed."""
    endings = {name: [_Ending(session) for session in list_sessions(places, name)] for name in names}
    there = {}
    for name in names:
        try:
            if insisted:
                _mark(places, endings[name])
            else:
                there[name] = _forget(places, name)
        except StoreError as error:
            messages.report_error(error)
            messages.hint(f"{name} is still signed in, and its client was not deleted.")
            del endings[name]
    wanted = [
        ending
        for own in endings.values()
        for ending in own
        if insisted or (_is_own(ending.session) and _may_delete(ending.session))
    ]
    _delete(wanted if not kept else [], patience)
    result = {}
    for name, own in endings.items():
        if insisted and any(ending.failure for ending in own):
            _unmark(places, own)
            _refuse(own)
            continue
        result[name] = there[name] if name in there else _forget(places, name)
        if result[name]:
            messages.confirm(f"Signed out of {get_display_name(name, own[0].session.root_url) if own else name}.")
        for ending in own:
            _tell(ending, kept=kept, forgets=forgets)
    return result


def _forget(places: list[Store], name: str) -> bool:
    """Remove the session of `name` from all stores. Returns whether there was one. Raises StoreError."""
    found = False
    for store in places:
        found |= store.forget(name)
    return found


def _mark(places: list[Store], endings: list[_Ending]) -> None:
    """Mark the stored sessions as possibly dead, so that the next command asks the deployment if this one is interrupted.
    Raises StoreError."""
    for store, session in _list_copies(places, endings):
        store.save(replace(session, state=RESETTING))


def _unmark(places: list[Store], endings: list[_Ending]) -> None:
    """Remove the mark. If that fails, the next command asks the deployment in vain."""
    for store, session in _list_copies(places, endings):
        with suppress(StoreError):
            store.save(session)


def _list_copies(places: list[Store], endings: list[_Ending]) -> Iterator[tuple[Store, Session]]:
    """Yield each session with every store that has it."""
    for ending in endings:
        for store in places:
            with suppress(DamagedSession):
                stored = store.load(ending.session.profile)
                if stored is not None and stored.credentials == ending.session.credentials:
                    yield store, ending.session


def _find_profile(argument: str | None, places: list[Store]) -> tuple[str, str | None]:
    """Return the profile to sign out of, and its root URL if that is known. A profile that is loaded here or has a session
    need not be configured. Raises UsageError for any other one that is not configured."""
    found = environment.read_loaded(os.environ)
    loaded = found and found.profile
    try:
        chosen = profiles.resolve(argument)
    except TcenvError as error:
        name = argument or os.environ.get(environment.PROFILE)
        if isinstance(error, NotSignedIn) or not name or not is_profile_name(name):
            raise
        if name == loaded or any(name in store.list_profiles() for store in places):
            return name, None
        raise
    known = chosen.is_configured or chosen.name == loaded
    if argument and not known and not any(chosen.name in store.list_profiles() for store in places):
        raise profiles.UnknownProfile(
            f"{argument} is not a profile and has no session.",
            Hint(("tcenv", "profile", "list"), "shows who is signed in where."),
        )
    return chosen.name, chosen.root_url


def list_sessions(places: list[Store], name: str) -> list[Session]:
    """Return the sessions of `name` in all stores, each client once."""
    found: dict[str, Session] = {}
    for store in places:
        try:
            session = store.load(name)
        except DamagedSession as damaged:
            messages.warn(f"{damaged.message} Its client stays until it expires.")
            continue
        if session is not None and session.credentials.certificate is None:
            found.setdefault(session.credentials.access_token, session)
    return list(found.values())


def _is_own(session: Session) -> bool:
    """Return whether tcenv made the session's client, under its own name."""
    client_id = session.credentials.client_id
    known = next(
        (known for known in known_clients.list_clients(session.root_url) if known.client_id == client_id), None
    )
    name = name_series.get_name(client_id, session.name)
    return (known is None or known.made) and name in name_series.list_names(session.name)


def _may_delete(session: Session) -> bool:
    return client_names.may_delete(session) or (session.scopes is None and not session.asked)


def _delete(endings: list[_Ending], patience: float) -> None:
    """Delete the clients on their deployments, all at once, for at most `patience` seconds."""
    threads = []
    for ending in endings:
        if ending.session.is_live() and ending.session.state != ENDED:
            ending.failure = DeploymentError(f"{ending.session.root_url} has not answered in time.")
            threads.append(threading.Thread(target=ending.delete, daemon=True))
            threads[-1].start()
        else:
            ending.dead = True
    end = time.monotonic() + patience
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _refuse(endings: list[_Ending]) -> None:
    for ending in endings:
        if ending.failure is not None:
            messages.report_error(ending.failure)
            client_id = ending.session.credentials.client_id
            messages.hint(
                f"{client_id} expires by itself. To sign out without deleting it:",
                ("tcenv", "logout", ending.session.stored_argument, "--keep-client"),
            )


def _tell(ending: _Ending, *, kept: bool, forgets: bool) -> None:
    session = ending.session
    if ending.dead:
        if ending.said:
            messages.confirm(ending.said)
    elif session.is_live() and session.state != ENDED:
        client_id = session.credentials.client_id
        if ending.failure is None and (kept or not _is_own(session)):
            known_clients.note_without_session(session.root_url, client_id)
        elif ending.failure is not None:
            messages.warn(f"The client could not be deleted: {ending.failure.message}")
        messages.note(client_names.describe_live_token(session))
        if not forgets and any(
            known.place and known.client_id == client_id for known in known_clients.list_clients(session.root_url)
        ):
            messages.note("The next sign-in deletes it if it has the scope for that.")
