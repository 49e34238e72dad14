"""Who signed a call: Hawk signatures and the certificates of temporary credentials, verified as the auth service does
(services/auth, version 106). Takes no signature on trust."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mohawk
import mohawk.exc
import mohawk.util

from tcenv.sandbox.records import SCOPE, ApiError, Client
from tcenv.sandbox.scopes import normal, satisfies

# Of a signature's time, and of a certificate's start and end (seconds).
SKEW = 15 * 60
DRIFT = 5 * 60
LONGEST_TEMPORARY = 31 * 86400
_SEED_LENGTH = 44


@dataclass(frozen=True)
class Caller:
    """Who calls, and what they may do. `client_id` is None for nobody in particular."""

    client_id: str | None
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Signed:
    """A request as far as its signature covers it."""

    method: str
    url: str
    authorization: str
    content: bytes
    content_type: str


@dataclass(frozen=True)
class _Credentials:
    token: str
    scopes: tuple[str, ...]


class _Rejected(Exception):
    pass


def authenticate(
    request: Signed,
    clients: Mapping[str, Client],
    anonymous: tuple[str, ...],
    now: Callable[[], float],
    *,
    any_time: bool = False,
) -> Caller:
    """The caller whose signature `request` carries; `anonymous` is what everybody may do, `now` the deployment's clock in
    seconds since the epoch, and `any_time` lets a signature be as old as it likes. Raises ApiError 401."""
    try:
        attributes = _attributes(request.authorization)
        client_id = attributes["id"]
        extension = _extension(attributes.get("ext"))
        credentials = _credentials(client_id, extension, clients, anonymous, now())
        _verify(request, "hash" in attributes, client_id, credentials.token, now(), any_time)
    except _Rejected as rejection:
        raise ApiError(401, "AuthenticationFailed", str(rejection)) from None
    return Caller(client_id, normal((*credentials.scopes, *anonymous)))


def _attributes(header: str) -> dict[str, str]:
    try:
        attributes = mohawk.util.parse_authorization_header(header)
        if attributes.keys() >= {"id", "ts", "nonce", "mac"} and attributes["ts"].isdecimal():
            return dict(attributes)
    except (mohawk.exc.HawkFail, ValueError):
        pass
    raise _Rejected("Bad Request: Invalid header syntax")


def _verify(request: Signed, hashed: bool, client_id: str, token: str, now: float, any_time: bool) -> None:
    # A hash of the body is optional; one that is there must be right.
    content = {"content": request.content, "content_type": request.content_type} if hashed else {}
    try:
        mohawk.Receiver(
            lambda sender: {"id": sender, "key": token, "algorithm": "sha256"},
            request.authorization,
            request.url,
            request.method,
            accept_untrusted_content=True,
            # The service keeps no nonces either.
            seen_nonce=lambda *_: False,
            timestamp_skew_in_seconds=float("inf") if any_time else SKEW,
            localtime_offset_in_seconds=int(now - time.time()),
            **content,
        )
    except mohawk.exc.MacMismatch:
        raise _Rejected("Unauthorized: Bad mac") from None
    except mohawk.exc.TokenExpired:
        raise _Rejected("Unauthorized: Stale timestamp") from None
    except mohawk.exc.MisComputedContentHash:
        raise _Rejected("Invalid payload hash") from None
    except mohawk.exc.HawkFail:
        raise _Rejected("Bad Request: Invalid header syntax") from None


def _credentials(
    client_id: str, extension: dict[str, Any], clients: Mapping[str, Client], anonymous: tuple[str, ...], now: float
) -> _Credentials:
    certificate = extension.get("certificate")
    if certificate is None:
        client = _good(clients, client_id, now)
        credentials = _Credentials(client.access_token, tuple(client.scopes))
    elif isinstance(certificate, dict):
        credentials = _temporary(client_id, certificate, clients, now)
    else:
        raise _Rejected("ext.certificate must be a JSON object")
    wanted = extension.get("authorizedScopes")
    if wanted is None:
        return credentials
    if not _are_scopes(wanted):
        raise _Rejected("ext.authorizedScopes must be an array of valid scopes")
    if not all(satisfies((*credentials.scopes, *anonymous), scope) for scope in wanted):
        raise _Rejected("Supplied credentials do not satisfy authorizedScopes")
    return _Credentials(credentials.token, tuple(wanted))


def _good(clients: Mapping[str, Client], client_id: str, now: float) -> Client:
    client = clients.get(client_id)
    if client is None:
        raise _Rejected(f"Client with clientId '{client_id}' not found")
    if client.disabled:
        raise _Rejected(f"Client with clientId '{client_id}' is disabled")
    if client.expires < now:
        raise _Rejected(f"Client with clientId: '{client_id}' has expired")
    return client


def _temporary(client_id: str, certificate: dict[str, Any], clients: Mapping[str, Client], now: float) -> _Credentials:
    _check_form(certificate)
    issuer_id = certificate.get("issuer") or client_id
    if "issuer" in certificate and issuer_id == client_id:
        raise _Rejected("ext.certificate.issuer must differ from the supplied clientId")
    issuer = _good(clients, issuer_id, now)
    start, expiry, scopes = certificate["start"] / 1000, certificate["expiry"] / 1000, certificate["scopes"]
    if start > now + DRIFT:
        raise _Rejected("ext.certificate.start > now")
    if expiry < now - DRIFT:
        raise _Rejected("ext.certificate.expiry < now")
    if expiry - start > LONGEST_TEMPORARY:
        raise _Rejected("ext.certificate cannot last longer than 31 days!")
    if issuer_id != client_id and not satisfies(issuer.scopes, f"auth:create-client:{client_id}"):
        raise _Rejected(
            f"ext.certificate issuer `{issuer_id}` doesn't have `auth:create-client:{client_id}` for supplied clientId."
        )
    if not all(satisfies(issuer.scopes, scope) for scope in scopes):
        raise _Rejected(
            f"ext.certificate issuer `{issuer_id}` doesn't satisfy all certificate scopes {', '.join(scopes)}."
        )
    key = issuer.access_token.encode()
    signature = base64.b64encode(_hmac(key, _signed_text(client_id, certificate))).decode()
    if not hmac.compare_digest(signature.encode(), str(certificate.get("signature")).encode()):
        raise _Rejected("ext.certificate.signature is not valid")
    token = base64.urlsafe_b64encode(_hmac(key, certificate["seed"])).decode().rstrip("=")
    return _Credentials(token, tuple(scopes))


def _check_form(certificate: dict[str, Any]) -> None:
    seed = certificate.get("seed")
    problems = {
        "version must be 1": certificate.get("version") != 1,
        "seed must be 44 characters": not isinstance(seed, str) or len(seed) != _SEED_LENGTH,
        "start must be a number": not isinstance(certificate.get("start"), int | float),
        "expiry must be a number": not isinstance(certificate.get("expiry"), int | float),
        "scopes must be an array of valid scopes": not _are_scopes(certificate.get("scopes")),
        "issuer must be a string": not isinstance(certificate.get("issuer", ""), str),
    }
    for problem, there in problems.items():
        if there:
            raise _Rejected(f"ext.certificate.{problem}")


def _signed_text(client_id: str, certificate: dict[str, Any]) -> str:
    named = [f"clientId:{client_id}", f"issuer:{certificate['issuer']}"] if certificate.get("issuer") else []
    facts = [f"{key}:{certificate[key]}" for key in ("seed", "start", "expiry")]
    return "\n".join(["version:1", *named, *facts, "scopes:", *certificate["scopes"]])


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _are_scopes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and SCOPE.fullmatch(item) for item in value)


def _extension(text: str | None) -> dict[str, Any]:
    if not text:
        return {}
    try:
        content = json.loads(base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "=="))
    except ValueError:
        raise _Rejected("Failed to parse ext") from None
    return content if isinstance(content, dict) else {}
