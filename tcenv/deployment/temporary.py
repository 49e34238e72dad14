"""Make temporary credentials: they hold fewer scopes than the credentials that they come from and end sooner. No call is needed.

Follows `createTemporaryCredentials` of the `taskcluster` package, and a test compares the two. Hot path: JSON and base64 are
written without `json` and `base64`."""

from __future__ import annotations

import binascii
import os

from tcenv.deployment.patterns import MAX_HEADER_LENGTH
from tcenv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds.
LONGEST_LIFETIME = 31 * 86400
# Characters of a call's header besides the clientId and the certificate: the clients write 156, with a nonce of 6.
_REST_OF_HEADER = 192
# Seconds since the epoch, as long in digits as today's.
_SOME_TIME = 10**9


def mint(
    client_id: str, access_token: str, scopes: Sequence[str], start: int, expires: int, seed: str | None = None
) -> tuple[str, str]:
    """Return the accessToken and the certificate (JSON text) of temporary credentials with `scopes`, issued by a client with its
    token, and good from `start` to `expires` (seconds since the epoch). Tests give the `seed` (44 characters).

    Raises UsageError for a text that is no scope, for more than 31 days, and for more scopes than the header of a call holds."""
    for scope in scopes:
        if not (scope and scope.isascii() and scope.isprintable()):
            raise UsageError(f"{scope!r} is not a scope.", "Accepted: printable ASCII characters, at least one.")
    if expires - start > LONGEST_LIFETIME:
        raise UsageError("Temporary credentials last 31 days at most.")
    if not fits(client_id, scopes):
        raise UsageError(_make_length_error(client_id, scopes))
    seed = seed or _make_slug() + _make_slug()
    signed = "\n".join(
        ("version:1", f"seed:{seed}", f"start:{start * 1000}", f"expiry:{expires * 1000}", "scopes:", *scopes)
    )
    signature = binascii.b2a_base64(_compute_hmac(access_token, signed), newline=False).decode()
    token = _encode_url_safe(_compute_hmac(access_token, seed)).rstrip("=")
    return token, _render_certificate(scopes, start, expires, seed, signature)


def _render_certificate(scopes: Sequence[str], start: int, expires: int, seed: str, signature: str) -> str:
    quoted = ",".join(_quote(scope) for scope in scopes)
    return (
        f'{{"version":1,"scopes":[{quoted}],"start":{start * 1000},"expiry":{expires * 1000},'
        f'"seed":"{seed}","signature":"{signature}"}}'
    )


def _quote(scope: str) -> str:
    """Quote a scope for JSON. It is printable ASCII, so nothing else has to be escaped."""
    escaped = scope.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def fits(client_id: str, scopes: Sequence[str]) -> bool:
    """Return whether the header of a call has room for temporary credentials with `scopes`. Hawk's `ext` holds their certificate
    in base64."""
    certificate = _render_certificate(scopes, _SOME_TIME, _SOME_TIME, "=" * 44, "=" * 44)
    length = len('{"certificate":}') + len(certificate)
    return len(client_id) + (length + 2) // 3 * 4 + _REST_OF_HEADER <= MAX_HEADER_LENGTH


def _make_length_error(client_id: str, scopes: Sequence[str]) -> str:
    count = next(count for count in range(len(scopes)) if not fits(client_id, scopes[: count + 1]))
    return (
        f"{len(scopes)} scopes do not fit into temporary credentials: each call carries them in a header of "
        f"{MAX_HEADER_LENGTH:,} characters, which has room for the first {count}."
    )


def _make_slug() -> str:
    """Return 22 random characters: a UUID as the library writes it."""
    raw = bytearray(os.urandom(16))
    raw[0] &= 0x7F
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return _encode_url_safe(bytes(raw))[:22]


def _encode_url_safe(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode().replace("+", "-").replace("/", "_")


def _compute_hmac(key: str, message: str) -> bytes:
    try:
        # `hmac.digest` ends here; importing `hmac` takes as long as all other imports of this module.
        from _hashlib import hmac_digest as digest
    except ImportError:
        from hmac import digest  # type: ignore[assignment]
    return digest(key.encode(), message.encode(), "sha256")
