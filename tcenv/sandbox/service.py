"""The Auth service of the sandbox: clients, scopes, and Hawk signatures that are really verified. Knows no HTTP server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import mohawk
import mohawk.exc
import mohawk.util

from tcenv.scopes import covers, intersection

CLIENT_ID = re.compile(r"[A-Za-z0-9!@/:.+|_-]+")
ANONYMOUS = ("auth:current-scopes", "auth:get-client:*", "auth:list-clients")
# The real service lets ten minutes pass and an hour not.
_SKEW = 15 * 60
# Temporary credentials tolerate clocks that differ by some minutes.
_DRIFT = 5 * 60
_LONGEST_TEMPORARY = 31 * 86400
_DAY = 86400


class ApiError(Exception):
    """An answer of the API that is not good: HTTP status, the service's code for it, and its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass
class Client:
    """A client as the deployment keeps it. Times are seconds since the epoch."""

    client_id: str
    access_token: str = field(repr=False)
    expires: float
    scopes: list[str]
    description: str = ""
    delete_on_expiration: bool = False
    disabled: bool = False
    created: float = 0.0
    last_modified: float = 0.0

    def public(self) -> dict[str, Any]:
        """What the API says of it."""
        return {
            "clientId": self.client_id,
            "expires": timestamp(self.expires),
            "created": timestamp(self.created),
            "lastModified": timestamp(self.last_modified),
            "lastDateUsed": timestamp(self.created),
            "lastRotated": timestamp(self.last_modified),
            "description": self.description,
            "deleteOnExpiration": self.delete_on_expiration,
            "disabled": self.disabled,
            "scopes": list(self.scopes),
            "expandedScopes": list(self.scopes),
        }


@dataclass(frozen=True)
class Request:
    """A request that came in, for tests to look at; it holds no secret. `client_id` is None for an anonymous call."""

    method: str
    path: str
    client_id: str | None
    status: int


@dataclass(frozen=True)
class Caller:
    """Who signed a call, and what they may do."""

    client_id: str | None
    scopes: tuple[str, ...]
    temporary: bool = False


def timestamp(seconds: float) -> str:
    """The API's way to write a time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(seconds * 1000) % 1000:03d}Z"


def new_token() -> str:
    """44 characters of the URL-safe alphabet, as two slugids are; it may begin with `-` or `_`."""
    return secrets.token_urlsafe(33)


class Service:
    """The state of a deployment, and what its API does with it. Every public method may be called from any thread."""

    def __init__(
        self,
        *,
        user: str,
        user_scopes: Iterable[str],
        public: bool,
        clock: Callable[[], float],
        token_factory: Callable[[], str],
    ) -> None:
        self.user = user
        self.user_scopes = tuple(user_scopes)
        self.public = public
        self.clock_offset = 0.0
        self.token_factory = token_factory
        self.clients: dict[str, Client] = {}
        self.lock = threading.RLock()
        self._clock = clock
        self._nonces: set[tuple[str, str, str]] = set()
        self._purged = self.now() // _DAY

    def now(self) -> float:
        """The deployment's clock, in seconds since the epoch."""
        return self._clock() + self.clock_offset

    def purge(self) -> None:
        """Remove the expired clients that asked for it, as the deployment does at midnight (UTC)."""
        with self.lock:
            now = self.now()
            for client in list(self.clients.values()):
                if client.delete_on_expiration and client.expires < now:
                    del self.clients[client.client_id]

    def purge_if_due(self) -> None:
        """Catch up on a midnight that has passed: what had expired by then is gone."""
        with self.lock:
            midnight = self.now() // _DAY
            if midnight > self._purged:
                self._purged = midnight
                for client in list(self.clients.values()):
                    if client.delete_on_expiration and client.expires < midnight * _DAY:
                        del self.clients[client.client_id]

    # -- who calls

    def authenticate(self, header: str | None, method: str, url: str, body: bytes, content_type: str) -> Caller:
        """The caller, by the Hawk header, which may vouch for the body too; anonymous without one. Raises ApiError 401."""
        anonymous = ANONYMOUS if self.public else ()
        if not header:
            return Caller(None, anonymous)
        try:
            attributes = mohawk.util.parse_authorization_header(header)
        except mohawk.exc.HawkFail as error:
            raise _unauthenticated(f"Bad Request: {error}") from None
        client_id = str(attributes["id"])
        extension = _extension(attributes.get("ext"))
        found: dict[str, Any] = {}

        def look_up(sender: str) -> dict[str, str]:
            token, scopes, temporary = self._credentials(client_id, extension.get("certificate"))
            found.update(scopes=scopes, temporary=temporary)
            return {"id": sender, "key": token, "algorithm": "sha256"}

        try:
            mohawk.Receiver(
                look_up,
                header,
                url,
                method,
                content=body,
                content_type=content_type,
                accept_untrusted_content=True,
                seen_nonce=self._seen_nonce,
                timestamp_skew_in_seconds=_SKEW,
                localtime_offset_in_seconds=int(self.now() - time.time()),
            )
        except mohawk.exc.MacMismatch:
            raise _unauthenticated("Unauthorized: Bad mac") from None
        except mohawk.exc.TokenExpired:
            raise _unauthenticated(f"Unauthorized: Stale timestamp (server time: {timestamp(self.now())})") from None
        except mohawk.exc.HawkFail as error:
            raise _unauthenticated(f"Unauthorized: {type(error).__name__}") from None
        scopes = found["scopes"]
        if "authorizedScopes" in extension:
            wanted = extension["authorizedScopes"]
            if not all(covers(scopes, scope) for scope in wanted):
                raise _unauthenticated("Supplied credentials do not satisfy authorizedScopes")
            scopes = wanted
        return Caller(client_id, tuple(dict.fromkeys((*scopes, *anonymous))), found["temporary"])

    def _seen_nonce(self, client_id: str, nonce: str, timestamp: str) -> bool:
        with self.lock:
            key = (client_id, nonce, timestamp)
            seen = key in self._nonces
            self._nonces.add(key)
            return seen

    def _credentials(self, client_id: str, certificate: Any) -> tuple[str, list[str], bool]:
        """Token and scopes behind a clientId and, with temporary credentials, their certificate."""
        if certificate is None:
            client = self._good_client(client_id)
            return client.access_token, client.scopes, False
        if not isinstance(certificate, dict) or certificate.get("version") != 1:
            raise _unauthenticated("ext.certificate.version must be 1")
        issuer_id = certificate.get("issuer", client_id)
        if issuer_id == client_id and "issuer" in certificate:
            raise _unauthenticated("ext.certificate.issuer must differ from the supplied clientId")
        start, expiry = int(certificate["start"]) / 1000, int(certificate["expiry"]) / 1000
        now = self.now()
        if start > now + _DRIFT:
            raise _unauthenticated("ext.certificate.start > now")
        if expiry < now - _DRIFT:
            raise _unauthenticated("ext.certificate.expiry < now")
        if expiry - start > _LONGEST_TEMPORARY:
            raise _unauthenticated("ext.certificate cannot last longer than 31 days!")
        issuer = self._good_client(issuer_id)
        if issuer_id != client_id and not covers(issuer.scopes, f"auth:create-client:{client_id}"):
            raise _unauthenticated(f"ext.certificate issuer `{issuer_id}` doesn't have auth:create-client:{client_id}")
        scopes = [str(scope) for scope in certificate["scopes"]]
        lines = ["version:1"]
        if "issuer" in certificate:
            lines += [f"clientId:{client_id}", f"issuer:{issuer_id}"]
        lines += [
            f"seed:{certificate['seed']}",
            f"start:{certificate['start']}",
            f"expiry:{certificate['expiry']}",
            "scopes:",
            *scopes,
        ]
        key = issuer.access_token.encode()
        signature = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(signature).decode(), str(certificate["signature"])):
            raise _unauthenticated("ext.certificate.signature is not valid")
        if not all(covers((*issuer.scopes, *(ANONYMOUS if self.public else ())), scope) for scope in scopes):
            raise _unauthenticated(f"ext.certificate issuer `{issuer_id}` doesn't satisfy all certificate scopes")
        token = hmac.new(key, str(certificate["seed"]).encode(), hashlib.sha256).digest()
        return base64.urlsafe_b64encode(token).decode().rstrip("="), scopes, True

    def _good_client(self, client_id: str) -> Client:
        client = self.clients.get(client_id)
        if client is None:
            raise _unauthenticated(f"Client with clientId '{client_id}' not found")
        if client.expires < self.now():
            raise _unauthenticated(f"Client with clientId: '{client_id}' has expired")
        if client.disabled:
            raise _unauthenticated(f"Client with clientId '{client_id}' is disabled")
        return client

    # -- what the API does

    def call(self, caller: Caller, method: str, path: str, body: Any) -> Any:
        """Carry out `method` on `path` below /api/auth/v1. Returns what is to be sent as JSON. Raises ApiError."""
        with self.lock:
            if (method, path) == ("GET", "/ping"):
                return {"alive": True, "uptime": 1}
            if (method, path) == ("GET", "/scopes/current"):
                _require(caller, "auth:current-scopes")
                return {"scopes": list(caller.scopes)}
            if (method, path) == ("POST", "/scopes/expand"):
                return {"scopes": list(body["scopes"])}
            if method == "GET" and path.rstrip("/") == "/clients":
                _require(caller, "auth:list-clients")
                return {"clients": [client.public() for client in self.clients.values()]}
            if path.startswith("/clients/"):
                client_id, _, verb = path[len("/clients/") :].rpartition("/")
                if verb in ("reset", "enable", "disable") and method == "POST" and client_id:
                    return self._change(caller, client_id, verb)
                return self._client(caller, method, path[len("/clients/") :], body)
            raise ApiError(404, "ResourceNotFound", "no such method")

    def _client(self, caller: Caller, method: str, client_id: str, body: Any) -> Any:
        if method == "GET":
            _require(caller, f"auth:get-client:{client_id}")
            return self._existing(client_id).public()
        if method == "DELETE":
            _require(caller, f"auth:delete-client:{client_id}")
            self.clients.pop(client_id, None)
            return None
        if method == "PUT":
            _require(caller, f"auth:create-client:{client_id}")
            self._require_scopes(caller, body)
            return self.create(client_id, body)
        if method == "POST":
            _require(caller, f"auth:update-client:{client_id}")
            client = self._existing(client_id)
            self._require_scopes(caller, body)
            client.description = str(body.get("description", client.description))
            client.expires = parse_timestamp(body["expires"]) if "expires" in body else client.expires
            client.scopes = [str(scope) for scope in body.get("scopes", client.scopes)]
            client.delete_on_expiration = bool(body.get("deleteOnExpiration", False))
            client.last_modified = self.now()
            return client.public()
        raise ApiError(404, "ResourceNotFound", "no such method")

    def _change(self, caller: Caller, client_id: str, verb: str) -> Any:
        needed = {"reset": "reset-access-token", "enable": "enable-client", "disable": "disable-client"}[verb]
        _require(caller, f"auth:{needed}:{client_id}")
        client = self._existing(client_id)
        client.last_modified = self.now()
        if verb == "reset":
            client.access_token = self.token_factory()
            return {**client.public(), "accessToken": client.access_token}
        client.disabled = verb == "disable"
        return client.public()

    def _existing(self, client_id: str) -> Client:
        client = self.clients.get(client_id)
        if client is None:
            raise ApiError(404, "ResourceNotFound", f"Client with clientId '{client_id}' not found")
        return client

    def _require_scopes(self, caller: Caller, body: Any) -> None:
        for scope in body.get("scopes", ()):
            _require(caller, str(scope))

    def create(self, client_id: str, body: Any) -> dict[str, Any]:
        """Make a client, with its token in the answer. Raises ApiError: 400 for the name, 409 where it is taken."""
        with self.lock:
            if not CLIENT_ID.fullmatch(client_id):
                raise ApiError(400, "InvalidRequestArguments", "clientId does not match its pattern")
            if client_id in self.clients:
                raise ApiError(409, "RequestConflict", f"client with id `{client_id}` already exists")
            now = self.now()
            client = Client(
                client_id=client_id,
                access_token=self.token_factory(),
                expires=parse_timestamp(body["expires"]),
                scopes=[str(scope) for scope in body.get("scopes", ())],
                description=str(body.get("description", "")),
                delete_on_expiration=bool(body.get("deleteOnExpiration", False)),
                created=now,
                last_modified=now,
            )
            self.clients[client_id] = client
            return {**client.public(), "accessToken": client.access_token}

    # -- what the signed-in user does on the pages

    def as_user(self) -> Caller:
        """The user of the web pages."""
        return Caller(self.user, self.user_scopes)

    def grantable(self, asked: Iterable[str]) -> list[str]:
        """What of `asked` the user can give to a client: patterns narrow, the rest is dropped without a word."""
        return list(intersection(asked, self.user_scopes))


def parse_timestamp(text: str) -> float:
    """Seconds since the epoch. Raises ApiError 400."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (TypeError, ValueError):
        raise ApiError(400, "InputValidationError", "expires must be a date") from None


def _unauthenticated(message: str) -> ApiError:
    return ApiError(401, "AuthenticationFailed", message)


def _require(caller: Caller, scope: str) -> None:
    if not covers(caller.scopes, scope):
        who = caller.client_id or "anonymous"
        raise ApiError(403, "InsufficientScopes", f"Client ID {who} does not have sufficient scopes: {scope}")


def _extension(text: Any) -> dict[str, Any]:
    if not text:
        return {}
    try:
        padded = str(text) + "=" * (-len(str(text)) % 4)
        content = json.loads(base64.urlsafe_b64decode(padded))
    except ValueError:
        raise _unauthenticated("Failed to parse ext") from None
    return content if isinstance(content, dict) else {}
