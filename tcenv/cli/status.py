"""`tcenv status`."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from typing import Any

from tcenv.cli import messages
from tcenv.cli.statements import evaluation_line
from tcenv.errors import CredentialsRejected, DeploymentError, TcenvError
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, load_session, open_store
from tcenv.settings import profile as profiles
from tcenv.settings.behind import behind
from tcenv.shells import environment
from tcenv.text import duration, moment, printable

_FEW = 12


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Tell who is signed in where: on stderr for people, on stdout as JSON. 3 when nobody is, or not any more."""
    offline, as_json = options.get("offline", False), options.get("as_json", False)
    profile = profiles.resolve(argument, {})
    store = open_store(profiles.store_name())
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    facts: dict[str, Any] = {
        "signed_in": False,
        "profile": profile.name,
        "root_url": profile.root_url,
        "store": store.name,
        "verified": False,
        "problem": None,
    }
    if session is None:
        facts["problem"] = "not signed in"
    else:
        _describe(session, facts)
        if session.is_live() and not offline:
            _verify(session, store, facts, profile.timeout)
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        _show(session, facts, profile.argument)
    return 0 if facts["signed_in"] else 3


def _describe(session: Session, facts: dict[str, Any]) -> None:
    facts.update(
        signed_in=session.is_live(),
        client_id=session.credentials.client_id,
        expires=datetime.fromtimestamp(session.expires, UTC).isoformat().replace("+00:00", "Z"),
        expires_in=max(0, int(session.expires - time.time())),
        scopes=None if session.scopes is None else list(session.scopes),
        loaded=_loaded(session),
    )
    if not session.is_live():
        facts["problem"] = "expired"


def _loaded(session: Session) -> str:
    """Whether the shell that asks has this session: `yes`, `no`, `stale` (an older token of it), `temporary`, `proxy` (it has
    none, and calls through one), or `other`."""
    variables = os.environ
    around = behind()
    if around is not None and around.is_meant_by(variables.get(environment.ROOT_URL)):
        return "proxy" if around.profile == session.profile else "other"
    token = variables.get(environment.ACCESS_TOKEN)
    if not token:
        return "no"
    if variables.get(environment.CERTIFICATE):
        return "temporary" if variables.get(environment.PROFILE) == session.profile else "other"
    if token == session.credentials.access_token:
        return "yes"
    return "stale" if variables.get(environment.PROFILE) == session.profile else "other"


def _verify(session: Session, store: Store, facts: dict[str, Any], timeout: float) -> None:
    """Ask the deployment. A session that it rejects for good is forgotten, so that the next `login` makes a new one."""
    from tcenv.deployment.auth import Deployment

    try:
        vouched = Deployment(session.root_url, until=time.monotonic() + timeout).vouch(session.credentials)
    except CredentialsRejected as rejection:
        facts.update(signed_in=False, problem=f"{rejection.reason}: {rejection.message}", hint=rejection.hint)
        if rejection.reason in ("expired", "disabled", "deleted", "bad-token") and _is_stored(session, store):
            store.forget(session.profile)
        return
    except DeploymentError as error:
        facts.update(problem=f"not verified: {error.message}", hint=error.hint)
        return
    facts["verified"] = True
    if vouched.scopes is not None:
        facts["scopes"] = list(vouched.scopes)
    if vouched.client is not None:
        facts["expires"] = datetime.fromtimestamp(vouched.client.expires, UTC).isoformat().replace("+00:00", "Z")


def _is_stored(session: Session, store: Store) -> bool:
    """Whether the store still has this session: another terminal may have renewed it while the deployment was asked."""
    try:
        stored = store.load(session.profile)
    except TcenvError:
        return False
    return stored is not None and stored.credentials == session.credentials


def _show(session: Session | None, facts: dict[str, Any], argument: str) -> None:
    from rich.table import Table
    from rich.text import Text

    if session is None:
        messages.warn(f"Not signed in to {facts['profile']} ({facts['root_url']}).")
        messages.hint(f"Sign in: tcenv login {argument}")
        return
    table = Table.grid(padding=(0, 2))
    state = "verified with the deployment" if facts["verified"] else "not verified"
    left = duration(session.expires - time.time())
    rows = [
        ("client", session.credentials.client_id),
        ("deployment", session.root_url),
        ("profile", f"{session.profile} (store: {facts['store']})"),
        ("good until", f"{moment(session.expires)} ({left})" if session.is_live() else "expired"),
        ("state", state),
        ("this shell", _LOADED[facts["loaded"]].format(evaluation_line(f"env {argument}", None))),
        ("scopes", _scopes(facts["scopes"])),
    ]
    for label, value in rows:
        table.add_row(Text(label, style="dim"), Text("\n".join(printable(line) for line in value.split("\n"))))
    messages.console().print(table)
    if facts["problem"]:
        messages.warn(facts["problem"])
    if facts.get("hint"):
        messages.hint(facts["hint"])


_LOADED = {
    "yes": "has it loaded",
    "no": "has not loaded it",
    "stale": "has an older token of it; for the new one: {}",
    "temporary": "has temporary credentials cut from it",
    "proxy": "has no token, and calls through a proxy",
    "other": "has other credentials",
}


def _scopes(scopes: list[str] | None) -> str:
    if scopes is None:
        return "the deployment does not tell"
    more = [f"and {len(scopes) - _FEW} more (--json has all)"] if len(scopes) > _FEW else []
    return "\n".join([*scopes[:_FEW], *more]) or "none"
