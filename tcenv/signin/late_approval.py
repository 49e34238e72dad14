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
from tcenv.sessions import known_clients
from tcenv.sessions.lock import hold_sign_in_lock
from tcenv.sessions.stores import load_session, open_store
from tcenv.signin import client_names
from tcenv.signin.pages import describe_late_approval, respond_with_detour, respond_with_page

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from tcenv.portholder.messages import Table
    from tcenv.sessions.stores import Store
    from tcenv.signin.pages import Outcome

    ShowPage = Callable[[Outcome], None]

# Seconds for asking the deployment, while the browser waits for the page.
_TIMEOUT = 15.0
# Seconds after which the page says that it waits for another sign-in.
_GRACE = 3.0
# Seconds to wait for another sign-in to the same profile: as long as a port is held.
_MAX_WAIT = 15 * 60.0


class _NotDeleted(Exception):
    """tcenv does not delete the client. The text is the reason, without a full stop."""


def handle(details: Table, received: Credentials, show_page: ShowPage) -> None:
    """Delete the client of `received` if the sign-in with these `details` asked for it, and if no stored session has it. Passes
    pages that say so to `show_page`; the last one is final."""
    client_id, root_url, argument = received.client_id, details["root_url"], details["argument"]

    def show(sentence: str, *, deleted: bool = False) -> None:
        show_page(describe_late_approval(root_url, argument, client_id, sentence, deleted=deleted))

    # Not at once: a process of a sign-in that was just killed may hold the lock for a moment.
    sentence = "Another sign-in to the same profile is going on. After that, tcenv deletes this client."
    timer = threading.Timer(_GRACE, show, (sentence,))
    timer.daemon = True
    try:
        _check_name(details, client_id)
        with hold_sign_in_lock(details["profile"], _MAX_WAIT, timer.start):
            timer.cancel()
            _delete(details, received)
        show("It was deleted, so its token no longer works.", deleted=True)
    except (_NotDeleted, TcenvError) as reason:
        show(f"It was not deleted: {str(reason).rstrip('.')}.")


def _check_name(details: Table, client_id: str) -> None:
    """Raise _NotDeleted unless the name of the client is one that the sign-in asked for."""
    if details["flow"] == "new":
        # That page gives a new token to a client that may have existed before.
        raise _NotDeleted("it may be older than this sign-in")
    name = next((name for name in details["names"].split("\n") if client_id.endswith(f"/{name}")), None)
    if name is None:
        raise _NotDeleted("it does not have the name that this sign-in requested")
    prefix = details.get("prefix") or known_clients.find_prefix(details["root_url"], details["series"])
    if prefix and client_id != prefix + name:
        raise _NotDeleted("it is not your client")


def _delete(details: Table, received: Credentials) -> None:
    """Delete the client, with its own token or with the profile's session. Raises _NotDeleted, TcenvError."""
    root_url, client_id = details["root_url"], received.client_id
    # First, in case this process is killed: the name is taken, and nobody has the token.
    series, lifetime = details["series"], int(details["lifetime"])
    client_names.remember_unconfirmed(root_url, client_id, series, series, lifetime)
    deployment = Deployment(root_url, deadline=time.monotonic() + _TIMEOUT, argument=details["argument"])
    try:
        confirmed = deployment.confirm(received)
    except CredentialsRejected:
        known_clients.forget_unconfirmed(root_url, client_id)
        raise
    store = open_store(profiles.read_store_name())
    try:
        kept = client_names.list_kept_clients(store, root_url)
    except StoreError as error:
        raise _NotDeleted(f"tcenv cannot tell whether a session uses it ({error.message.rstrip('.')})") from None
    if client_id in kept:
        raise _NotDeleted("one of your sessions uses it")
    signers = _find_credentials(details, client_id, store)
    if confirmed.scopes is None or covers(confirmed.scopes, client_names.DELETE_CLIENT + client_id):
        signers.insert(0, received)
    for credentials in signers:
        try:
            deployment.delete_client(credentials, client_id)
        except Refused:
            continue
        known_clients.forget(root_url, client_id)
        return
    raise _NotDeleted("neither its token nor your session has the scope for that")


def _find_credentials(details: Table, client_id: str, store: Store) -> list[Credentials]:
    """Return the credentials of the profile's stored session if it may delete the client."""
    session = load_session(store, details["profile"], details["root_url"], lambda text: None)
    if session is None or not session.is_live() or not client_names.may_delete(session, client_id):
        return []
    return [session.credentials]


def main() -> NoReturn:
    """Read the approval from standard input, and handle it."""
    buffer = bytearray()
    while data := os.read(0, 65536):
        buffer += data
    (details,) = messages.take_tables(buffer)
    sys.path[:] = details["search"].split(os.pathsep)

    def show_page(outcome: Outcome) -> None:
        os.write(1, messages.encode({"page": respond_with_page(outcome).decode()}))

    os.write(1, messages.encode({"detour": respond_with_detour(details["onward"]).decode()}))
    handle(details, Credentials(details["client_id"], details["access_token"]), show_page)
    os._exit(0)


if __name__ == "__main__":
    sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    main()
