"""Authenticate callers as the auth service does (services/auth, version 106): clients, certificates of temporary
credentials, and the authorizedScopes of one request."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tcenv.sandbox import hawk
from tcenv.sandbox.deployment import Deployment
from tcenv.sandbox.hawk import Rejected, Signed
from tcenv.sandbox.records import SCOPE, ApiError, Caller, Client, make_token
from tcenv.sandbox.scopes import EVERYBODY, normalize

# Seconds by which a certificate's start and end may be off, and how long it may last.
DRIFT = 5 * 60
MAX_TEMPORARY_SECONDS = 31 * 86400
_SEED_LENGTH = 44


@dataclass(frozen=True, slots=True)
class _Credentials:
    token: str
    scopes: tuple[str, ...]


def authenticate(signed: Signed, deployment: Deployment) -> Caller:
    """Return the caller who signed the request, or an anonymous one. Raises ApiError 401."""
    try:
        claim = hawk.read(signed)
        if claim is None:
            return Caller(None, deployment.get_held((EVERYBODY,)))
        extension = _parse_extension(claim.ext)
        credentials = _find_credentials(claim.client_id, extension, deployment)
        hawk.check(claim, signed, credentials.token, deployment.now(), any_time=deployment.any_time)
        scopes, narrowed = credentials.scopes, extension.get("authorizedScopes")
        if narrowed is not None:
            scopes = tuple(narrowed)
        return Caller(
            claim.client_id,
            deployment.get_held((*scopes, EVERYBODY)),
            None if narrowed is None else scopes,
            bool(extension.get("certificate")),
            claim.bewit,
        )
    except Rejected as rejection:
        raise ApiError("AuthenticationFailed", str(rejection)) from None


def _find_credentials(client_id: str, extension: Mapping[str, Any], deployment: Deployment) -> _Credentials:
    """Return the key that must have made the signature, and its scopes. Raises Rejected."""
    certificate = extension.get("certificate")
    if certificate is None:
        client = _find_client(deployment, client_id)
        credentials = _Credentials(client.access_token, tuple(client.scopes))
    elif isinstance(certificate, dict):
        credentials = _check_certificate(client_id, certificate, deployment)
    else:
        raise Rejected("ext.certificate must be a JSON object")
    scopes = extension.get("authorizedScopes")
    if scopes is None:
        return credentials
    if not isinstance(scopes, list):
        raise Rejected("ext.authorizedScopes must be an array")
    if not _are_scopes(scopes):
        raise Rejected("ext.authorizedScopes must be an array of valid scopes")
    held = deployment.get_held((*credentials.scopes, EVERYBODY))
    if not all(scope in held for scope in scopes):
        raise Rejected(
            "Supplied credentials do not satisfy authorizedScopes; credentials have scopes:\n\n```\n"
            + "\n".join(normalize(held.scopes))
            + "\n```\n\nauthorizedScopes are:\n\n```\n"
            + "\n".join(scopes)
            + "\n```"
        )
    return credentials


def _find_client(deployment: Deployment, client_id: str) -> Client:
    client = deployment.clients.get(client_id)
    if client is None:
        raise Rejected(f"Client with clientId '{client_id}' not found")
    if client.disabled:
        raise Rejected(f"Client with clientId '{client_id}' is disabled")
    if client.expires < deployment.now():
        raise Rejected(f"Client with clientId: '{client_id}' has expired")
    return client


def _check_certificate(client_id: str, certificate: dict[str, Any], deployment: Deployment) -> _Credentials:
    _check_form(certificate)
    issuer_id = certificate.get("issuer") or client_id
    if "issuer" in certificate and issuer_id == client_id:
        raise Rejected("ext.certificate.issuer must differ from the supplied clientId")
    issuer, now = _find_client(deployment, issuer_id), deployment.now()
    start, expiry, scopes = certificate["start"] / 1000, certificate["expiry"] / 1000, certificate["scopes"]
    if start > now + DRIFT:
        raise Rejected("ext.certificate.start > now")
    if expiry < now - DRIFT:
        raise Rejected("ext.certificate.expiry < now")
    if expiry - start > MAX_TEMPORARY_SECONDS:
        raise Rejected("ext.certificate cannot last longer than 31 days!")
    held = deployment.get_held(tuple(issuer.scopes))
    if issuer_id != client_id and f"auth:create-client:{client_id}" not in held:
        raise Rejected(
            f"ext.certificate issuer `{issuer_id}` doesn't have `auth:create-client:{client_id}` for supplied clientId."
        )
    if not all(scope in held for scope in scopes):
        raise Rejected(
            f"ext.certificate issuer `{issuer_id}` doesn't satisfy all certificate scopes {', '.join(scopes)}.  "
            "The temporary credentials were not generated correctly."
        )
    signature = _sign(client_id, certificate, issuer.access_token)
    if not hmac.compare_digest(signature.encode(), str(certificate.get("signature")).encode()):
        raise Rejected("ext.certificate.signature is not valid")
    return _Credentials(_derive_token(certificate["seed"], issuer.access_token), tuple(scopes))


def mint(issuer: Client, client_id: str, scopes: list[str], start: float, end: float) -> dict[str, str]:
    """Return temporary credentials named `client_id`, as the services issue them. Times are seconds since the epoch."""
    certificate: dict[str, Any] = {
        "version": 1,
        "scopes": scopes,
        "start": int(start * 1000),
        "expiry": int(end * 1000),
        "seed": make_token(),
        "issuer": issuer.client_id,
    }
    certificate["signature"] = _sign(client_id, certificate, issuer.access_token)
    token = _derive_token(certificate["seed"], issuer.access_token)
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
    for problem, is_there in problems.items():
        if is_there:
            raise Rejected(f"ext.certificate.{problem}")


def _sign(client_id: str, certificate: dict[str, Any], issuer_token: str) -> str:
    named = [f"clientId:{client_id}", f"issuer:{certificate['issuer']}"] if certificate.get("issuer") else []
    facts = [f"{key}:{certificate[key]}" for key in ("seed", "start", "expiry")]
    text = "\n".join(["version:1", *named, *facts, "scopes:", *certificate["scopes"]])
    return base64.b64encode(hmac.digest(issuer_token.encode(), text.encode(), "sha256")).decode()


def _derive_token(seed: str, issuer_token: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(issuer_token.encode(), seed.encode(), "sha256")).decode().rstrip("=")


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
