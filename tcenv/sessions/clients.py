"""Which clientId a deployment gave for which client name, and until when: not secret, and kept across reboots, so that the
name can be the same next time. Never holds a token."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass

from tcenv import paths
from tcenv.errors import StoreError
from tcenv.files import write_privately
from tcenv.sessions.key import is_profile_name, profile_of

_DAY = 86400
SERIES = 5


@dataclass(frozen=True)
class KnownClient:
    """A client that tcenv was given: the name asked for in the end, its clientId, its end (seconds since the epoch)."""

    name: str
    client_id: str
    expires: int

    def purged_by(self) -> int:
        """When the deployment will have removed it: the first midnight (UTC) after its end."""
        return (self.expires // _DAY + 1) * _DAY


def _directory() -> str:
    return os.path.join(paths.state_directory(), "clients")


def _path(root_url: str) -> str:
    return os.path.join(_directory(), profile_of(root_url) + ".json")


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, encoding="utf-8") as file:
            content = json.load(file)
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def known(root_url: str) -> tuple[KnownClient, ...]:
    """The clients that this deployment gave, oldest first. What cannot be read is nothing known."""
    content = _read(_path(root_url))
    if content.get("root_url") != root_url:
        return ()
    result = []
    records = content.get("clients")
    for record in records if isinstance(records, list) else ():
        with suppress(TypeError, KeyError, ValueError):
            result.append(KnownClient(str(record["name"]), str(record["client_id"]), int(record["expires"])))
    return tuple(result)


def remember(root_url: str, client: KnownClient) -> None:
    """Note a client as the newest, in place of what was known of its clientId. Not being able to is no error."""
    now = time.time()
    kept = [
        other
        for other in known(root_url)
        if other.client_id != client.client_id and other.purged_by() > now - 90 * _DAY
    ]
    _write(root_url, [*kept, client])


def forget(root_url: str, client_id: str) -> None:
    """Note that this client is no more."""
    clients = known(root_url)
    kept = [client for client in clients if client.client_id != client_id]
    if len(kept) != len(clients):
        _write(root_url, kept)


def _write(root_url: str, clients: list[KnownClient]) -> None:
    content = {"root_url": root_url, "clients": [asdict(client) for client in clients]}
    with suppress(OSError, StoreError):
        write_privately(_path(root_url), (json.dumps(content, indent=1) + "\n").encode())


def remembered_root_url(profile: str) -> str | None:
    """The root URL that goes by the name `profile` (see `profilename.profile_of`), if tcenv has signed in there."""
    if not is_profile_name(profile):
        return None
    root_url = _read(os.path.join(_directory(), profile + ".json")).get("root_url")
    return root_url if isinstance(root_url, str) and profile_of(root_url) == profile else None


def remembered_profiles() -> list[str]:
    """The names of the deployments where tcenv has signed in."""
    try:
        return sorted(name[:-5] for name in os.listdir(_directory()) if name.endswith(".json"))
    except OSError:
        return []
