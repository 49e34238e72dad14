"""Make and check Hawk signatures of requests and of signed URLs (bewits).

Follows Hawk 1.1 as published: the normalized string, the payload hash, the bewit. docs/taskcluster.md says what Taskcluster puts
into `ext` and how its clients deviate. Like the service, it stores neither tokens nor nonces. It never says what is wrong with a
signature."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tcenv.deployment.patterns import MAX_HEADER_LENGTH

# The largest difference in seconds between a signature's time and this machine's.
SKEW = 15 * 60
# Values hold printable ASCII without quotes and backslashes.
_ATTRIBUTE = re.compile(r'([a-z]+)="([ !#-\[\]-~]*)"\s*(?:,\s*|\Z)')
_KNOWN = frozenset(("id", "ts", "nonce", "hash", "ext", "mac", "app", "dlg"))
_NEEDED = ("id", "ts", "nonce", "mac")
_NUMBER = re.compile(r"[0-9]{1,12}", re.ASCII)
_BEWIT = re.compile(r"(.*?)([?&])bewit=([^&]*)(?:&(.*))?", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}


class BadSignature(Exception):
    """A signature lacks a part, or is malformed, stale or wrong. Callers must not learn which."""


@dataclass(frozen=True)
class Endpoint:
    """The parts of an address that are signed. `host` has no brackets; `resource` is the raw path with its raw query."""

    host: str
    port: int
    resource: str

    @classmethod
    def from_url(cls, url: str) -> Endpoint:
        """Split an absolute URL and leave its path and query as they are written. Raises ValueError."""
        parts = urlsplit(url)
        if parts.hostname is None or parts.scheme not in _DEFAULT_PORTS:
            raise ValueError("not an absolute http(s) URL")
        resource = parts.path or "/"
        if parts.query:
            resource += f"?{parts.query}"
        return cls(parts.hostname, parts.port or _DEFAULT_PORTS[parts.scheme], resource)


@dataclass(frozen=True)
class Attributes:
    """The parts of an Authorization header. `hash` is empty if the body is not hashed."""

    id: str
    ts: str
    nonce: str
    mac: str = field(repr=False)
    hash: str = ""
    ext: str = field(default="", repr=False)
    app: str = ""
    dlg: str = ""


@dataclass(frozen=True)
class Bewit:
    """The parts of a signed URL: the clientId, the end (seconds since the epoch), the signature and `ext`."""

    id: str
    exp: int
    mac: str = field(repr=False)
    ext: str = field(repr=False)


def make_header(
    client_id: str, token: str, method: str, endpoint: Endpoint, *, now: float, ext: str = "", payload_hash: str = ""
) -> str:
    """Return the Authorization header that signs a request. `ext` comes from `encode_extension`, `payload_hash` from
    `PayloadHash`."""
    nonce = base64.urlsafe_b64encode(os.urandom(6)).decode()
    attributes = Attributes(client_id, str(int(now)), nonce, "", payload_hash, ext)
    mac = _compute_mac(token, "header", attributes, method, endpoint)
    hashed = f', hash="{payload_hash}"' if payload_hash else ""
    extended = f', ext="{ext}"' if ext else ""
    return f'Hawk id="{client_id}", ts="{attributes.ts}", nonce="{nonce}"{hashed}{extended}, mac="{mac}"'


def make_bewit(client_id: str, token: str, endpoint: Endpoint, *, expires: float, ext: str = "") -> str:
    """Return the value of the `bewit` parameter that signs a GET of `endpoint` until `expires` (seconds since the epoch)."""
    attributes = Attributes(client_id, str(int(expires)), "", "", ext=ext)
    # The service takes a signature in standard base64 inside of URL-safe base64 without padding, and nothing else.
    inner = f"{client_id}\\{attributes.ts}\\{_compute_mac(token, 'bewit', attributes, 'GET', endpoint)}\\{ext}"
    return base64.urlsafe_b64encode(inner.encode()).decode().rstrip("=")


def add_bewit(url: str, value: str) -> str:
    """Append a bewit to `url` as its last parameter."""
    url = url.removesuffix("?")
    return f"{url}{'&' if '?' in url else '?'}bewit={value}"


def encode_extension(content: dict[str, Any]) -> str:
    """Encode `authorizedScopes` and `certificate` for the `ext` attribute. Returns an empty string if `content` is
    empty."""
    if not content:
        return ""
    text = json.dumps(content, separators=(",", ":"))
    return base64.b64encode(text.encode()).decode()


def make_extension(certificate: str | None, scopes: Sequence[str] | None = None) -> str:
    """Return the `ext` attribute of a call: the certificate of temporary credentials (JSON text), and the scopes that the call
    is narrowed to (None: it is not)."""
    content: dict[str, Any] = {}
    if certificate is not None:
        content["certificate"] = json.loads(certificate)
    if scopes is not None:
        content["authorizedScopes"] = list(scopes)
    return encode_extension(content)


class PayloadHash:
    """Hashes a body that comes in pieces."""

    def __init__(self, content_type: str = "") -> None:
        self._hash = hashlib.sha256(b"hawk.1.payload\n")
        self._hash.update(f"{content_type.partition(';')[0].strip().lower()}\n".encode("utf-8", "replace"))

    def update(self, piece: bytes) -> None:
        """Add a piece."""
        self._hash.update(piece)

    def digest(self) -> str:
        """Return the `hash` attribute (base64) of the pieces so far."""
        complete = self._hash.copy()
        complete.update(b"\n")
        return base64.b64encode(complete.digest()).decode()


def parse_header(text: str) -> Attributes:
    """Return the parts of an Authorization header. Raises BadSignature."""
    if len(text) > MAX_HEADER_LENGTH:
        raise BadSignature
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "hawk":
        raise BadSignature
    parts: dict[str, str] = {}
    position = 0
    rest = rest.lstrip()
    while position < len(rest):
        match = _ATTRIBUTE.match(rest, position)
        if match is None or match[1] not in _KNOWN or match[1] in parts:
            raise BadSignature
        parts[match[1]] = match[2]
        position = match.end()
    if not all(parts.get(name) for name in _NEEDED) or not _NUMBER.fullmatch(parts["ts"]):
        raise BadSignature
    return Attributes(**parts)


def check_header(attributes: Attributes, token: str, method: str, endpoint: Endpoint, *, now: float) -> None:
    """Check the signature of a request, but not the hash of its body. Raises BadSignature."""
    expected = _compute_mac(token, "header", attributes, method, endpoint)
    if not _is_same(expected, attributes.mac) or abs(int(attributes.ts) - now) > SKEW:
        raise BadSignature


def split_bewit(resource: str) -> tuple[str, str] | None:
    """Return a raw path and query without its bewit, and the bewit, or None if there is no bewit."""
    match = _BEWIT.fullmatch(resource)
    if match is None:
        return None
    rest = f"{match[2]}{match[4]}" if match[4] else ""
    return match[1] + rest, match[3]


def parse_bewit(value: str) -> Bewit:
    """Return the parts of a bewit, with or without padding, in either alphabet of base64. Raises BadSignature."""
    try:
        parts = base64.b64decode(_pad(value.rstrip("=")), altchars=b"-_", validate=True).decode("ascii").split("\\")
    except (ValueError, binascii.Error):
        raise BadSignature from None
    if len(parts) != 4 or not parts[0] or not _NUMBER.fullmatch(parts[1]):
        raise BadSignature
    return Bewit(parts[0], int(parts[1]), parts[2], parts[3])


def check_bewit(bewit: Bewit, token: str, endpoint: Endpoint, *, now: float) -> None:
    """Check a bewit against the endpoint that `split_bewit` took it from. Raises BadSignature."""
    attributes = Attributes(bewit.id, str(bewit.exp), "", "", ext=bewit.ext)
    expected = _compute_mac(token, "bewit", attributes, "GET", endpoint)
    # Some clients write the inner signature in the URL-safe alphabet.
    given = bewit.mac.replace("-", "+").replace("_", "/")
    if not _is_same(expected, given) or bewit.exp <= now:
        raise BadSignature


def parse_extension(ext: str) -> dict[str, Any]:
    """Decode an `ext` attribute, with or without padding, in either alphabet of base64. Raises BadSignature."""
    if not ext:
        return {}
    try:
        content = json.loads(base64.b64decode(_pad(ext.rstrip("=")), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        raise BadSignature from None
    if not isinstance(content, dict):
        raise BadSignature
    return content


def _pad(text: str) -> bytes:
    return (text.replace("+", "-").replace("/", "_") + "=" * (-len(text) % 4)).encode("ascii")


def _is_same(expected: str, given: str) -> bool:
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _compute_mac(token: str, kind: str, attributes: Attributes, method: str, endpoint: Endpoint) -> str:
    lines = [
        f"hawk.1.{kind}",
        attributes.ts,
        attributes.nonce,
        method.upper(),
        endpoint.resource,
        endpoint.host.lower(),
        str(endpoint.port),
        attributes.hash,
        attributes.ext.replace("\\", "\\\\").replace("\n", "\\n"),
    ]
    if attributes.app:
        lines += [attributes.app, attributes.dlg]
    text = "\n".join([*lines, ""])
    return base64.b64encode(hmac.digest(token.encode(), text.encode("utf-8", "replace"), "sha256")).decode()
