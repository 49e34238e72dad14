"""Remember which clientId a deployment gave for a client name, and until when. This is not secret and survives a
reboot, so that the next sign-in can use the same name. Each root URL and requested name has its own file, because
machines may share a home directory. No file ever holds a token."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

from tcenv import paths
from tcenv.errors import StoreError
from tcenv.files import compute_checksum, hold_lock, is_alive, write_privately
from tcenv.sessions.name_series import get_name
from tcenv.sessions.profile_names import get_profile_name, is_profile_name

_DAY = 86400


@dataclass(frozen=True)
class KnownClient:
    """A client that a deployment gave: its name, its clientId, its end (seconds since the epoch), and the requested
    name (of the series). Also tells whether tcenv made it; a client that tcenv did not make is known only because it
    blocks a name."""

    name: str
    client_id: str
    expires: int
    asked: str
    made: bool = True
    #: Whether the deployment has confirmed the client. Do not derive a prefix from an unconfirmed one.
    confirmed: bool = True
    #: The store that keeps its session (see `stores.compute_store_id`). Empty if no store keeps it.
    place: str = ""
    #: The process that noted the client, if the deployment has not confirmed it yet.
    process: int = 0

    def compute_purge_time(self) -> int:
        """Return the time by which the deployment has deleted the client: the first midnight (UTC) after its end."""
        return (self.expires // _DAY + 1) * _DAY

    @property
    def is_orphan(self) -> bool:
        """Whether no process has the client's token: its process ended before the deployment could confirm the
        client."""
        return not self.confirmed and self.process > 0 and not is_alive(self.process)

    @property
    def prefix(self) -> str | None:
        """The prefix of this user's clientIds: the user's own clientId and a slash."""
        if self.client_id.endswith("/" + self.name):
            return self.client_id[: -len(self.name)]
        user, slash, _ = self.client_id.rpartition("/")
        return user + slash or None


def _get_clients_directory() -> str:
    return os.path.join(paths.state_directory(), "clients")


def _get_path(root_url: str, asked: str) -> str:
    return os.path.join(_get_deployment_directory(root_url), f"{compute_checksum(asked.encode())}.json")


def _read(path: str) -> dict[str, object]:
    try:
        with open(path, encoding="utf-8", opener=paths.open_trusted_or_ignore) as file:
            content = json.load(file)
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _get_deployment_directory(root_url: str) -> str:
    return os.path.join(_get_clients_directory(), get_profile_name(root_url))


def _list_paths(root_url: str) -> list[str]:
    """Return the files of a deployment, the oldest first."""
    folder = _get_deployment_directory(root_url)
    try:
        entries = [entry for entry in os.scandir(folder) if entry.name.endswith(".json")]
        return [entry.path for entry in sorted(entries, key=lambda entry: entry.stat().st_mtime_ns)]
    except PermissionError as error:
        paths.ignore(folder, error)
    except OSError:
        pass
    return []


def list_clients(root_url: str) -> tuple[KnownClient, ...]:
    """Return the clients that this deployment gave. The latest name comes last, and the clients of a name are sorted
    from old to new. Skips files that cannot be read."""
    return tuple(client for path in _list_paths(root_url) for client in _read_clients(path, root_url))


def _read_clients(path: str, root_url: str) -> list[KnownClient]:
    content = _read(path)
    if content.get("root_url") != root_url:
        return []
    result = []
    records = content.get("clients")
    for record in records if isinstance(records, list) else ():
        with suppress(TypeError, KeyError, ValueError):
            result.append(
                KnownClient(
                    str(record["name"]),
                    str(record["client_id"]),
                    int(record["expires"]),
                    str(content["asked"]),
                    record["made"] is True,
                    record["confirmed"] is True,
                    str(record["place"]),
                    int(record["process"]),
                )
            )
    return result


def find_prefix(root_url: str, asked: str) -> str | None:
    """Return what the deployment puts before the names of this user's clients, if possible from a client of the series
    of `asked`. Returns None before a sign-in has told it. The prefix outlives its clients."""
    paths = [_get_path(root_url, asked), *reversed(_list_paths(root_url))]
    return next((found for path in paths if (found := _read_prefix(path, root_url)) is not None), None)


def _read_prefix(path: str, root_url: str) -> str | None:
    """Return the prefix of the newest confirmed client in a file, else the one that the file has noted."""
    found = _get_prefix(_read_clients(path, root_url))
    if found is None:
        content = _read(path)
        stored = content.get("prefix") if content.get("root_url") == root_url else None
        found = stored if isinstance(stored, str) and stored else None
    return found


def _get_prefix(clients: Sequence[KnownClient]) -> str | None:
    """Return the prefix of the newest of `clients` that the deployment has confirmed."""
    return next((client.prefix for client in reversed(clients) if client.confirmed and client.prefix), None)


@contextmanager
def _lock_notes(root_url: str) -> Iterator[None]:
    """Hold the lock of a deployment's notes. Ignores a failure to write, because tcenv works without the notes."""
    with suppress(OSError, StoreError), hold_lock(_get_deployment_directory(root_url)):
        yield


def remember(root_url: str, client: KnownClient) -> None:
    """Note a client as the newest of its requested name, and drop older notes of the same clientId."""
    with _lock_notes(root_url):
        _remember(root_url, client)


def _remember(root_url: str, client: KnownClient) -> None:
    _forget(root_url, client.client_id, except_series=client.asked)
    now = time.time()
    kept = [
        other
        for other in _read_clients(_get_path(root_url, client.asked), root_url)
        if other.client_id != client.client_id and other.compute_purge_time() > now - 90 * _DAY
    ]
    _write(root_url, client.asked, [*kept, client])


def forget(root_url: str, client_id: str) -> None:
    """Note that this client has been deleted."""
    with _lock_notes(root_url):
        _forget(root_url, client_id)


def _forget(root_url: str, client_id: str, *, except_series: str | None = None) -> None:
    """Remove a client from all files except that of the requested name `except_series`."""
    for path in _list_paths(root_url):
        clients = _read_clients(path, root_url)
        kept = [client for client in clients if client.client_id != client_id or client.asked == except_series]
        if len(kept) < len(clients):
            _write(root_url, clients[0].asked, kept)


def note_rejection(root_url: str, client_id: str, reason: str) -> None:
    """Note why the deployment rejects the credentials of a client (see CredentialsRejected). Forgets one that no longer
    exists."""
    if reason == "deleted":
        forget(root_url, client_id)


def forget_unconfirmed(root_url: str, client_id: str) -> None:
    """Remove the note of a client that only a browser reported. Keeps a client that the deployment has confirmed."""
    with _lock_notes(root_url):
        if any(client.client_id == client_id and not client.confirmed for client in list_clients(root_url)):
            _forget(root_url, client_id)


def note_without_session(root_url: str, client_id: str) -> None:
    """Note that no store keeps this client's session any more, although the client lasts until its end."""
    with _lock_notes(root_url):
        for client in list_clients(root_url):
            if client.client_id == client_id and client.place:
                _remember(root_url, replace(client, place=""))


def extend(root_url: str, client_id: str, expires: int, asked: str) -> None:
    """Note that a client lasts until `expires`. `asked` is the requested name of its session."""
    with _lock_notes(root_url):
        for client in list_clients(root_url):
            if client.client_id == client_id:
                _remember(root_url, replace(client, expires=expires, asked=asked))
                return
        _remember(root_url, KnownClient(get_name(client_id, asked), client_id, expires, asked, made=False))


def _write(root_url: str, asked: str, clients: Sequence[KnownClient]) -> None:
    records = [{key: value for key, value in asdict(client).items() if key != "asked"} for client in clients]
    path = _get_path(root_url, asked)
    content = {
        "root_url": root_url,
        "asked": asked,
        "prefix": _get_prefix(clients) or _read_prefix(path, root_url) or "",
        "clients": records,
    }
    write_privately(path, (json.dumps(content, indent=1) + "\n").encode())


def find_root_url(profile: str) -> str | None:
    """Return the root URL whose name is `profile` (see `profile_names.get_profile_name`), if tcenv has signed in there."""
    if not is_profile_name(profile):
        return None
    folder = os.path.join(_get_clients_directory(), profile)
    with suppress(OSError):
        for name in os.listdir(folder):
            root_url = _read(os.path.join(folder, name)).get("root_url") if name.endswith(".json") else None
            if isinstance(root_url, str) and get_profile_name(root_url) == profile:
                return root_url
    return None
