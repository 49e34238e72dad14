"""The state of a look-alike deployment: its clients, roles, tasks and secrets, its clock, its user. Knows no HTTP and no page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tcenv.sandbox.callers import EVERYBODY, Caller, Registry
from tcenv.sandbox.records import (
    ApiError,
    Client,
    check_parameters,
    parse_timestamp,
)
from tcenv.sandbox.scopes import Held, expand, normalize

_PUBLIC = ("auth:current-scopes", "auth:get-client:*", "auth:list-clients")
# What everybody may do on a public deployment besides what its role of everybody says.
_OPEN = ("queue:get-artifact:public/*", "queue:list-artifacts:*", "queue:status:*")
_DAY = 86400
# How long createClient takes the same wishes for a repeated call (seconds).
_IDEMPOTENT = 15 * 60
_MOST_KEPT = 1000
_ANONYMOUS_ROLE = "anonymous"


class Deployment:
    """What there is, and what happens to it. Every method may be called from any thread."""

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
    ) -> None:
        self.user = user
        self.user_scopes = tuple(user_scopes)
        self.roles: dict[str, list[str]] = {_ANONYMOUS_ROLE: list(_PUBLIC) if public else []}
        self.roles.update({role_id: list(scopes) for role_id, scopes in roles.items()})
        self.any_time = any_time
        self._open = _OPEN if public else ()
        self.clock_offset = 0.0
        self.token_factory = token_factory
        self.root_url = ""
        self.clients: dict[str, Client] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.secrets: dict[str, dict[str, Any]] = {}
        #: The hooks by "hookGroupId/hookId", as they were defined, and what came of firing them, the latest first.
        self.hooks: dict[str, dict[str, Any]] = {}
        self.fires: dict[str, list[dict[str, Any]]] = {}
        #: Of artifacts: by (taskId, name) what was said of them; and by (taskId, name) their bytes.
        self.artifacts: dict[tuple[str, str], dict[str, Any]] = {}
        self.contents: dict[tuple[str, str], bytes] = {}
        self.lock = threading.RLock()
        self.registry = Registry(self.clients, self.held, self.now, any_time)
        self._held: dict[object, Held] = {}
        self._clock = clock
        self._purged = self.now() // _DAY

    def now(self) -> float:
        """Return the time of the deployment's clock, in seconds since the epoch."""
        return self._clock() + self.clock_offset

    def expand(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """`scopes` and what the roles among them add."""
        return expand(scopes, self.roles)

    def held(self, scopes: tuple[str, ...]) -> Held:
        """Return what a caller with `scopes` holds. Cached, since most callers call again."""
        key = (scopes, tuple((role_id, *given) for role_id, given in list(self.roles.items())))
        found = self._held.get(key)
        if found is None:
            if len(self._held) >= _MOST_KEPT:
                self._held.clear()
            found = self._held[key] = Held(self.expand(scopes), self._open if EVERYBODY in scopes else ())
        return found

    def purge(self, moment: float | None = None) -> None:
        """Remove the clients that had expired by `moment` (now) and that were to be deleted then."""
        with self.lock:
            moment = self.now() if moment is None else moment
            for client in list(self.clients.values()):
                if client.delete_on_expiration and client.expires < moment:
                    del self.clients[client.client_id]

    def purge_if_due(self) -> None:
        """Catch up on the latest midnight (UTC), when the deployment purges, if it has passed since the last time."""
        today = self.now() // _DAY
        if today > self._purged:
            with self.lock:
                self._purged = today
                self.purge(today * _DAY)

    def make_user_caller(self) -> Caller:
        """Return the user who is signed in on the pages."""
        return Caller(self.user, Held(self.expand((*self.user_scopes, EVERYBODY))))

    def can_page_know_user(self) -> bool:
        """Whether the sign-in page can find out who the user is: it asks for their scopes, which may be forbidden."""
        return "auth:current-scopes" in self.make_user_caller().held

    def get_client(self, client_id: str) -> Client:
        """Return the client. Raises ApiError 404."""
        client = self.clients.get(client_id)
        if client is None:
            raise ApiError(404, "ResourceNotFound", "Client not found")
        return client

    def create(self, client_id: str, wanted: Mapping[str, Any]) -> Client:
        """Create a client as `wanted` (see wishes), or return the one that an equal call has just made.
        Raises ApiError: 400 for the name, 409 where it is taken."""
        with self.lock:
            now = self.now()
            there = self.clients.get(client_id)
            if there is not None:
                same = (
                    there.description == wanted["description"]
                    and there.expires == wanted["expires"]
                    and there.scopes == wanted.get("scopes", [])
                )
                if same and not there.disabled and there.created >= now - _IDEMPOTENT:
                    return there
                raise ApiError(409, "RequestConflict", "Client already exists")
            client = Client(
                client_id=check_client_id(client_id),
                access_token=self.token_factory(),
                created=now,
                last_modified=now,
                last_rotated=now,
                **{"scopes": [], **wanted},
            )
            self.clients[client_id] = client
            return client

    def update(self, client_id: str, wanted: Mapping[str, Any]) -> Client:
        """Change a client as `wanted` (see wishes). Raises ApiError 404."""
        with self.lock:
            client = self.get_client(client_id)
            for name, value in wanted.items():
                setattr(client, name, value)
            client.last_modified = self.now()
            return client

    def reset(self, client_id: str) -> Client:
        """Give a client another token; the old one is dead from now on. Raises ApiError 404."""
        with self.lock:
            client = self.get_client(client_id)
            client.access_token = self.token_factory()
            client.last_rotated = self.now()
            return client

    def list_scopes(self, caller: Caller) -> list[str]:
        """Return the scopes of `caller`, in order."""
        return list(normalize(caller.held.scopes))


def check_client_id(client_id: str) -> str:
    """`client_id`. Raises ApiError 400."""
    check_parameters({"clientId": client_id})
    return client_id


def parse_client(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a client that a request's body sets. Scopes are sorted, and deleteOnExpiration is false where the
    body does not say otherwise. Raises ApiError 400."""
    wanted = {
        "description": body["description"],
        "expires": parse_timestamp(body["expires"]),
        "delete_on_expiration": body.get("deleteOnExpiration", False),
    }
    if "scopes" in body:
        wanted["scopes"] = sort_scopes(body["scopes"])
    return wanted


def sort_scopes(scopes: list[str]) -> list[str]:
    """`scopes` in order. Raises ApiError 400 for one that ends in `**`."""
    if any(scope.endswith("**") for scope in scopes):
        raise ApiError(400, "InputError", "scopes must not end with `**`")
    return sorted(scopes)
