"""The names of a client's series, and which of a session's scopes are only there to end its own client. Must stay importable
for next to nothing (hot path)."""

from __future__ import annotations

from tcenv.deployment.scopes import covers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SERIES = 5


def series(name: str) -> list[str]:
    """Return the names that may stand for `name`, in the order in which they are tried. Neither the machine's nor the profile's
    part of a name holds `@`."""
    return [name, *(f"{name}@{number}" for number in range(2, SERIES + 1))]


def name_of(client_id: str, asked: str) -> str:
    """Return the client's own name in a clientId: `asked` (which may hold slashes) if it ends so, else what follows the last
    slash."""
    return asked if client_id.endswith("/" + asked) else client_id.rpartition("/")[2]


def without_ending(scopes: Sequence[str], asked: Sequence[str], client_id: str, name: str) -> tuple[str, ...]:
    """`scopes` without the right to end the client of the series of `name` itself, where tcenv added that to what was `asked`
    for: it is passed on to nobody."""
    prefix = client_id[: len(client_id) - len(name_of(client_id, name))]
    own = {f"auth:delete-client:{prefix}{other}" for other in series(name)}
    own.add(f"auth:delete-client:{client_id}")
    # Nothing else of what was asked for covers them where tcenv added them (see `client_names.Names.deletion_scopes`).
    rest = [scope for scope in asked if scope not in own]
    own = {scope for scope in own if not covers(rest, scope)}
    return tuple(scope for scope in scopes if scope not in own)
