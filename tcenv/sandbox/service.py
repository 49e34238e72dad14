"""The Auth service of the sandbox: its clients, its clock, and the methods of its API. Knows no HTTP server and no page."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import unquote

from tcenv.sandbox import hawk
from tcenv.sandbox.hawk import Caller
from tcenv.sandbox.records import (
    CLIENT_ID,
    LONGEST_DESCRIPTION,
    SCOPE,
    ApiError,
    Client,
    invalid,
    parse_timestamp,
    timestamp,
)
from tcenv.sandbox.scopes import normal, satisfies

_EVERYBODY = "assume:anonymous"
_PUBLIC = ("auth:current-scopes", "auth:get-client:*", "auth:list-clients")
_DAY = 86400
_MOST_LISTED = 1000


class Service:
    """The state of a deployment, and what happens to it. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        user: str,
        user_scopes: Iterable[str],
        public: bool,
        clock: Callable[[], float],
        token_factory: Callable[[], str],
        any_time: bool,
    ) -> None:
        self.user = user
        self.user_scopes = tuple(user_scopes)
        self.anonymous = (_EVERYBODY, *_PUBLIC) if public else (_EVERYBODY,)
        self.any_time = any_time
        self.clock_offset = 0.0
        self.token_factory = token_factory
        self.clients: dict[str, Client] = {}
        self.lock = threading.RLock()
        self._clock = clock
        self._purged = self.now() // _DAY

    def now(self) -> float:
        """The deployment's clock, in seconds since the epoch."""
        return self._clock() + self.clock_offset

    def purge(self, moment: float | None = None) -> None:
        """Remove the clients that had expired by `moment` (now) and that were to be deleted then."""
        with self.lock:
            moment = self.now() if moment is None else moment
            for client in list(self.clients.values()):
                if client.delete_on_expiration and client.expires < moment:
                    del self.clients[client.client_id]

    def purge_if_due(self) -> None:
        """Catch up on the latest midnight (UTC), when the deployment purges, if it has passed since the last time."""
        with self.lock:
            today = self.now() // _DAY
            if today > self._purged:
                self._purged = today
                self.purge(today * _DAY)

    def authenticate(self, request: hawk.Signed | None) -> Caller:
        """Who calls. Raises ApiError 401."""
        if request is None:
            return Caller(None, self.anonymous)
        with self.lock:
            return hawk.authenticate(request, self.clients, self.anonymous, self.now, any_time=self.any_time)

    def as_user(self) -> Caller:
        """The user who is signed in on the pages."""
        return Caller(self.user, normal((*self.user_scopes, *self.anonymous)))

    def existing(self, client_id: str) -> Client:
        """The client. Raises ApiError 404."""
        client = self.clients.get(client_id)
        if client is None:
            raise ApiError(404, "ResourceNotFound", "Client not found")
        return client

    def create(self, client_id: str, body: Mapping[str, Any]) -> Client:
        """Make a client. Raises ApiError: 400 for what it is to be, 409 where the name is taken."""
        wanted = _wanted(body)
        with self.lock:
            if client_id in self.clients:
                raise ApiError(409, "RequestConflict", f"client with id `{client_id}` already exists")
            now = self.now()
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

    def update(self, client_id: str, body: Mapping[str, Any]) -> Client:
        """Change a client. Raises ApiError: 400, 404."""
        wanted = _wanted(body)
        with self.lock:
            client = self.existing(client_id)
            for name, value in wanted.items():
                setattr(client, name, value)
            client.last_modified = self.now()
            return client

    def reset(self, client_id: str) -> Client:
        """Give a client another token; the old one is dead from now on. Raises ApiError 404."""
        with self.lock:
            client = self.existing(client_id)
            client.access_token = self.token_factory()
            client.last_rotated = self.now()
            return client


@dataclass
class Call:
    """A call of an API method. `client_id` is the one in the path (for a secret, its name), `signed` what a signature covers."""

    service: Service
    client_id: str
    query: Mapping[str, str]
    body: Any
    signed: hawk.Signed | None = None

    @cached_property
    def caller(self) -> Caller:
        """Who calls; asked for only by methods that need to know, since the others answer whatever the signature. Raises
        ApiError 401."""
        return self.service.authenticate(self.signed)

    def require(self, *scopes: str) -> None:
        """Raises ApiError: 401 for a bad signature, 403 when the caller does not hold all of `scopes`."""
        missing = [scope for scope in scopes if not satisfies(self.caller.scopes, scope)]
        if missing:
            listed = "\n".join(missing)
            raise ApiError(
                403,
                "InsufficientScopes",
                f"Client ID {self.caller.client_id or 'anonymous'} does not have sufficient scopes "
                f"and is missing the following scopes:\n\n```\n{listed}\n```",
            )


def call(name: str, the_call: Call) -> Any:
    """Carry out the API method `name`. Returns what is to be sent as JSON. Raises ApiError."""
    with the_call.service.lock:
        return _METHODS[name](the_call)


def route(method: str, path: str) -> tuple[str, str]:
    """The API method that `method` and `path` (`<service>/v1/…`, as it was sent) mean, and the name in the path or "".
    Raises ApiError: 404, or 400 for a clientId that cannot be one."""
    service, *parts = [unquote(part) for part in path.rstrip("/").split("/")]
    if parts == ["v1", "ping"] and method == "GET":
        return "ping", ""
    if (service, *parts[:2]) == ("secrets", "v1", "secret") and len(parts) == 3 and method == "GET":
        return "get", parts[2]
    if (service, *parts[:2]) == ("auth", "v1", "clients") and len(parts) in (3, 4):
        name = _CLIENT_ROUTES.get((method, *parts[3:]))
        if name is not None:
            return name, check_client_id(parts[2])
    name = _ROUTES.get((method, service, *parts))
    if name is None:
        raise ApiError(404, "ResourceNotFound", "There is no such API method here")
    return name, ""


def check_client_id(client_id: str) -> str:
    """`client_id`. Raises ApiError 400."""
    if not CLIENT_ID.fullmatch(client_id):
        raise ApiError(
            400, "InvalidRequestArguments", f"Invalid URL patterns: clientId must match ^{CLIENT_ID.pattern}$"
        )
    return client_id


def _wanted(body: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a client that a request's body sets. Without deleteOnExpiration, that is false."""
    if not isinstance(body, dict) or not {"description", "expires"} <= body.keys():
        raise invalid("the body must have description and expires")
    unknown = body.keys() - {"description", "expires", "scopes", "deleteOnExpiration"}
    if unknown:
        raise invalid(f"the body must not have {', '.join(sorted(unknown))}")
    description, scopes = body["description"], body.get("scopes")
    if not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION:
        raise invalid(f"description must be text of at most {LONGEST_DESCRIPTION} characters")
    wanted: dict[str, Any] = {
        "description": description,
        "expires": parse_timestamp(body["expires"]),
        "delete_on_expiration": bool(body.get("deleteOnExpiration", False)),
    }
    if scopes is not None:
        if not isinstance(scopes, list) or not all(isinstance(item, str) and SCOPE.fullmatch(item) for item in scopes):
            raise invalid("scopes must be an array of scopes")
        wanted["scopes"] = list(scopes)
    return wanted


def _ping(call: Call) -> Any:
    return {"alive": True, "uptime": 1}


def _version(call: Call) -> Any:
    return {"source": "tcenv sandbox", "version": "v106.0.0", "commit": "", "build": ""}


def _current_scopes(call: Call) -> Any:
    call.require("auth:current-scopes")
    return {"scopes": list(call.caller.scopes)}


def _expand_scopes(call: Call) -> Any:
    call.require("auth:expand-scopes")
    return {"scopes": list(normal(call.body["scopes"]))}


def _list_clients(call: Call) -> Any:
    call.require("auth:list-clients")
    begin = int(call.query.get("continuationToken", "0"))
    end = begin + int(call.query.get("limit", _MOST_LISTED))
    prefix = call.query.get("prefix", "")
    found = [client for name, client in sorted(call.service.clients.items()) if name.startswith(prefix)]
    more = {"continuationToken": str(end)} if end < len(found) else {}
    return {"clients": [client.public() for client in found[begin:end]], **more}


def _client(call: Call) -> Any:
    call.require(f"auth:get-client:{call.client_id}")
    return call.service.existing(call.client_id).public()


def _create_client(call: Call) -> Any:
    scopes = _wanted(call.body).get("scopes", [])
    call.require(f"auth:create-client:{call.client_id}", *scopes)
    return call.service.create(call.client_id, call.body).with_token()


def _update_client(call: Call) -> Any:
    held = call.service.existing(call.client_id).scopes
    added = [scope for scope in _wanted(call.body).get("scopes", []) if scope not in held]
    call.require(f"auth:update-client:{call.client_id}", *added)
    return call.service.update(call.client_id, call.body).public()


def _reset_access_token(call: Call) -> Any:
    call.require(f"auth:reset-access-token:{call.client_id}")
    return call.service.reset(call.client_id).with_token()


def _delete_client(call: Call) -> Any:
    call.require(f"auth:delete-client:{call.client_id}")
    call.service.clients.pop(call.client_id, None)
    return {}


def _enable_client(call: Call) -> Any:
    call.require(f"auth:enable-client:{call.client_id}")
    call.service.existing(call.client_id).disabled = False
    return call.service.existing(call.client_id).public()


def _disable_client(call: Call) -> Any:
    call.require(f"auth:disable-client:{call.client_id}")
    call.service.existing(call.client_id).disabled = True
    return call.service.existing(call.client_id).public()


def _secret(call: Call) -> Any:
    """Of the Secrets service, so that signed calls can be tried on something other than Auth."""
    call.require(f"secrets:get:{call.client_id}")
    return {"secret": {"sandbox": "nothing here is real"}, "expires": timestamp(call.service.now() + _DAY)}


_METHODS: dict[str, Callable[[Call], Any]] = {
    "ping": _ping,
    "lbheartbeat": lambda call: {},
    "version": _version,
    "currentScopes": _current_scopes,
    "expandScopes": _expand_scopes,
    "listClients": _list_clients,
    "client": _client,
    "createClient": _create_client,
    "updateClient": _update_client,
    "resetAccessToken": _reset_access_token,
    "deleteClient": _delete_client,
    "enableClient": _enable_client,
    "disableClient": _disable_client,
    "get": _secret,
}
_ROUTES: dict[tuple[str, ...], str] = {
    ("GET", "auth", "v1", "__lbheartbeat__"): "lbheartbeat",
    ("GET", "auth", "v1", "__version__"): "version",
    ("GET", "auth", "v1", "scopes", "current"): "currentScopes",
    ("POST", "auth", "v1", "scopes", "expand"): "expandScopes",
    ("GET", "auth", "v1", "clients"): "listClients",
}
_CLIENT_ROUTES: dict[tuple[str, ...], str] = {
    ("GET",): "client",
    ("PUT",): "createClient",
    ("POST",): "updateClient",
    ("DELETE",): "deleteClient",
    ("POST", "reset"): "resetAccessToken",
    ("POST", "enable"): "enableClient",
    ("POST", "disable"): "disableClient",
}
