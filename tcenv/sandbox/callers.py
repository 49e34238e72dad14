"""Authenticate callers as the auth service does (services/auth, version 106): clients, certificates of temporary
credentials, and the authorizedScopes of one request."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tcenv.sandbox import hawk
from tcenv.sandbox.hawk import Rejected, Signed
from tcenv.sandbox.records import SCOPE, ApiError, Client, make_token
from tcenv.sandbox.scopes import Held, normalize

# Seconds by which a certificate's start and end may be off, and how long it may last.
DRIFT = 5 * 60
LONGEST_TEMPORARY = 31 * 86400
_SEED_LENGTH = 44
EVERYBODY = "assume:anonymous"


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller and its scopes. `client_id` is None for an anonymous caller. records.Request explains the other
    fields."""

    client_id: str | None
    held: Held
    authorized_scopes: tuple[str, ...] | None = None
    certificate: bool = False
    bewit: bool = False


@dataclass(frozen=True, slots=True)
class Registry:
    """What authentication needs of a deployment.

    `clients` are its clients by name. `held` returns all that scopes grant, roles included. `now` returns the
    deployment's time (seconds since the epoch). `any_time` accepts signatures of any age."""

    clients: Mapping[str, Client]
    held: Callable[[tuple[str, ...]], Held]
    now: Callable[[], float]
    any_time: bool


@dataclass(frozen=True, slots=True)
class _Credentials:
    token: str
    scopes: tuple[str, ...]


def authenticate(signed: Signed, registry: Registry) -> Caller:
    """Return the caller who signed the request, or an anonymous one. Raises ApiError 401."""
    try:
        claim = hawk.read(signed)
        if claim is None:
            return Caller(None, registry.held((EVERYBODY,)))
        extension = _parse_extension(claim.ext)
        credentials = _find_credentials(claim.client_id, extension, registry)
        hawk.check(claim, signed, credentials.token, registry.now(), any_time=registry.any_time)
        scopes, narrowed = credentials.scopes, extension.get("authorizedScopes")
        if narrowed is not None:
            scopes = tuple(narrowed)
        return Caller(
            claim.client_id,
            registry.held((*scopes, EVERYBODY)),
            None if narrowed is None else scopes,
            bool(extension.get("certificate")),
            claim.bewit,
        )
    except Rejected as rejection:
        raise ApiError(401, "AuthenticationFailed", str(rejection)) from None


def _find_credentials(client_id: str, extension: Mapping[str, Any], registry: Registry) -> _Credentials:
    """Return the key that must have made the signature, and its scopes. Raises Rejected."""
    certificate = extension.get("certificate")
    if certificate is None:
        client = _find_client(registry, client_id)
        credentials = _Credentials(client.access_token, tuple(client.scopes))
    elif isinstance(certificate, dict):
        credentials = _check_certificate(client_id, certificate, registry)
    else:
        raise Rejected("ext.certificate must be a JSON object")
    wanted = extension.get("authorizedScopes")
    if wanted is None:
        return credentials
    if not isinstance(wanted, list):
        raise Rejected("ext.authorizedScopes must be an array")
    if not _are_scopes(wanted):
        raise Rejected("ext.authorizedScopes must be an array of valid scopes")
    held = registry.held((*credentials.scopes, EVERYBODY))
    if not all(scope in held for scope in wanted):
        raise Rejected(
            "Supplied credentials do not satisfy authorizedScopes; credentials have scopes:\n\n```\n"
            + "\n".join(normalize(held.scopes))
            + "\n```\n\nauthorizedScopes are:\n\n```\n"
            + "\n".join(wanted)
            + "\n```"
        )
    return credentials


def _find_client(registry: Registry, client_id: str) -> Client:
    client = registry.clients.get(client_id)
    if client is None:
        raise Rejected(f"Client with clientId '{client_id}' not found")
    if client.disabled:
        raise Rejected(f"Client with clientId '{client_id}' is disabled")
    if client.expires < registry.now():
        raise Rejected(f"Client with clientId: '{client_id}' has expired")
    return client


def _check_certificate(client_id: str, certificate: dict[str, Any], registry: Registry) -> _Credentials:
    _check_form(certificate)
    issuer_id = certificate.get("issuer") or client_id
    if "issuer" in certificate and issuer_id == client_id:
        raise Rejected("ext.certificate.issuer must differ from the supplied clientId")
    issuer, now = _find_client(registry, issuer_id), registry.now()
    start, expiry, scopes = certificate["start"] / 1000, certificate["expiry"] / 1000, certificate["scopes"]
    if start > now + DRIFT:
        raise Rejected("ext.certificate.start > now")
    if expiry < now - DRIFT:
        raise Rejected("ext.certificate.expiry < now")
    if expiry - start > LONGEST_TEMPORARY:
        raise Rejected("ext.certificate cannot last longer than 31 days!")
    held = registry.held(tuple(issuer.scopes))
    if issuer_id != client_id and f"auth:create-client:{client_id}" not in held:
        raise Rejected(
            f"ext.certificate issuer `{issuer_id}` doesn't have `auth:create-client:{client_id}` for supplied clientId."
        )
    if not all(scope in held for scope in scopes):
        raise Rejected(
            f"ext.certificate issuer `{issuer_id}` doesn't satisfy all certificate scopes {', '.join(scopes)}.  "
            "The temporary credentials were not generated correctly."
        )
    key = issuer.access_token.encode()
    signature = base64.b64encode(_compute_hmac(key, _make_signed_text(client_id, certificate))).decode()
    if not hmac.compare_digest(signature.encode(), str(certificate.get("signature")).encode()):
        raise Rejected("ext.certificate.signature is not valid")
    token = base64.urlsafe_b64encode(_compute_hmac(key, certificate["seed"])).decode().rstrip("=")
    return _Credentials(token, tuple(scopes))


def mint(issuer: Client, client_id: str, scopes: list[str], start: float, end: float) -> dict[str, str]:
    """Return temporary credentials named `client_id`, as the services issue them. Times are seconds since the epoch."""
    seed = make_token()
    certificate: dict[str, Any] = {
        "version": 1,
        "scopes": scopes,
        "start": int(start * 1000),
        "expiry": int(end * 1000),
        "seed": seed,
        "issuer": issuer.client_id,
    }
    key = issuer.access_token.encode()
    certificate["signature"] = base64.b64encode(_compute_hmac(key, _make_signed_text(client_id, certificate))).decode()
    token = base64.urlsafe_b64encode(_compute_hmac(key, seed)).decode().rstrip("=")
    return {"clientId": client_id, "accessToken": token, "certificate": json.dumps(certificate)}


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
            raise Rejected(f"ext.certificate.{problem}")


def _make_signed_text(client_id: str, certificate: dict[str, Any]) -> str:
    named = [f"clientId:{client_id}", f"issuer:{certificate['issuer']}"] if certificate.get("issuer") else []
    facts = [f"{key}:{certificate[key]}" for key in ("seed", "start", "expiry")]
    return "\n".join(["version:1", *named, *facts, "scopes:", *certificate["scopes"]])


def _compute_hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _are_scopes(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) and SCOPE.fullmatch(item) for item in value)


@lru_cache(maxsize=1024)
def _parse_extension(text: str) -> Mapping[str, Any]:
    if not text:
        return {}
    try:
        standard = text.replace("-", "+").replace("_", "/").rstrip("=")
        content = json.loads(base64.b64decode(standard + "=" * (-len(standard) % 4)))
    except (ValueError, RecursionError):
        raise Rejected("Failed to parse ext") from None
    return content if isinstance(content, dict) else {}
