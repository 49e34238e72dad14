"""Which client name to ask for, decided from what is remembered and without a network. Today's page refuses a name that is taken,
and an expired client keeps its name until the deployment's nightly purge; so the name comes from a bounded series, the first
again as soon as it is free. Also: which scopes let a client end itself, and ending the clients that are no longer needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from tcenv.config.profile import Profile
from tcenv.deployment.limits import MOST_SCOPES
from tcenv.deployment.scopes import covers
from tcenv.errors import CredentialsRejected, DamagedSession, DeploymentError, Hint, TcenvError, login_command
from tcenv.sessions import known_clients
from tcenv.sessions.known_clients import KnownClient, series, two_of
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, everywhere, place
from tcenv.text import duration, moment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.deployment.auth import Deployment

DELETE = "auth:delete-client:"
# How long tidying up may take altogether (seconds).
_PATIENCE = 30.0


@dataclass(frozen=True)
class Names:
    """The names that may be asked for: `free` ones in the order in which to ask (the next for when one turns out to be taken),
    and the `taken` clients of the series. `prefix` is what the deployment puts before this user's names (their own clientId
    and a slash), None until a sign-in has told it. `insisted`: the user wants the one name and no other."""

    asked: str
    prefix: str | None
    free: tuple[str, ...]
    taken: tuple[KnownClient, ...]
    insisted: bool = False

    def client_id(self, name: str) -> str | None:
        """The clientId that `name` would have, None until the prefix is known."""
        return None if self.prefix is None else self.prefix + name

    @property
    def orphaned(self) -> tuple[str, ...]:
        """The taken names that clients hold whose tokens nobody has: the new session is to free them."""
        return tuple(client.name for client in self.taken if _is_ours(client, self.prefix) and client.is_orphan)

    def ending(self, name: str, scopes: tuple[str, ...], *, wanted: bool = True) -> tuple[str, ...]:
        """The scopes with which a client called `name` may end itself, the other one of its series and those whose tokens were
        lost, as far as `scopes` (those asked for) do not include them and the page has room; none where they are not `wanted`."""
        missing = self.not_ending(name, scopes) if wanted else []
        return tuple(missing[: max(0, MOST_SCOPES - len(scopes))])

    def not_ending(self, name: str, scopes: tuple[str, ...]) -> list[str]:
        """The scopes for ending a client called `name`, and the other one of its series, that `scopes` do not include."""
        if self.prefix is None:
            return []
        names = (name,) if self.insisted else (*two_of(self.asked, name), *self.orphaned)
        needed = [f"{DELETE}{self.prefix}{other}" for other in dict.fromkeys(names)]
        return [scope for scope in needed if not covers(scopes, scope)]


def names(profile: Profile, replacing: Session | None = None) -> Names:
    """The names to ask today's page for, without asking anybody. The client of the session that is being replaced is
    `replacing` where it will be ended before the answer comes: its name is free then, and the first.

    A name that the user insists on is never altered. Raises TcenvError where all names are taken, with their ends."""
    known = known_clients.known(profile.root_url)
    own = [client for client in known if client.asked == profile.client_name]
    prefix = known_clients.prefix(profile.root_url, profile.client_name)
    if "name" in profile.insisted:
        taken = tuple(client for client in known if client.name == profile.client_name and _is_taken(client))
        return Names(profile.client_name, prefix, (profile.client_name,), taken, insisted=True)
    in_series = series(profile.client_name)
    # A name that the user typed on the page once, because this one was taken, is as good as the series'.
    edited = [client.name for client in reversed(own) if client.made and client.name not in in_series]
    candidates = dict.fromkeys([in_series[0], *edited[:1], *in_series[1:]])
    if replacing is not None:
        name = known_clients.name_of(replacing.credentials.client_id, replacing.name)
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
        raise all_taken(profile, found)
    return found


def _is_ours(client: KnownClient, prefix: str | None) -> bool:
    """Whether a client is one that tcenv made, of the series, and of the user with this `prefix`: what a browser alone has said
    may have been anybody's."""
    return client.made and client.client_id == f"{prefix}{client.name}" and client.name in series(client.asked)


def _is_taken(client: KnownClient) -> bool:
    return time.time() < client.purged_by()


def all_taken(profile: Profile, found: Names) -> TcenvError:
    """The error for when no name is left, with the clients and their ends."""
    listed = ", ".join(f"{client.client_id} (until {moment(client.expires)})" for client in found.taken)
    return TcenvError(
        f"All names of this series are taken on {profile.root_url}: {listed}.",
        Hint(
            "Ask for another one:",
            login_command(profile.argument, "--name", f"{profile.client_name}-new"),
            f". Or end one of them on its page: {client_page(profile.root_url, found.taken[0].client_id)}",
        ),
    )


def client_page(root_url: str, client_id: str) -> str:
    """The address of a client's own page, where it can be deleted."""
    from urllib.parse import quote

    return f"{root_url}/auth/clients/{quote(client_id, safe='')}"


def told(found: Names, name: str, scopes: tuple[str, ...], *, wanted: bool) -> str | None:
    """What to say on the wait of the client's right to end itself; None where there is nothing to say."""
    asked = found.ending(name, scopes, wanted=wanted)
    missing = found.not_ending(name, scopes) if wanted else []
    if not missing:
        return None
    if not asked:
        return f"The page takes {MOST_SCOPES} scopes at most: there is no room for the right to end this client early."
    room = "" if len(asked) == len(missing) else f"; there is no room for more than {MOST_SCOPES} scopes"
    return (
        f"Also asked for: {' and '.join(asked)}, so that a reset or a logout can end this client (--no-self-delete leaves "
        f"it out{room})."
    )


def remember(session: Session, page_name: str, *, made: bool = True, kept_in: str = "") -> None:
    """Note the client that the deployment gave when it was asked for `page_name`. Another one than was asked for tells that the
    asked one is taken. `made` says whether the page cannot but have made it (the older page may have reset another's), `kept_in`
    where its session is (see `stores.place`)."""
    client_id = session.credentials.client_id
    given = known_clients.name_of(client_id, page_name)
    if given != page_name:
        prefix = client_id.rpartition("/")[0]
        known = {client.client_id for client in known_clients.known(session.root_url)}
        if prefix and f"{prefix}/{page_name}" not in known:
            taken = KnownClient(page_name, f"{prefix}/{page_name}", session.expires, session.name, made=False)
            known_clients.remember(session.root_url, taken)
    known_clients.remember(
        session.root_url, KnownClient(given, client_id, session.expires, session.name, made, place=kept_in)
    )


def may_end(session: Session, client_id: str | None = None) -> bool:
    """Whether the session's scopes, as far as they are known, let it delete `client_id` (None: its own)."""
    held = session.scopes if session.scopes is not None else session.asked
    return covers(held, DELETE + (client_id or session.credentials.client_id))


def end(session: Session, by: Session) -> bool:
    """Delete the client of `session` with the credentials of the session `by`; True where its token is dead now. Raises
    DeploymentError where the deployment cannot be asked."""
    client_id = session.credentials.client_id
    try:
        from tcenv.deployment.auth import Deployment

        Deployment(session.root_url, argument=session.argument).delete_client(by.credentials, client_id)
    except CredentialsRejected as rejection:
        # Its own word that it is no more is as good; anything else (a clock) leaves it alive.
        if by is not session or rejection.reason not in ("expired", "disabled", "deleted", "bad-token"):
            raise
    known_clients.forget(session.root_url, client_id)
    return True


def end_replaced(old: Session, new: Session, say: Callable[[str], None]) -> None:
    """End the client of a session that another one has replaced, with whichever of the two may; where neither may, say until
    when its token is good and where to end it."""
    client_id = old.credentials.client_id
    if not old.is_live() or client_id == new.credentials.client_id or old.root_url != new.root_url:
        return
    for by in (new, old):
        if may_end(by, client_id):
            with suppress(DeploymentError):
                if end(old, by):
                    say(f"The former client {client_id} is deleted: its token is no longer good.")
                    return
    say(still_good(old))


def still_good(session: Session) -> str:
    """The sentence for a token that outlives its session."""
    client_id = session.credentials.client_id
    left = duration(session.expires - time.time())
    return (
        f"The token of {client_id} stays good until {moment(session.expires)} ({left}); to end it earlier, delete the client: "
        f"{client_page(session.root_url, client_id)}"
    )


def tidy(session: Session, store: Store, say: Callable[[str], None]) -> None:
    """Delete the clients of the series that nobody has a use for any more, if the new session may: their names become free. Those
    are the expired ones, and those whose session was kept in this very store and has gone with it (a reboot, the end of the last
    login): the new one has taken its place. Not being able to is no error."""
    from tcenv.deployment.auth import Deployment

    deployment = Deployment(session.root_url, until=time.monotonic() + _PATIENCE, argument=session.argument)
    here, own = place(store), session.credentials.client_id
    prefix = own[: len(own) - len(known_clients.name_of(own, session.name))]
    for known in known_clients.known(session.root_url):
        client_id = known.client_id
        is_lost = (bool(here) and known.place == here and known.confirmed) or (
            known.is_orphan and _is_ours(known, prefix)
        )
        if (
            known.asked != session.name
            or not known.made
            or client_id == own
            or not (known.expires <= time.time() or is_lost)
            or not may_end(session, client_id)
            or (is_lost and client_id in kept_clients(store))
        ):
            continue
        with suppress(DeploymentError):
            if known.expires <= time.time() and _is_prolonged(deployment, client_id, session):
                continue
            deployment.delete_client(session.credentials, client_id)
            known_clients.forget(session.root_url, client_id)
            if known.expires > time.time():
                say(f"The former client {client_id}, whose session was lost, is deleted.")


def _is_prolonged(deployment: Deployment, client_id: str, session: Session) -> bool:
    """Whether the deployment knows a client whose end has come by a later one."""
    try:
        facts = deployment.look(client_id, session.credentials)
    except PermissionError:
        return False  # it does not tell; what tcenv made, and has used until its end, nobody else has
    return facts is not None and facts.expires > time.time()


def kept_clients(store: Store) -> set[str]:
    """Return the clients whose sessions are in any store of this user's. Raises StoreError."""
    found = set()
    for one in everywhere(store):
        for name in one.profiles():
            with suppress(DamagedSession):
                session = one.load(name)
                if session is not None:
                    found.add(session.credentials.client_id)
    return found
