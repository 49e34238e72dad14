"""Say which scopes a session lacks, and how to get them. No hint leads to a session with less than before."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from tcenv.deployment.limits import MAX_SCOPES
from tcenv.deployment.scopes import covers, remove_covered
from tcenv.errors import Hint, UsageError, make_login_command
from tcenv.sessions.name_series import drop_deletion_scopes
from tcenv.sessions.profile_names import get_argument, get_stored_argument
from tcenv.shells import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Characters that the scopes may take in the address of the sign-in page, which holds 8,000 in all.
_LONGEST = 6000


def make_missing_error(fields: Mapping[str, str], asked: Sequence[str], missing: Sequence[str]) -> UsageError:
    """Return the error for scopes of which the session holds nothing. `fields` and `asked` are those of the session's file
    (see `session_file.decode`)."""
    root_url = fields[environment.ROOT_URL]
    former = drop_deletion_scopes(asked, asked, fields[environment.CLIENT_ID], fields["NAME"])
    # The deployment gives what the user holds. Asking again gives no more.
    refused = [scope for scope in missing if covers(former, scope)]
    if refused:
        return UsageError(f"You do not hold {', '.join(refused)} on {root_url}.")
    message = f"The session does not hold {', '.join(missing)}."
    held = ("tcenv", "scopes", get_stored_argument(fields[environment.PROFILE], root_url))
    wanted = fit_for_the_page((*former, *missing))
    if wanted is None:
        return UsageError(
            message,
            Hint(
                "To list its scopes:",
                held,
                f". A sign-in takes {MAX_SCOPES} scopes at most: there is no room for these and the former ones.",
            ),
        )
    words = [word for scope in wanted for word in ("--scope", scope)]
    login = make_login_command(get_argument(fields[environment.PROFILE], root_url), "--reset", *words)
    return UsageError(
        message, Hint("To list its scopes:", held, ". To sign in with its former scopes and these:", login)
    )


def fit_for_the_page(scopes: Sequence[str]) -> tuple[str, ...] | None:
    """Return `scopes` if the sign-in page takes that many, else the narrowest patterns that cover them. Returns None if
    no patterns help."""
    found = remove_covered(scopes)
    for depth in range(max((scope.count(":") for scope in found), default=0), -1, -1):
        if len(found) <= MAX_SCOPES and sum(len(quote(scope, safe="")) + 7 for scope in found) <= _LONGEST:
            return found
        if depth:
            found = remove_covered(_merge(found, depth))
    return None


def _merge(scopes: Sequence[str], depth: int) -> list[str]:
    """Replace scopes that have their first `depth` parts in common by one pattern."""
    stems = [":".join(scope.split(":")[:depth]) if scope.count(":") >= depth else "" for scope in scopes]
    return [f"{stem}:*" if stem and stems.count(stem) > 1 else scope for stem, scope in zip(stems, scopes, strict=True)]
