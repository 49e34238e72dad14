"""Make temporary credentials from a live session without a call to the deployment. They hold no more scopes than the
session and end no later. Imports almost nothing (hot path)."""

from __future__ import annotations

import os
import time

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.scopes import check_scope, covers, remove_covered
from tcenv.deployment.temporary import LONGEST_LIFETIME, mint
from tcenv.errors import Hint, NotSignedIn, UsageError, login_command
from tcenv.sessions.name_series import without_ending
from tcenv.sessions.profile_names import argument_of, stored_argument_of
from tcenv.sessions.session_file import generation_of
from tcenv.shells import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tcenv.sessions.session import Session


def loading(session: Session, scopes: Sequence[str], term: str | None) -> dict[str, str | None]:
    """Return the change that loads temporary credentials into an environment. `scopes` are their scopes (none: all that
    the session holds), `term` how long they last (fromNow text; None: as long as the session, at most 31 days). Raises
    UsageError, NotSignedIn."""
    if session.credentials.certificate is not None:
        raise UsageError(
            "What this shell has loaded are temporary credentials already, and none can be cut from those.",
            Hint("Load the session itself:", login_command(session.argument)),
        )
    values = cut(session.fields(), session.scopes, session.asked, scopes, term)
    return environment.loading(values, os.environ)


def cut(
    fields: Mapping[str, str], held: Sequence[str] | None, asked: Sequence[str], scopes: Sequence[str], term: str | None
) -> dict[str, str]:
    """Make temporary credentials from the parts of a session's file (see `session_file.decode`). Returns values by
    variable."""
    now, end = int(time.time()), int(fields[environment.EXPIRES])
    if now >= end:
        raise NotSignedIn(
            f"The session of {fields[environment.PROFILE]} has expired.",
            Hint("Sign in again:", login_command(_argument(fields))),
        )
    client_id = fields[environment.CLIENT_ID]
    expires = min(end, now + LONGEST_LIFETIME)
    if term is not None:
        seconds = parse_expires(term)
        if seconds > LONGEST_LIFETIME:
            raise UsageError("Temporary credentials last 31 days at most.", "Accepted: --for 15m, 8h, 31d.")
        expires = min(expires, now + seconds)
    if held is not None:
        held = without_ending(held, asked, client_id, fields["NAME"])
    elif not scopes:
        raise UsageError("This deployment does not tell what the session holds.", "Name scopes: --scope S")
    check_held(held, scopes, fields)
    wanted = remove_covered(scopes or held or ())
    try:
        token, certificate = mint(client_id, fields[environment.ACCESS_TOKEN], wanted, now, expires)
    except UsageError as error:
        hint = error.hint or Hint("Name those that are needed, as patterns where that says it: --scope 'queue:*'")
        raise UsageError(error.message, hint) from None
    return {
        environment.GENERATION: generation_of(token),
        environment.ROOT_URL: fields[environment.ROOT_URL],
        environment.CLIENT_ID: client_id,
        environment.ACCESS_TOKEN: token,
        environment.CERTIFICATE: certificate,
        environment.PROFILE: fields[environment.PROFILE],
        environment.EXPIRES: str(expires),
    }


def check_held(held: Sequence[str] | None, scopes: Sequence[str], fields: Mapping[str, str]) -> None:
    """Raise UsageError for a text that is no scope, and for a scope that the session does not hold (`held` is None:
    unknown). With such a scope every call fails. `fields` are those of the session."""
    for scope in scopes:
        check_scope(scope)
    missing = [scope for scope in scopes if held is not None and not covers(held, scope)]
    if missing:
        raise UsageError(
            f"The session does not hold {', '.join(missing)}.",
            instead_of(fields, scopes),
        )


def instead_of(fields: Mapping[str, str], scopes: Sequence[str]) -> Hint:
    """Return the hint for a user who wants `scopes` that the session with these `fields` does not hold."""
    held = stored_argument_of(fields[environment.PROFILE], fields[environment.ROOT_URL])
    words = [word for scope in scopes for word in ("--scope", scope)]
    return Hint(
        "What it holds:",
        ("tcenv", "scopes", held),
        ". To sign in with these:",
        login_command(_argument(fields), "--reset", *words),
    )


def _argument(fields: Mapping[str, str]) -> str:
    return argument_of(fields[environment.PROFILE], fields[environment.ROOT_URL])
