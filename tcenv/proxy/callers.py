"""Check the caller of a request. Accept a request or a URL that is signed with the run's client and token. If the run
allows unsigned calls, also accept a request to the secret path. Refuse all others without a reason."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcenv.deployment import hawk
from tcenv.deployment.hawk import BadSignature, Endpoint
from tcenv.deployment.scopes import intersect

if TYPE_CHECKING:
    from tcenv.proxy.child_environment import Run

# How far a certificate's start and end may be off this machine's clock, and how long it may last (seconds;
# services/auth 106).
_DRIFT = 5 * 60
_LONGEST = 31 * 86400
_SEED_LENGTH = 44
_MAX_SCOPES = 10_000


class Refused(Exception):
    """The proxy refuses the caller. `status` is 401 or 403."""

    def __init__(self, status: int = 401) -> None:
        super().__init__(status)
        self.status = status


@dataclass(frozen=True)
class CallerRights:
    """The rights of a caller. `resource` is the raw path and query without the secret path and the signature. `scopes`
    are those to which the caller narrowed the request (None: it did not). `hash` is the hash that the body must have
    (empty: the caller signed none). `unsigned` is true if the caller gave only the secret path."""

    resource: str
    scopes: tuple[str, ...] | None = None
    hash: str = ""
    unsigned: bool = False


def authenticate(
    run: Run, method: str, host: str, port: int, resource: str, authorization: str | None, *, now: float
) -> CallerRights | None:
    """Return the rights of a request's caller, or None if the request has no credentials. `host` and `port` come from
    its Host header, `resource` is its raw path and query. Raises Refused."""
    bare, is_known = remove_secret(run, resource)
    try:
        if authorization is not None:
            if hawk.split_bewit(resource) is not None:
                # Like the service, refuse a request with two signatures.
                raise Refused
            return _check_header(run, method, Endpoint(host, port, resource), bare, authorization, now)
        split = hawk.split_bewit(resource)
        if split is not None and method in ("GET", "HEAD"):
            return _check_signed_url(run, Endpoint(host, port, split[0]), split[1], now)
        if is_known:
            return CallerRights(bare, unsigned=True)
    except BadSignature:
        raise Refused from None
    return None


def narrow(outer: tuple[str, ...] | None, inner: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the scopes that both `outer` and `inner` cover. None means no narrowing."""
    if inner is None:
        return outer
    return inner if outer is None else intersect(inner, outer)


def remove_secret(run: Run, resource: str) -> tuple[str, bool]:
    """Return the resource without the secret path, and whether it had that path."""
    if run.secret is None:
        return resource, False
    first, slash, rest = resource[1:].partition("/")
    if not hmac.compare_digest(first.encode("utf-8", "replace"), run.secret.encode()):
        return resource, False
    return slash + rest or "/", True


def _check_header(run: Run, method: str, endpoint: Endpoint, bare: str, authorization: str, now: float) -> CallerRights:
    attributes = hawk.parse_header(authorization)
    token, scopes = _find_credentials(run, attributes.id, attributes.ext, now)
    hawk.check_header(attributes, token, method, endpoint, now=now)
    return CallerRights(bare, scopes, attributes.hash)


def _check_signed_url(run: Run, endpoint: Endpoint, value: str, now: float) -> CallerRights:
    signed = hawk.parse_bewit(value)
    token, scopes = _find_credentials(run, signed.id, signed.ext, now)
    hawk.check_bewit(signed, token, endpoint, now=now)
    return CallerRights(remove_secret(run, endpoint.resource)[0], scopes)


def _find_credentials(run: Run, client_id: str, ext: str, now: float) -> tuple[str, tuple[str, ...] | None]:
    """Return the token that must have signed, and the scopes to which the caller narrowed the request. Trusts `ext`
    because the signature covers it."""
    content = hawk.parse_extension(ext)
    token, scopes = run.token, None
    certificate = content.get("certificate")
    if certificate is not None:
        token, scopes = _check_certificate(run, client_id, certificate, now)
    elif client_id != run.client_id:
        raise BadSignature
    authorized = content.get("authorizedScopes")
    if authorized is not None:
        scopes = narrow(scopes, _parse_scopes(authorized))
    return token, scopes


def _check_certificate(run: Run, client_id: str, certificate: Any, now: float) -> tuple[str, tuple[str, ...]]:
    """Return the token and the scopes of temporary credentials that the program made from the run's own credentials."""
    if not isinstance(certificate, Mapping) or certificate.get("version") != 1:
        raise BadSignature
    issuer = certificate.get("issuer")
    has_issuer = issuer is not None
    if (issuer if has_issuer else client_id) != run.client_id or (has_issuer and client_id == run.client_id):
        raise BadSignature
    seed, start, expiry = (certificate.get(key) for key in ("seed", "start", "expiry"))
    if not isinstance(seed, str) or len(seed) != _SEED_LENGTH:
        raise BadSignature
    if type(start) is not int or type(expiry) is not int:
        raise BadSignature
    scopes = _parse_scopes(certificate.get("scopes"))
    begins, ends = start / 1000, expiry / 1000
    if begins > now + _DRIFT or ends < now - _DRIFT or ends - begins > _LONGEST:
        raise BadSignature
    lines = ["version:1", *([f"clientId:{client_id}", f"issuer:{issuer}"] if has_issuer else ())]
    lines += [f"seed:{seed}", f"start:{start}", f"expiry:{expiry}", "scopes:", *scopes]
    expected = base64.b64encode(_compute_hmac(run.token, "\n".join(lines))).decode()
    signature = certificate.get("signature")
    if not isinstance(signature, str) or not hmac.compare_digest(
        expected.encode(), signature.encode("utf-8", "replace")
    ):
        raise BadSignature
    return base64.urlsafe_b64encode(_compute_hmac(run.token, seed)).decode().rstrip("="), scopes


def _parse_scopes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_SCOPES:
        raise BadSignature
    if not all(isinstance(scope, str) and scope.isascii() and scope.isprintable() and scope for scope in value):
        raise BadSignature
    return tuple(value)


def _compute_hmac(key: str, text: str) -> bytes:
    return hmac.digest(key.encode(), text.encode("utf-8", "replace"), hashlib.sha256)
