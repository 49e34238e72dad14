"""Make temporary credentials from a live session without a call to the deployment. They hold no more scopes than the
session and end no later. Imports almost nothing (hot path)."""

from __future__ import annotations

import os
import time

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.scopes import check_scope, covers, intersect, remove_covered
from tcenv.deployment.temporary import LONGEST_LIFETIME, fits, mint
from tcenv.errors import Hint, NotSignedIn, UsageError, make_login_command
from tcenv.sessions.name_series import drop_deletion_scopes
from tcenv.sessions.profile_names import get_argument
from tcenv.sessions.session_file import compute_generation
from tcenv.shells import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tcenv.sessions.session import Session


def make_loading(
    session: Session, scopes: Sequence[str], term: str | None, say: Callable[[str], None]
) -> dict[str, str | None]:
    """Return the change that loads temporary credentials into an environment. `scopes` are their scopes (none: all that
    the session holds), `term` how long they last (fromNow text; None: as long as the session, at most 31 days). Passes a
    sentence to `say` if the session holds a part of a pattern. Raises UsageError, NotSignedIn."""
    if session.credentials.certificate is not None:
        raise UsageError(
            "This shell already has temporary credentials, and those cannot issue others.",
            Hint("Load the session itself:", make_login_command(session.argument)),
        )
    values = mint_from_parts(
        session.encode_fields(), session.scopes, session.asked, session.expansions, scopes, term, say
    )
    return environment.make_loading(values, os.environ)


def mint_from_parts(
    fields: Mapping[str, str],
    held: Sequence[str] | None,
    asked: Sequence[str],
    expansions: Sequence[str],
    scopes: Sequence[str],
    term: str | None,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Make temporary credentials from the parts of a session's file (see `session_file.decode`). Returns values by
    variable. For `scopes`, `term` and `say` see `make_loading`."""
    profile, now, end = fields[environment.PROFILE], int(time.time()), int(fields[environment.EXPIRES])
    if now >= end:
        raise NotSignedIn(
            f"The session of {profile} has expired.",
            Hint("Sign in again:", make_login_command(get_argument(profile, fields[environment.ROOT_URL]))),
        )
    client_id = fields[environment.CLIENT_ID]
    expires = min(end, now + LONGEST_LIFETIME)
    if term is not None:
        seconds = parse_expires(term)
        if seconds > LONGEST_LIFETIME:
            raise UsageError("Temporary credentials last 31 days at most.", "Accepted: --for 15m, 8h, 31d.")
        expires = min(expires, now + seconds)
    whole = held
    if held is not None:
        held = drop_deletion_scopes(held, asked, client_id, fields["NAME"])
    elif not scopes:
        raise UsageError("This deployment does not say which scopes the session has.", "Name scopes: --scope S")
    given = remove_covered(narrow(fields, held, asked, scopes, say) if scopes else held or ())
    if not fits(client_id, given):
        given = shorten(given, expansions, whole)
    try:
        token, certificate = mint(client_id, fields[environment.ACCESS_TOKEN], given, now, expires)
    except UsageError as error:
        hint = error.hint or Hint("Name the scopes that the command needs: --scope S, once for each.")
        raise UsageError(error.message, hint) from None
    return {
        environment.GENERATION: compute_generation(token),
        environment.ROOT_URL: fields[environment.ROOT_URL],
        environment.CLIENT_ID: client_id,
        environment.ACCESS_TOKEN: token,
        environment.CERTIFICATE: certificate,
        environment.PROFILE: profile,
        environment.EXPIRES: str(expires),
    }


def narrow(
    fields: Mapping[str, str],
    held: Sequence[str] | None,
    asked: Sequence[str],
    scopes: Sequence[str],
    say: Callable[[str], None],
) -> tuple[str, ...]:
    """Return the part of `scopes` that a session holds. The first three arguments are the parts of its file (`held` is
    None: unknown, so all of them). Passes a sentence to `say` if it holds a part of a pattern. Raises UsageError for a text
    that is no scope, and for a scope of which it holds nothing, because every call with such a scope fails."""
    for scope in scopes:
        check_scope(scope)
    if held is None:
        return tuple(dict.fromkeys(scopes))
    parts = {scope: len(intersect([scope], held)) for scope in scopes if not covers(held, scope)}
    missing = [scope for scope, count in parts.items() if not count]
    if missing:
        from tcenv.sessions.missing_scopes import make_missing_error

        raise make_missing_error(fields, asked, missing)
    if parts:
        narrowed = (f"{count} scope{'s' * (count > 1)} of {scope}" for scope, count in parts.items())
        say(f"Narrowed: the session holds {', '.join(narrowed)}.")
    return intersect(scopes, held)


def shorten(scopes: Sequence[str], expansions: Sequence[str], held: Sequence[str] | None) -> tuple[str, ...]:
    """Return `scopes` without those that another one covers, by the known roles of a session that holds `held`. Adds none:
    credentials never carry more than the user asked for."""
    from tcenv.sessions.expansions import decode, leave_out

    return leave_out(remove_covered(scopes), decode(expansions, held or ()))
