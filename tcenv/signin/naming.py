"""Which client name to ask for. Today's page refuses a name that is taken, and an expired client keeps its name until the
deployment's nightly purge; so the name comes from a bounded series, the first again as soon as it is free."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from tcenv.deployment.auth import Deployment
from tcenv.deployment.scopes import covers
from tcenv.errors import DeploymentError
from tcenv.sessions import clients
from tcenv.sessions.clients import KnownClient
from tcenv.sessions.session import Session
from tcenv.settings.profile import Profile


def series(name: str) -> list[str]:
    """The names that stand for `name`, in the order in which they are tried."""
    return [name, *(f"{name}-{number}" for number in range(2, clients.SERIES + 1))]


def prefix_of(client: KnownClient) -> str:
    """What the deployment puts before the names of this user's clients: their own clientId and a slash."""
    if client.client_id.endswith("/" + client.name):
        return client.client_id[: -len(client.name)]
    return client.client_id.rpartition("/")[0] + "/"


def free_name(profile: Profile, deployment: Deployment, say: Callable[[str], None]) -> str:
    """The name to ask today's page for. One that the user insists on is never altered; that it is taken is said."""
    wanted = profile.client_name
    known = clients.known(profile.root_url)
    if not known:
        return wanted
    taken = _Taken(deployment, known)
    if "name" in profile.insisted:
        if taken(wanted):
            say(
                f"The name {wanted} is taken on this deployment: the page will say so. "
                "Change the Client ID there, or leave out --name."
            )
        return wanted
    in_series = series(wanted)
    # A name that the user typed on the page once, because this one was taken, is as good as the series'.
    edited = [client.name for client in reversed(known) if client.name not in in_series]
    candidates = [wanted, *dict.fromkeys(edited[:1]), *in_series[1:]]
    chosen = next((name for name in candidates if not taken(name)), wanted)
    if chosen != wanted:
        say(f"The name {wanted} is still taken on this deployment, so {chosen} is asked for this time.")
    return chosen


class _Taken:
    """Whether a name is taken: the deployment's word where it lets anybody look, else what is remembered."""

    def __init__(self, deployment: Deployment, known: tuple[KnownClient, ...]) -> None:
        self._deployment = deployment
        self._known = {client.name: client for client in known}
        self._prefix = prefix_of(known[-1])
        self._may_look = True

    def __call__(self, name: str) -> bool:
        remembered = self._known.get(name)
        if self._may_look:
            client_id = remembered.client_id if remembered else self._prefix + name
            try:
                return self._deployment.look(client_id) is not None
            except (PermissionError, DeploymentError):
                self._may_look = False
        return remembered is not None and time.time() < remembered.purged_by()


def remember(session: Session, asked_name: str) -> None:
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


def tidy(session: Session) -> None:
    """Delete the expired clients of the series, if the new session may: their names become free. Not being able to is no
    error, and a client that the deployment does not call expired is left alone."""
    names = series(session.name)
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
