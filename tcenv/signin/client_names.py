"""Choose the name of a new client from what is remembered, without a network; and delete clients that are no longer needed.

Today's page refuses a name that is taken, and an expired client keeps its name until the deployment's nightly purge. So names
come from a bounded series, and the first one is asked for again as soon as it is free."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from tcenv.config.profile import Profile
from tcenv.deployment.limits import MOST_SCOPES
from tcenv.deployment.scopes import covers
from tcenv.errors import CredentialsRejected, DamagedSession, DeploymentError, Hint, TcenvError, login_command
from tcenv.sessions import known_clients, name_series
from tcenv.sessions.known_clients import KnownClient, choose_two
from tcenv.sessions.name_series import list_names
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, describe_place, list_stores
from tcenv.text import duration, moment

if TYPE_CHECKING:
    from tcenv.deployment.auth import Deployment

DELETE = "auth:delete-client:"
# Seconds for deleting what is no longer needed.
_PATIENCE = 30.0


@dataclass(frozen=True)
class Names:
    """The `free` names in the order in which to ask for them, and the `taken` clients of the series.

    `prefix` is what the deployment puts before this user's names (their own clientId and a slash), None until a sign-in has shown
    it. `insisted` says that the user wants this one name."""

    asked: str
    prefix: str | None
    free: tuple[str, ...]
    taken: tuple[KnownClient, ...]
    insisted: bool = False

    def client_id(self, name: str) -> str | None:
        """Return the clientId of a client called `name`, None until the prefix is known."""
        return None if self.prefix is None else self.prefix + name

    @property
    def orphaned(self) -> tuple[str, ...]:
        """The names of clients whose tokens nobody has. The new session frees them."""
        return tuple(client.name for client in self.taken if _is_ours(client, self.prefix) and client.is_orphan)

    def deletion_scopes(self, name: str, scopes: tuple[str, ...], *, wanted: bool = True) -> tuple[str, ...]:
        """Return the scopes with which a client called `name` may delete itself, the other one of its series and those whose
        tokens were lost, as far as `scopes` lack them and the page has room; none where they are not `wanted`."""
        missing = self.missing_deletion_scopes(name, scopes) if wanted else []
        return tuple(missing[: max(0, MOST_SCOPES - len(scopes))])

    def missing_deletion_scopes(self, name: str, scopes: tuple[str, ...]) -> list[str]:
        """Return the scopes for deleting these clients that `scopes` lack."""
        if self.prefix is None:
            return []
        names = (name,) if self.insisted else (*choose_two(self.asked, name), *self.orphaned)
        needed = [f"{DELETE}{self.prefix}{other}" for other in dict.fromkeys(names)]
        return [scope for scope in needed if not covers(scopes, scope)]


def choose_names(profile: Profile, replacing: Session | None = None) -> Names:
    """Return the names to ask today's page for. `replacing` is a session whose client will be deleted before the answer comes,
    so its name is free and comes first.

    Leaves a name alone that the user insists on. Raises TcenvError where all names are taken."""
    known = known_clients.list_clients(profile.root_url)
    own = [client for client in known if client.asked == profile.client_name]
    prefix = known_clients.find_prefix(profile.root_url, profile.client_name)
    if "name" in profile.insisted:
        taken = tuple(client for client in known if client.name == profile.client_name and _is_taken(client))
        return Names(profile.client_name, prefix, (profile.client_name,), taken, insisted=True)
    in_series = list_names(profile.client_name)
    # The user once typed this name on the page, because the first one was taken.
    edited = [client.name for client in reversed(own) if client.made and client.name not in in_series]
    candidates = dict.fromkeys([in_series[0], *edited[:1], *in_series[1:]])
    if replacing is not None:
        name = name_series.get_name(replacing.credentials.client_id, replacing.name)
        candidates = dict.fromkeys([name, *candidates]) if name in candidates else candidates
    ended = replacing.credentials.client_id if replacing is not None else None
    in_the_way = {
        client.name: client
        for client in known
        if client.name in candidates
        and client.client_id != ended
        and (_is_taken(client) or client.asked != profile.client_name)
    }
    free = tuple(name for name in candidates if name not in in_the_way)
    found = Names(profile.client_name, prefix, free, tuple(in_the_way.values()))
    if not free:
        raise _all_taken(profile, found)
    return found


def _is_ours(client: KnownClient, prefix: str | None) -> bool:
    """Return whether tcenv made a client, in a series, for the user with this `prefix`. What only a browser said may be about
    anybody's client."""
    return client.made and client.client_id == f"{prefix}{client.name}" and client.name in list_names(client.asked)


def _is_taken(client: KnownClient) -> bool:
    return time.time() < client.purged_by()


def _all_taken(profile: Profile, found: Names) -> TcenvError:
    """Return the error for when no name is left. It names the clients and their ends."""
    listed = ", ".join(f"{client.client_id} (until {moment(client.expires)})" for client in found.taken)
    return TcenvError(
        f"All names that tcenv uses here are taken on {profile.root_url}: {listed}.",
        Hint(
            "Ask for another one:",
            login_command(profile.argument, "--name", f"{profile.client_name}-new"),
            f". Or delete one of them on its page: {client_page(profile.root_url, found.taken[0].client_id)}",
        ),
    )


def client_page(root_url: str, client_id: str) -> str:
    """Return the address of a client's page, where it can be deleted."""
    return f"{root_url}/auth/clients/{quote(client_id, safe='')}"


def describe_deletion_scopes(found: Names, name: str, scopes: tuple[str, ...], *, wanted: bool) -> str | None:
    """Say which right to delete clients is asked for; None where there is nothing to say."""
    asked = found.deletion_scopes(name, scopes, wanted=wanted)
    missing = found.missing_deletion_scopes(name, scopes) if wanted else []
    if not missing:
        return None
    if not asked:
        return f"The page takes {MOST_SCOPES} scopes at most: there is no room for the scope to delete this client."
    room = "" if len(asked) == len(missing) else f"; there is no room for more than {MOST_SCOPES} scopes"
    return (
        f"Also asked for: {' and '.join(asked)}, so that a reset or logout can delete this client (--no-self-delete leaves "
        f"it out{room})."
    )


def remember(session: Session, page_name: str, *, made: bool = True, kept_in: str = "") -> None:
    """Remember the client that the page made when it was asked for `page_name`. If it has another name, `page_name` is taken.

    `made` says that the client is new (the older page may have reset an existing one), `kept_in` where its session is (see
    `stores.place`)."""
    client_id = session.credentials.client_id
    given = name_series.get_name(client_id, page_name)
    if given != page_name:
        prefix = client_id.rpartition("/")[0]
        known = {client.client_id for client in known_clients.list_clients(session.root_url)}
        if prefix and f"{prefix}/{page_name}" not in known:
            taken = KnownClient(page_name, f"{prefix}/{page_name}", session.expires, session.name, made=False)
            known_clients.remember(session.root_url, taken)
    known_clients.remember(
        session.root_url, KnownClient(given, client_id, session.expires, session.name, made, place=kept_in)
    )


def may_delete(session: Session, client_id: str | None = None) -> bool:
    """Return whether the session's scopes, as far as they are known, let it delete `client_id` (None: its own client)."""
    held = session.scopes if session.scopes is not None else session.asked
    return covers(held, DELETE + (client_id or session.credentials.client_id))


def delete(session: Session, by: Session) -> bool:
    """Delete the client of `session` with the credentials of the session `by`. Return True: its token is dead now. Raises
    DeploymentError."""
    client_id = session.credentials.client_id
    try:
        from tcenv.deployment.auth import Deployment

        Deployment(session.root_url, argument=session.argument).delete_client(by.credentials, client_id)
    except CredentialsRejected as rejection:
        # The client is gone already. For any other reason (a wrong clock) it may live.
        if by is not session or rejection.reason not in ("expired", "disabled", "deleted", "bad-token"):
            raise
    known_clients.forget(session.root_url, client_id)
    return True


def delete_replaced(old: Session, new: Session, say: Callable[[str], None]) -> None:
    """Delete the client of a session that another one has replaced, with either of the two. If neither may, say until when its
    token is good and where to delete it."""
    client_id = old.credentials.client_id
    if not old.is_live() or client_id == new.credentials.client_id or old.root_url != new.root_url:
        return
    for by in (new, old):
        if may_delete(by, client_id):
            with suppress(DeploymentError):
                if delete(old, by):
                    say(f"Deleted the former client {client_id}: its token no longer works.")
                    return
    say(describe_live_token(old))


def describe_live_token(session: Session) -> str:
    """Return a sentence about a token that outlives its session."""
    client_id = session.credentials.client_id
    left = duration(session.expires - time.time())
    return (
        f"The token of {client_id} works until {moment(session.expires)} ({left}). To end it earlier, delete the client: "
        f"{client_page(session.root_url, client_id)}"
    )


def delete_unused(session: Session, store: Store, say: Callable[[str], None]) -> None:
    """Delete the clients of the series that nobody can use, which frees their names: the expired ones, and those whose session
    was in this store and is gone (after a reboot, or the end of the last login). Ignores what it may not or cannot delete."""
    from tcenv.deployment.auth import Deployment

    deployment = Deployment(session.root_url, until=time.monotonic() + _PATIENCE, argument=session.argument)
    here, own = describe_place(store), session.credentials.client_id
    prefix = own[: len(own) - len(name_series.get_name(own, session.name))]
    for known in known_clients.list_clients(session.root_url):
        client_id = known.client_id
        is_lost = (bool(here) and known.place == here and known.confirmed) or (
            known.is_orphan and _is_ours(known, prefix)
        )
        if (
            known.asked != session.name
            or not known.made
            or client_id == own
            or not (known.expires <= time.time() or is_lost)
            or not may_delete(session, client_id)
            or (is_lost and client_id in list_kept_clients(store, session.root_url))
        ):
            continue
        with suppress(DeploymentError):
            if known.expires <= time.time() and _is_prolonged(deployment, client_id, session):
                continue
            deployment.delete_client(session.credentials, client_id)
            known_clients.forget(session.root_url, client_id)
            if known.expires > time.time():
                say(f"Deleted the former client {client_id}, whose session was lost.")


def _is_prolonged(deployment: Deployment, client_id: str, session: Session) -> bool:
    """Return whether the deployment has a later end for a client than the one that has passed."""
    try:
        facts = deployment.look(client_id, session.credentials)
    except PermissionError:
        return False  # it does not tell; nobody else uses a client that tcenv made
    return facts is not None and facts.expires > time.time()


def list_kept_clients(store: Store, root_url: str) -> set[str]:
    """Return the clients of a deployment whose sessions are in any store of this user's. Raises StoreError."""
    found = set()
    for one in list_stores(store):
        for name in one.profiles():
            with suppress(DamagedSession):
                session = one.load(name)
                if session is not None and session.root_url == root_url:
                    found.add(session.credentials.client_id)
    return found
