"""Keep the state of a deployment: its clients, roles, tasks and secrets, its clock and its user. Serves nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tcenv.sandbox.records import ApiError, Caller, Client, Request, check_parameters, parse_timestamp
from tcenv.sandbox.scopes import EVERYBODY, Held, expand

_PUBLIC = ("auth:current-scopes", "auth:get-client:*", "auth:list-clients")
# Scopes that everybody has on a public deployment, in addition to the anonymous role's.
_OPEN = ("queue:get-artifact:public/*", "queue:list-artifacts:*", "queue:status:*")
_DAY = 86400
# Seconds within which createClient accepts the same call again.
_IDEMPOTENT = 15 * 60
_MOST_KEPT = 1000
_ANONYMOUS_ROLE = "anonymous"


class Deployment:
    """The state of a deployment. Any thread may call any method."""

    def __init__(
        self,
        *,
        user: str,
        user_scopes: Iterable[str],
        roles: Mapping[str, Sequence[str]],
        public: bool,
        clock: Callable[[], float],
        token_factory: Callable[[], str],
        any_time: bool,
        signed_in: bool,
        signed_in_after: float,
    ) -> None:
        # The clientId of the person who is signed in on the pages, and that person's scopes without those that roles add.
        self.user = user
        self.user_scopes = tuple(user_scopes)
        # Whether somebody has signed in in the browser, and how many seconds a page needs to know them.
        self.signed_in = signed_in
        self.signed_in_after = signed_in_after
        # The answered requests in order, and how often somebody has saved on a page.
        self.requests: list[Request] = []
        self.approvals = 0
        self.roles: dict[str, list[str]] = {_ANONYMOUS_ROLE: list(_PUBLIC) if public else []}
        self.roles.update({role_id: list(scopes) for role_id, scopes in roles.items()})
        self.any_time = any_time
        self._open = _OPEN if public else ()
        # By how many seconds the deployment's clock is ahead.
        self.clock_offset = 0.0
        self.token_factory = token_factory
        self.root_url = ""
        self.clients: dict[str, Client] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        # By "hookGroupId/hookId": the definitions, and the results of firing them, the latest first.
        self.hooks: dict[str, dict[str, Any]] = {}
        self.fires: dict[str, list[dict[str, Any]]] = {}
        # By (taskId, name): the properties of artifacts, and their bytes.
        self.artifacts: dict[tuple[str, str], dict[str, Any]] = {}
        self.contents: dict[tuple[str, str], bytes] = {}
        self.lock = threading.RLock()
        self._held: dict[object, Held] = {}
        self._clock = clock
        self._purged = self.now() // _DAY

    def now(self) -> float:
        """Return the time of the deployment's clock, in seconds since the epoch."""
        return self._clock() + self.clock_offset

    def expand(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """Return `scopes` with those that the roles among them add."""
        return expand(scopes, self.roles)

    def get_held(self, scopes: tuple[str, ...]) -> Held:
        """Return all that a caller with `scopes` holds. Cached, since most callers call again."""
        key = (scopes, tuple((role_id, *given) for role_id, given in list(self.roles.items())))
        found = self._held.get(key)
        if found is None:
            if len(self._held) >= _MOST_KEPT:
                self._held.clear()
            found = self._held[key] = Held(self.expand(scopes), self._open if EVERYBODY in scopes else ())
        return found

    def purge(self, moment: float | None = None) -> None:
        """Delete the clients that had expired by `moment` (default: now) and are to be deleted on expiration."""
        with self.lock:
            moment = self.now() if moment is None else moment
            for client in list(self.clients.values()):
                if client.delete_on_expiration and client.expires < moment:
                    del self.clients[client.client_id]

    def purge_if_due(self) -> None:
        """Purge once after each midnight (UTC), as deployments do."""
        today = self.now() // _DAY
        if today > self._purged:
            with self.lock:
                self._purged = today
                self.purge(today * _DAY)

    def make_user_caller(self) -> Caller:
        """Return the caller for the user who is signed in on the pages."""
        return Caller(self.user, Held(self.expand((*self.user_scopes, EVERYBODY))))

    def can_page_know_user(self) -> bool:
        """Return whether the sign-in page can find out who the user is. It calls currentScopes, which scopes may
        forbid."""
        return "auth:current-scopes" in self.make_user_caller().held

    def get_client(self, client_id: str) -> Client:
        """Return a client. Raises ApiError 404."""
        client = self.clients.get(client_id)
        if client is None:
            raise ApiError("ResourceNotFound", "Client not found")
        return client

    def create(self, client_id: str, fields: Mapping[str, Any]) -> Client:
        """Create a client with `fields` (see parse_client), or return the one that an equal call has just created.

        Raises ApiError: 400 for a bad name, 409 if the name is taken."""
        check_parameters({"clientId": client_id})
        with self.lock:
            now = self.now()
            existing = self.clients.get(client_id)
            if existing is not None:
                same = (
                    existing.description == fields["description"]
                    and existing.expires == fields["expires"]
                    and existing.scopes == fields.get("scopes", [])
                )
                if same and not existing.disabled and existing.created >= now - _IDEMPOTENT:
                    return existing
                raise ApiError("RequestConflict", "Client already exists")
            client = Client(
                client_id=client_id,
                access_token=self.token_factory(),
                created=now,
                last_modified=now,
                last_rotated=now,
                **{"scopes": [], **fields},
            )
            self.clients[client_id] = client
            return client

    def update(self, client_id: str, fields: Mapping[str, Any]) -> Client:
        """Set `fields` of a client (see parse_client). Raises ApiError 404."""
        with self.lock:
            client = self.get_client(client_id)
            for name, value in fields.items():
                setattr(client, name, value)
            client.last_modified = self.now()
            return client

    def reset(self, client_id: str) -> Client:
        """Give a client a new token, which invalidates the old one. Raises ApiError 404."""
        with self.lock:
            client = self.get_client(client_id)
            client.access_token = self.token_factory()
            client.last_rotated = self.now()
            return client


def parse_client(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a client that a request's body sets: scopes sorted, deleteOnExpiration false by default.
    Raises ApiError 400."""
    fields: dict[str, Any] = {
        "description": body["description"],
        "expires": parse_timestamp(body["expires"]),
        "delete_on_expiration": body.get("deleteOnExpiration", False),
    }
    if "scopes" in body:
        fields["scopes"] = sort_scopes(body["scopes"])
    return fields


def sort_scopes(scopes: list[str]) -> list[str]:
    """Return `scopes` sorted. Raises ApiError 400 for a scope that ends in `**`."""
    if any(scope.endswith("**") for scope in scopes):
        raise ApiError("InputError", "scopes must not end with `**`")
    return sorted(scopes)
