"""`tcenv logout`."""

from __future__ import annotations

import os
from typing import Any

from tcenv.cli import messages
from tcenv.cli.statements import print_change, statements
from tcenv.errors import DamagedSession, TcenvError
from tcenv.sessions import clients
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, open_store
from tcenv.settings import profile as profiles
from tcenv.shells import environment


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Forget the session of a profile, or all; print the statements that unset what is loaded. Exit status 1 if a client
    was to be deleted and could not be: its session is kept then, so that it can be tried again."""
    delete_client, everything = options.get("delete_client", False), options.get("everything", False)
    shell = options.get("shell")
    unloading = environment.unloading(os.environ)
    statements(unloading, shell)
    store = open_store(profiles.store_name())
    names = store.profiles() if everything else [_profile_name(argument)]
    status = 0
    for name in names:
        if delete_client and not _deleted_client(store, name):
            status = 1
        elif store.forget(name):
            messages.done(f"Signed out of {name}.")
        elif not everything:
            messages.note(f"There was no session of {name}.")
    if everything and not names:
        messages.note("There was no session.")
    if status == 0:
        # What another profile has loaded stays.
        print_change(unloading if os.environ.get(environment.PROFILE) in names else {}, shell)
    return status


def _profile_name(argument: str | None) -> str:
    """What is loaded here, when nothing else is named: a profile that has left the configuration can be signed out of too."""
    loaded = os.environ.get("TCENV_PROFILE")
    try:
        return profiles.resolve(argument, {}).name
    except profiles.NoDeployment:
        raise
    except TcenvError:
        from tcenv.sessions.key import is_profile_name

        name = argument or loaded
        if name and is_profile_name(name):
            return name
        raise


def _deleted_client(store: Store, name: str) -> bool:
    """Delete the client of the session of `name` on its deployment; True where none is left."""
    from tcenv.deployment.auth import Deployment

    session: Session | None
    try:
        session = store.load(name)
    except DamagedSession as damaged:
        messages.warn(f"{damaged.message} Its client is left to expire.")
        return True
    if session is None:
        return True
    client_id = session.credentials.client_id
    try:
        Deployment(session.root_url).delete_client(session.credentials, client_id)
    except TcenvError as error:
        messages.error(error)
        messages.hint(f"{client_id} ends by itself. To sign out without deleting it: tcenv logout {name}")
        return False
    clients.forget(session.root_url, client_id)
    messages.done(f"Deleted {client_id} on {session.root_url}.")
    return True
