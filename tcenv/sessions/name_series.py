"""Build the names of a client's series, and remove the scopes that only serve to delete the session's own client.
Imports almost nothing (hot path)."""

from __future__ import annotations

from tcenv.deployment.scopes import covers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SERIES = 5


def list_names(name: str) -> list[str]:
    """Return the names to try for `name`, in order. Each is `name` or a variant with `@`, which neither the machine's
    nor the profile's part of a name holds."""
    return [name, *(f"{name}@{number}" for number in range(2, SERIES + 1))]


def list_deletable_names(series_name: str, name: str) -> tuple[str, str]:
    """Return the two names of a series that a client may delete: its own `name`, and the first of the others."""
    return name, next(other for other in list_names(series_name) if other != name)


def get_name(client_id: str, asked: str) -> str:
    """Return the client's own name in a clientId: `asked` (which may hold slashes) if the clientId ends with it, else
    the part behind the last slash."""
    return asked if client_id.endswith("/" + asked) else client_id.rpartition("/")[2]


def drop_deletion_scopes(scopes: Sequence[str], asked: Sequence[str], client_id: str, name: str) -> tuple[str, ...]:
    """Return `scopes` without the right to delete the clients of the series of `name`, if tcenv added that right to the
    `asked` scopes. No program gets it."""
    prefix = client_id[: len(client_id) - len(get_name(client_id, name))]
    own = {f"auth:delete-client:{prefix}{other}" for other in list_names(name)}
    own.add(f"auth:delete-client:{client_id}")
    # If tcenv added these scopes, no other requested scope covers them (see `client_names.Names.list_deletion_scopes`).
    rest = [scope for scope in asked if scope not in own]
    own = {scope for scope in own if not covers(rest, scope)}
    return tuple(scope for scope in scopes if scope not in own)
