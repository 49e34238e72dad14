"""Purposes: named sets of scopes, and for how long, in the configuration (`[purposes.NAME]`) or in a profile's part of it
(`[profiles.PROFILE.purposes.NAME]`, which comes first)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.scopes import check_scope
from tcenv.errors import Hint, UsageError

_LONGEST = 31 * 86400


@dataclass(frozen=True)
class Purpose:
    """A named set of scopes for `--as NAME`. `term` is the time for which they are valid (fromNow text; None: as long as
    the session lasts). `profile` is its profile, or None if all profiles have it."""

    name: str
    scopes: tuple[str, ...]
    term: str | None = None
    profile: str | None = None


def check_scopes(value: Any) -> tuple[str, ...]:
    """Return `value` as the scopes of a purpose. Raises UsageError."""
    if not isinstance(value, (list, tuple)) or not value or not all(isinstance(scope, str) for scope in value):
        raise UsageError('must be a list of strings, like ["queue:*"], with one at least')
    for scope in value:
        check_scope(scope)
    return tuple(dict.fromkeys(value))


def check_term(value: Any) -> str:
    """Return `value` as the time of a purpose. Raises UsageError."""
    if not isinstance(value, str):
        raise UsageError("must be a string in quotes")
    if parse_expires(value) > _LONGEST:
        raise UsageError("Temporary credentials last 31 days at most.", "Accepted: 15m, 8h, 31d.")
    return value


KEYS: Mapping[str, Any] = {"scopes": check_scopes, "for": check_term}


def find(purposes: Mapping[tuple[str, str], Purpose], profile: str | None, name: str) -> Purpose:
    """Find the purpose `name` for a profile: its own one first. Raises UsageError."""
    found = purposes.get((profile or "", name)) or purposes.get(("", name))
    if found is not None:
        return found
    known = sorted({own for of, own in purposes if of in ("", profile)})
    listed = f"Known: {', '.join(known)}. " if known else ""
    raise UsageError(
        f"There is no purpose {name!r}.",
        Hint(f"{listed}To add one:", ("tcenv", "purpose", "set", name, "--scope", "S")),
    )
