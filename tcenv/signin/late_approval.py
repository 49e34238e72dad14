"""Handle an approval that came after its sign-in had ended: delete the client, which nobody can use, and say so in the
browser.

The port holder starts this file as a script (`python -I`) and passes what it received through standard input. The page goes
back through standard output (see `portholder.late_answer`)."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from tcenv.config import profile as profiles
from tcenv.deployment.auth import Deployment
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import covers
from tcenv.errors import CredentialsRejected, Refused, StoreError, TcenvError
from tcenv.portholder import messages
from tcenv.sessions import known_clients, name_series
from tcenv.sessions.known_clients import KnownClient
from tcenv.sessions.lock import sign_in_lock
from tcenv.sessions.stores import load_session, open_store
from tcenv.signin import client_names
from tcenv.signin.pages import describe_late_approval, respond_with_detour, respond_with_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from tcenv.portholder.messages import Table
    from tcenv.sessions.stores import Store
    from tcenv.signin.pages import Outcome

    Tell = Callable[[Outcome], None]

# Seconds for asking the deployment, while the browser waits for the page.
_PATIENCE = 15.0
# Seconds after which the page says that it waits for another sign-in.
_GRACE = 3.0
# Seconds to wait for another sign-in to the same profile: as long as a port is held.
_LONGEST_WAIT = 15 * 60.0


class _Kept(Exception):
    """The client stays, for a reason that completes "it was not deleted: …"."""


def settle(details: Table, received: Credentials, tell: Tell) -> None:
    """Delete the client of `received` if it is the one that the sign-in described by `details` asked for, and if no stored
    session has it; `tell` is given the pages that say so, the last one last."""
    client_id, root_url, argument = received.client_id, details["root_url"], details["argument"]

    def page(what: str, *, deleted: bool = False) -> Outcome:
        return describe_late_approval(root_url, argument, client_id, what, deleted=deleted)

    def say_that_it_waits() -> None:
        tell(page("Another sign-in to the same profile is going on. After that, tcenv deletes this client."))

    # What has just been killed may have left a process that holds its lock for a moment.
    waiting = threading.Timer(_GRACE, say_that_it_waits)
    waiting.daemon = True
    try:
        _check_name(details, client_id)
        with sign_in_lock(details["profile"], _LONGEST_WAIT, waiting.start):
            waiting.cancel()
            _delete(details, received)
        tell(page("It was deleted, so its token no longer works.", deleted=True))
    except (_Kept, TcenvError) as reason:
        tell(page(f"It was not deleted: {str(reason).rstrip('.')}."))


def _check_name(details: Table, client_id: str) -> None:
    """Raise _Kept unless the client is one that the sign-in asked for, as far as its name tells."""
    if details["flow"] == "new":
        # It gives a client that was there before a new token.
        raise _Kept("it may be older than this sign-in")
    name = next((name for name in details["names"].split("\n") if client_id.endswith(f"/{name}")), None)
    if name is None:
        raise _Kept("it does not have the name that this sign-in requested")
    prefix = details.get("prefix") or known_clients.find_prefix(details["root_url"], details["series"])
    if prefix and client_id != prefix + name:
        raise _Kept("it is not your client")


def _delete(details: Table, received: Credentials) -> None:
    """Delete the client, with its own token or with the profile's session. Raises _Kept, TcenvError."""
    root_url, client_id = details["root_url"], received.client_id
    # First, in case this process is killed: its name is taken, and nobody has its token.
    _note(details, client_id)
    deployment = Deployment(root_url, until=time.monotonic() + _PATIENCE, argument=details["argument"])
    try:
        # The token is this client's: the deployment has accepted its signature.
        confirmed = deployment.confirm(received)
    except CredentialsRejected:
        known_clients.forget_unconfirmed(root_url, client_id)
        raise
    store = open_store(profiles.read_store_name())
    try:
        kept = client_names.list_kept_clients(store, root_url)
    except StoreError as error:
        raise _Kept(f"tcenv cannot tell whether a session uses it ({error.message.rstrip('.')})") from None
    if client_id in kept:
        raise _Kept("one of your sessions uses it")
    by = [received] if confirmed.scopes is None or covers(confirmed.scopes, client_names.DELETE + client_id) else []
    by += _find_credentials(details, client_id, store)
    for credentials in by:
        try:
            deployment.delete_client(credentials, client_id)
        except Refused:
            continue
        known_clients.forget(root_url, client_id)
        return
    raise _Kept("neither its token nor your session has the scope for that")


def _note(details: Table, client_id: str) -> None:
    name = name_series.get_name(client_id, details["series"])
    expires = int(time.time()) + int(details["lifetime"])
    known_clients.remember(
        details["root_url"],
        KnownClient(name, client_id, expires, details["series"], confirmed=False, process=os.getpid()),
    )


def _find_credentials(details: Table, client_id: str, store: Store) -> list[Credentials]:
    """Return the credentials of the profile's stored session if it may delete the client."""
    session = load_session(store, details["profile"], details["root_url"], lambda text: None)
    if session is None or not session.is_live() or not client_names.may_delete(session, client_id):
        return []
    return [session.credentials]


def main() -> NoReturn:
    """Read the approval and settle it."""
    buffer = bytearray()
    while data := os.read(0, 65536):
        buffer += data
    (details,) = messages.take_tables(buffer)
    sys.path[:] = details["search"].split(os.pathsep)

    def tell(outcome: Outcome) -> None:
        os.write(1, messages.encode({"page": respond_with_page(outcome).decode()}))

    os.write(1, messages.encode({"detour": respond_with_detour(details["onward"]).decode()}))
    settle(details, Credentials(details["client_id"], details["access_token"]), tell)
    os._exit(0)


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    main()
