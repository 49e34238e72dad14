"""Check Hawk signatures as the auth service does (services/auth, version 106): in an Authorization header, or in a URL
(a bewit). Knows no client and no scope."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Any

# Seconds by which a signature's time may be off, and characters of the longest header.
SKEW = 15 * 60
MAX_HEADER_LENGTH = 4096
_ATTRIBUTE = re.compile(r'(\w+)="([^"\\]*)"\s*(?:,\s*|$)')
_ATTRIBUTES = re.compile(r'(?:\w+="[^"\\]*"\s*(?:,\s*|$))+')
_KNOWN = frozenset(("id", "ts", "nonce", "hash", "ext", "mac", "app", "dlg"))
_BEWIT = re.compile(r"(.*)([?&])bewit=([^&]*)(?:&(.+))?")


class Rejected(Exception):
    """The signature is not valid. The text is the service's."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The parts of a request that a signature covers. `target` is path and query as they were sent, `host` and `port`
    come from the Host header. `payload` is the body's hash, if one was computed."""

    method: str
    target: str
    host: str
    port: str
    authorization: str
    payload: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """The contents of a signature: who made it, when (a bewit: when it expires), and its extra data."""

    client_id: str
    ext: str
    moment: int
    mac: str
    text: str
    payload: str | None
    bewit: bool


def read(signed: Signed) -> Claim | None:
    """Read the signature of a request, or return None if it has none. Raises Rejected."""
    found = _BEWIT.fullmatch(signed.target)
    if signed.authorization and found:
        raise Rejected(
            "Cannot use two authentication schemes at once this request has both bewit in querystring and "
            "'authorization' header"
        )
    if signed.authorization:
        return _read_header(signed)
    return _read_bewit(signed, found) if found else None


def has_payload_hash(authorization: str) -> bool:
    """Return whether the header has a hash of the body."""
    return "hash=" in authorization


def start_payload_hash(content_type: str) -> Any:
    """Return a hashlib object to feed with the body. finish_payload_hash ends it."""
    kind = content_type.partition(";")[0].strip().lower()
    return hashlib.sha256(f"hawk.1.payload\n{kind}\n".encode())


def finish_payload_hash(fed: Any) -> str:
    """Return the hash of the whole body as a header has it."""
    fed.update(b"\n")
    return base64.b64encode(fed.digest()).decode()


def check(claim: Claim, signed: Signed, token: str, now: float, *, any_time: bool) -> None:
    """Check that `claim` was made with `token`, for this request, at about `now` (seconds since the epoch). Raises
    Rejected."""
    mac = base64.b64encode(hmac.digest(token.encode(), claim.text.encode("utf-8", "replace"), "sha256")).decode()
    if claim.bewit and claim.moment <= now and not any_time:
        raise Rejected("Unauthorized: Access expired")
    if not hmac.compare_digest(mac.encode(), claim.mac.encode("utf-8", "replace")):
        raise Rejected("Unauthorized: Bad mac")
    if claim.bewit:
        return
    if not any_time and abs(claim.moment - now) > SKEW:
        raise Rejected("Unauthorized: Stale timestamp")
    if claim.payload is not None and claim.payload != signed.payload:
        raise Rejected(
            f"Invalid payload hash: {claim.payload}\nComputed payload hash: {signed.payload}\nThis happens when a request "
            "carries a signed hash of its payload that is not the one which the server has computed."
        )


def _read_header(signed: Signed) -> Claim:
    header = signed.authorization
    if len(header) > MAX_HEADER_LENGTH:
        raise Rejected("Bad Request: Header length too long")
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "hawk":
        raise Rejected("Unauthorized: Unauthorized")
    pairs = _ATTRIBUTE.findall(rest) if _ATTRIBUTES.fullmatch(rest) else []
    given = dict(pairs)
    if not pairs or len(given) < len(pairs) or not given.keys() <= _KNOWN:
        raise Rejected("Bad Request: Invalid header syntax")
    if not ({"id", "ts", "nonce", "mac"} <= given.keys() and given["ts"].isascii() and given["ts"].isdecimal()):
        raise Rejected("Bad Request: Missing attributes")
    moment, ext, payload = given["ts"], given.get("ext", ""), given.get("hash")
    text = _make_text("header", moment, given["nonce"], signed, signed.target, payload or "", ext)
    if given.get("app"):
        text += f"{given['app']}\n{given.get('dlg', '')}\n"
    return Claim(given["id"], ext, int(moment), given["mac"], text, payload, False)


def _read_bewit(signed: Signed, found: re.Match[str]) -> Claim:
    if signed.method not in ("GET", "HEAD"):
        raise Rejected("Unauthorized: Invalid method")
    if not re.fullmatch(r"[\w-]+", found[3], re.ASCII):
        raise Rejected("Bad Request: Invalid bewit encoding")
    try:
        inner = base64.urlsafe_b64decode(found[3] + "=" * (-len(found[3]) % 4)).decode("latin-1")
    except ValueError:
        raise Rejected("Bad Request: Invalid bewit encoding") from None
    parts = inner.split("\\")
    if len(parts) != 4:
        raise Rejected("Bad Request: Invalid bewit structure")
    client_id, end, mac, ext = parts
    if not (client_id and mac and end.isascii() and end.isdecimal()):
        raise Rejected("Bad Request: Missing bewit attributes")
    target = found[1] + (f"{found[2]}{found[4]}" if found[4] else "")
    text = _make_text("bewit", end, "", signed, target, "", ext)
    return Claim(client_id, ext, int(end), mac, text, None, True)


def _make_text(kind: str, moment: str, nonce: str, signed: Signed, target: str, payload: str, ext: str) -> str:
    """Return the text that the MAC covers. A bewit always covers a GET."""
    method = "GET" if kind == "bewit" else signed.method
    ext = ext.replace("\\", "\\\\").replace("\n", "\\n")
    return f"hawk.1.{kind}\n{moment}\n{nonce}\n{method}\n{target}\n{signed.host.lower()}\n{signed.port}\n{payload}\n{ext}\n"
