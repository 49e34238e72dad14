"""Choose the name of a new client from the clients that tcenv remembers, and delete clients that are no longer needed.

The current page refuses a name that is taken. An expired client keeps its name until the deployment's nightly purge. So
names come from a bounded series, and tcenv asks for the first one again as soon as it is free."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from tcenv.config.profile import Profile
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.limits import MAX_SCOPES
from tcenv.deployment.scopes import covers
from tcenv.errors import CredentialsRejected, DamagedSession, DeploymentError, Hint, TcenvError, make_login_command
from tcenv.sessions import known_clients, name_series
from tcenv.sessions.known_clients import KnownClient
from tcenv.sessions.name_series import list_deletable_names, list_names
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, compute_store_id, list_stores
from tcenv.text import format_duration, format_time

if TYPE_CHECKING:
    from tcenv.deployment.auth import Deployment

DELETE_CLIENT = "auth:delete-client:"
# The reasons of a CredentialsRejected after which the token never works again, although the client exists.
DEAD_TOKEN_REASONS = ("expired", "disabled", "bad-token")
# Seconds to delete unused clients.
_TIMEOUT = 30.0


@dataclass(frozen=True)
class Names:
    """The `free` names in the order in which to ask for them, and the `taken` clients of the series.

    `prefix` is what the deployment puts before this user's names (their own clientId and a slash), None until the first
    sign-in. `insisted` says that the user wants this one name. `unsure` says that each name may be taken, because the
    deployment does not tell."""

    asked: str
    prefix: str | None
    free: tuple[str, ...]
    taken: tuple[KnownClient, ...]
    insisted: bool = False
    unsure: bool = False

    def make_client_id(self, name: str) -> str | None:
        """Return the clientId of a client called `name`, None until the prefix is known."""
        return None if self.prefix is None else self.prefix + name

    @property
    def orphaned(self) -> tuple[str, ...]:
        """The names of clients whose tokens nobody has. The new session frees them."""
        return tuple(
            client.name for client in self.taken if _is_made_by_tcenv(client, self.prefix) and client.is_orphan
        )

    def list_deletion_scopes(self, name: str, scopes: tuple[str, ...]) -> tuple[str, ...]:
        """Return the scopes with which a client called `name` may delete itself, the other one of its series and those whose
        tokens were lost, if `scopes` lack them and the page has room."""
        missing = self.list_missing_deletion_scopes(name, scopes)
        return tuple(missing[: max(0, MAX_SCOPES - len(scopes))])

    def list_missing_deletion_scopes(self, name: str, scopes: tuple[str, ...]) -> list[str]:
        """Return the scopes for deleting these clients that `scopes` lack."""
        if self.prefix is None:
            return []
        names = (name,) if self.insisted else (*list_deletable_names(self.asked, name), *self.orphaned)
        needed = [f"{DELETE_CLIENT}{self.prefix}{other}" for other in dict.fromkeys(names)]
        return [scope for scope in needed if not covers(scopes, scope)]


def choose_names(profile: Profile, replacing: Session | None = None, signer: Session | None = None) -> Names:
    """Return the names to request on the current page. The client of the session `replacing` is deleted before the answer
    comes, so its name is free and comes first.

    Keeps a name that the user insists on. If all names seem to be taken, asks the deployment, with the credentials of the
    session `signer` if that is live. Raises TcenvError if they are taken."""
    known = known_clients.list_clients(profile.root_url)
    of_series = [client for client in known if client.asked == profile.client_name]
    prefix = known_clients.find_prefix(profile.root_url, profile.client_name)
    if "name" in profile.insisted:
        taken = tuple(client for client in known if client.name == profile.client_name and _is_taken(client))
        return Names(profile.client_name, prefix, (profile.client_name,), taken, insisted=True)
    in_series = list_names(profile.client_name)
    # The user once typed this name on the page, because the first one was taken.
    typed_names = [client.name for client in reversed(of_series) if client.made and client.name not in in_series]
    candidates = dict.fromkeys([in_series[0], *typed_names[:1], *in_series[1:]])
    deleted_id = None
    if replacing is not None:
        deleted_id = replacing.credentials.client_id
        name = name_series.get_name(deleted_id, replacing.name)
        candidates = dict.fromkeys([name, *candidates]) if name in candidates else candidates
    taken_by_name = {
        client.name: client
        for client in known
        if client.name in candidates
        and client.client_id != deleted_id
        and (_is_taken(client) or client.asked != profile.client_name)
    }
    free = tuple(name for name in candidates if name not in taken_by_name)
    found = Names(profile.client_name, prefix, free, tuple(taken_by_name.values()))
    return found if free else _ask_again(profile, found, tuple(candidates), signer)


def _ask_again(profile: Profile, found: Names, candidates: tuple[str, ...], signer: Session | None) -> Names:
    """Ask the deployment which of the clients with these names still exist. Raises TcenvError if all of them do."""
    from tcenv.deployment.auth import Deployment

    deployment = Deployment(profile.root_url, deadline=time.monotonic() + profile.timeout, argument=profile.argument)
    credentials = None
    if signer is not None and signer.is_live() and signer.root_url == profile.root_url:
        credentials = signer.credentials
    gone, unsure = set(), False
    for client in found.taken:
        try:
            if _exists(deployment, client.client_id, credentials):
                continue
        except PermissionError:
            unsure = True
        except DeploymentError as error:
            raise _make_taken_error(profile, found, error.message) from None
        else:
            gone.add(client.name)
    if gone:
        taken = tuple(client for client in found.taken if client.name not in gone)
        return replace(found, free=tuple(name for name in candidates if name in gone), taken=taken)
    if unsure:
        return replace(found, free=candidates, unsure=True)
    raise _make_taken_error(profile, found)


def _exists(deployment: Deployment, client_id: str, credentials: Credentials | None) -> bool:
    """Return whether the deployment has this client, and forget one that it does not have. Raises DeploymentError, and
    PermissionError if the deployment does not tell."""
    try:
        facts = deployment.find_client(client_id, credentials)
    except CredentialsRejected:
        if credentials is None:
            raise
        facts = deployment.find_client(client_id)
    if facts is None:
        known_clients.forget(deployment.root_url, client_id)
    return facts is not None


def _is_made_by_tcenv(client: KnownClient, prefix: str | None) -> bool:
    """Return whether tcenv made the client, in a series, for the user with this `prefix`. A clientId that only a browser
    reported may be anybody's."""
    return client.made and client.client_id == f"{prefix}{client.name}" and client.name in list_names(client.asked)


def _is_taken(client: KnownClient) -> bool:
    return time.time() < client.compute_purge_time()


def _make_taken_error(profile: Profile, found: Names, problem: str = "") -> TcenvError:
    """Return the error for the case that no name is free. It lists the clients and when they expire, and the `problem` with
    asking the deployment."""
    listed = ", ".join(f"{client.client_id} (until {format_time(client.expires)})" for client in found.taken)
    return TcenvError(
        f"All names that tcenv uses here are taken on {profile.root_url}: {listed}.{problem and f' {problem}'}",
        Hint(
            "Ask for another one:",
            make_login_command(profile.argument, "--name", f"{profile.client_name}-new"),
            f". Or delete one of them on its page: {get_client_page(profile.root_url, found.taken[0].client_id)}",
        ),
    )


def get_client_page(root_url: str, client_id: str) -> str:
    """Return the address of a client's page, where the user can delete it."""
    return f"{root_url}/auth/clients/{quote(client_id, safe='')}"


def describe_deletion_scopes(names: Names, name: str, scopes: tuple[str, ...]) -> tuple[str, bool]:
    """Return a sentence about the scopes to delete clients that the sign-in asks for ("" if it needs none), and whether the
    page has room for all of them."""
    asked = names.list_deletion_scopes(name, scopes)
    missing = names.list_missing_deletion_scopes(name, scopes)
    if not missing:
        return "", True
    if not asked:
        return (
            f"The page takes {MAX_SCOPES} scopes at most: there is no room for the scope to delete this client.",
            False,
        )
    has_room = len(asked) == len(missing)
    room = "" if has_room else f"; there is no room for more than {MAX_SCOPES} scopes"
    return (
        f"Also asked for: {' and '.join(asked)}, so that a reset or logout can delete this client (--no-self-delete leaves "
        f"it out{room})."
    ), has_room


def remember(session: Session, page_name: str, *, made: bool = True, place: str = "") -> None:
    """Remember the client that the page made for the requested `page_name`. If the client has another name, remember that
    `page_name` is taken.

    `made` says that the client is new (the older page may have reset an existing one). `place` is the id of the store
    that keeps its session (see `stores.compute_store_id`)."""
    client_id = session.credentials.client_id
    given = name_series.get_name(client_id, page_name)
    if given != page_name:
        prefix = client_id.rpartition("/")[0]
        known = {client.client_id for client in known_clients.list_clients(session.root_url)}
        if prefix and f"{prefix}/{page_name}" not in known:
            taken = KnownClient(page_name, f"{prefix}/{page_name}", session.expires, session.name, made=False)
            known_clients.remember(session.root_url, taken)
    known_clients.remember(
        session.root_url, KnownClient(given, client_id, session.expires, session.name, made, place=place)
    )


def remember_unconfirmed(root_url: str, client_id: str, page_name: str, series: str, lifetime: int) -> None:
    """Remember a client that the page made when it was asked for `page_name`, before the deployment confirms it. It lasts for
    `lifetime` seconds at most."""
    name, expires = name_series.get_name(client_id, page_name), int(time.time()) + lifetime
    known_clients.remember(
        root_url, KnownClient(name, client_id, expires, series, confirmed=False, process=os.getpid())
    )


def may_delete(session: Session, client_id: str | None = None) -> bool:
    """Return whether the session's known scopes let it delete `client_id` (None: its own client)."""
    held = session.scopes if session.scopes is not None else session.asked
    return covers(held, DELETE_CLIENT + (client_id or session.credentials.client_id))


def delete(session: Session, signer: Session) -> bool:
    """Delete the client of `session` with the credentials of the session `signer`. Return False if there was no such client any
    more. Raises DeploymentError."""
    from tcenv.deployment.auth import Deployment

    client_id = session.credentials.client_id
    deployment = Deployment(session.root_url, argument=session.argument)
    try:
        if signer is not session:
            # The deployment does not say whether it had the client that it deletes.
            with suppress(PermissionError):
                if not _exists(deployment, client_id, signer.credentials):
                    return False
        deployment.delete_client(signer.credentials, client_id)
    except CredentialsRejected as rejection:
        known_clients.note_rejection(session.root_url, signer.credentials.client_id, rejection.reason)
        if signer is not session or rejection.reason != "deleted":
            raise
        return False
    known_clients.forget(session.root_url, client_id)
    return True


def delete_replaced(old: Session, new: Session, note: Callable[[str], None]) -> None:
    """Delete the client of the session `old`, which `new` has replaced, with the credentials of either. If neither may
    delete it, or their names differ, pass a sentence to `note`: when the old token expires, and on which page to delete
    the client."""
    client_id = old.credentials.client_id
    if not old.is_live() or client_id == new.credentials.client_id or old.root_url != new.root_url:
        return
    if old.name != new.name:
        known_clients.note_without_session(old.root_url, client_id)
        note(describe_live_token(old))
        return
    for signer in (new, old):
        if may_delete(signer, client_id):
            try:
                if delete(old, signer):
                    note(f"Deleted the former client {client_id}: its token no longer works.")
                return
            except CredentialsRejected as rejection:
                if signer is old and rejection.reason in DEAD_TOKEN_REASONS:
                    return
            except DeploymentError:
                continue
    note(describe_live_token(old))


def describe_live_token(session: Session) -> str:
    """Return a sentence about a token that outlives its session."""
    client_id = session.credentials.client_id
    left = format_duration(session.expires - time.time())
    return (
        f"The token of {client_id} works until {format_time(session.expires)} ({left}). To end it earlier, delete the client: "
        f"{get_client_page(session.root_url, client_id)}"
    )


def delete_unused(session: Session, store: Store, note: Callable[[str], None]) -> None:
    """Delete the clients of the series that nobody can use, which frees their names: the expired ones, and those whose
    session was in this store and is gone (after a reboot, a logout, or the end of the last login). Ignores what it may not
    or cannot delete, and forgets those that the deployment does not have."""
    from tcenv.deployment.auth import Deployment

    deployment = Deployment(session.root_url, deadline=time.monotonic() + _TIMEOUT, argument=session.argument)
    place, own_id = compute_store_id(store), session.credentials.client_id
    prefix = own_id[: len(own_id) - len(name_series.get_name(own_id, session.name))]
    for known in known_clients.list_clients(session.root_url):
        client_id = known.client_id
        if known.asked != session.name or client_id == own_id:
            continue
        is_over = known.expires <= time.time()
        is_lost = (bool(place) and known.place == place and known.confirmed) or (
            known.is_orphan and _is_made_by_tcenv(known, prefix)
        )
        is_unused = is_over or (is_lost and client_id not in list_kept_clients(store, session.root_url))
        with suppress(DeploymentError, PermissionError):
            if not (known.made and is_unused and may_delete(session, client_id)):
                _exists(deployment, client_id, session.credentials)
            elif _can_delete(deployment, known, session):
                deployment.delete_client(session.credentials, client_id)
                known_clients.forget(session.root_url, client_id)
                if not is_over:
                    note(f"Deleted the former client {client_id}, which no session uses.")


def _can_delete(deployment: Deployment, known: KnownClient, session: Session) -> bool:
    """Return whether a client may be deleted: the deployment has it, and has not extended it beyond the end that tcenv knows."""
    try:
        facts = deployment.find_client(known.client_id, session.credentials)
    except PermissionError:
        return True  # the deployment does not say, and nobody else uses a client that tcenv made
    if facts is None:
        known_clients.forget(session.root_url, known.client_id)
    return facts is not None and (known.expires > time.time() or facts.expires <= time.time())


def list_kept_clients(store: Store, root_url: str) -> set[str]:
    """Return the clients of a deployment whose sessions are in any store of this user's. Raises StoreError."""
    kept = set()
    for each_store in list_stores(store):
        for profile in each_store.list_profiles():
            with suppress(DamagedSession):
                session = each_store.load(profile)
                if session is not None and session.root_url == root_url:
                    kept.add(session.credentials.client_id)
    return kept
