"""Find out what the `assume:` scopes of a session cover, so that one can replace many if a call's header has no room for
them.

Roles change, so this only serves to leave out scopes that another requested scope covers. It never limits what a scope
gives."""

from __future__ import annotations

import time

from tcenv.deployment.scopes import covers
from tcenv.errors import DeploymentError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tcenv.sessions.session import Session

# How many roles to ask about, and for how long at most (seconds).
_MOST_ROLES = 20
_TIMEOUT = 10.0
# The lifetime of the credentials that ask (seconds).
_LIFETIME = 300
# Everybody's credentials carry this role.
_EVERYBODY = "assume:anonymous"


def encode(role: str, expansion: Iterable[str], held: Sequence[str]) -> str:
    """Return the line for a session's file: which of the `held` scopes `role` covers (by number, as `0-3,7`), and `role`."""
    has = _Covered(expansion)
    numbers = [number for number, scope in enumerate(held) if scope == role or scope in has]
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return f"{','.join(str(a) if a == b else f'{a}-{b}' for a, b in ranges)} {role}"


def decode(lines: Iterable[str], held: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the scopes that each role covers. Skips a line that cannot be about a session that holds `held`."""
    found = {}
    for line in lines:
        ranges, _, role = line.partition(" ")
        numbers = _parse_ranges(ranges, len(held))
        covered = tuple(held[number] for number in numbers)
        if role.startswith("assume:") and role in covered:
            found[role] = covered
    return found


def _parse_ranges(ranges: str, count: int) -> list[int]:
    """Return the numbers below `count` that a text like `0-3,7` names, none for any other text."""
    found: list[int] = []
    for piece in ranges.split(","):
        first, dash, last = piece.partition("-")
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < count):
            return []
        found.extend(range(int(first), int(last) + 1))
    return found


class _Covered:
    """A set of scopes, ready for many questions: `in` tells whether it covers a scope."""

    def __init__(self, scopes: Iterable[str]) -> None:
        self._exact = set(scopes)
        self._prefixes = tuple(scope[:-1] for scope in self._exact if scope.endswith("*"))

    def __contains__(self, scope: str) -> bool:
        return scope in self._exact or scope.startswith(self._prefixes)


def leave_out(scopes: Sequence[str], expansions: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return `scopes` without those that a role among them covers. Adds nothing, and uses no role that is not among them."""
    kept: list[str] = []
    covered: list[str] = []
    # Start with the role that covers most: it often covers the other roles.
    for role in sorted({*scopes} & expansions.keys(), key=lambda role: -len(expansions[role])):
        if not covers(covered, role):
            kept.append(role)
            covered += expansions[role]
    has = _Covered(covered)
    return tuple(scope for scope in scopes if scope in kept or scope not in has)


def fetch(session: Session) -> tuple[str, ...]:
    """Ask the deployment what the `assume:` scopes of `session` cover. Returns a line for each (see `encode`). A role
    that the deployment does not show has no line."""
    import threading
    from contextlib import suppress

    from tcenv.deployment.auth import Deployment
    from tcenv.deployment.credentials import Credentials
    from tcenv.deployment.temporary import mint

    held = session.scopes or ()
    roles = [scope for scope in held if scope.startswith("assume:") and scope != _EVERYBODY]
    roles.sort(key=lambda role: not role.startswith("assume:login-identity:"))
    client_id, token = session.credentials.client_id, session.credentials.access_token
    now = int(time.time())
    found: dict[str, str] = {}

    def find(role: str) -> None:
        deployment = Deployment(session.root_url, deadline=time.monotonic() + _TIMEOUT, argument=session.argument)
        with suppress(DeploymentError, UsageError):  # UsageError: a role that is too long for a header
            temporary = Credentials(client_id, *mint(client_id, token, [role], now, now + _LIFETIME))
            expansion = deployment.read_scopes(temporary)
            if expansion is not None:
                found[role] = encode(role, expansion, held)

    threads = [threading.Thread(target=find, args=(role,), daemon=True) for role in roles[:_MOST_ROLES]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tuple(found[role] for role in roles if role in found)
