"""Parse a request to the listener and check that it has every mark of the callback. Until then all of it is hostile. Nothing
here shows any of it."""

from __future__ import annotations

import _socket

# `hmac` uses this function if OpenSSL is missing. Importing `hmac` would load OpenSSL.
from _operator import _compare_digest

from tcenv.deployment.patterns import ACCESS_TOKEN, CLIENT_ID

_LONGEST_LINE = 8192
# Browsers also send the cookies that other programs on localhost have set.
_LARGEST_HEAD = 65_536
_NAVIGATION = {
    b"sec-fetch-mode": (b"navigate",),
    b"sec-fetch-dest": (b"document",),
    b"sec-fetch-site": (b"cross-site", b"same-site", b"same-origin", b"none"),
}
# A top-level GET navigation has neither a body nor an Origin header.
_NEVER = (b"origin", b"content-length", b"transfer-encoding", b"upgrade")
_FIELD_NAME = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_FIELD_VALUE = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))
_HEX = b"0123456789abcdefABCDEF"


class Refused(Exception):
    """The request, or the pasted address, is not the callback. Answer with `status` (HTTP) and nothing else."""

    def __init__(self, status: int = 404) -> None:
        super().__init__(f"refused with {status}")
        self.status = status


def is_same(text: str, secret: str) -> bool:
    """Compare two ASCII texts in constant time."""
    return bool(_compare_digest(text.encode("ascii"), secret.encode("ascii")))


def is_own_host(host: str, port: int) -> bool:
    """Return whether `host`, from an address or a Host header, means this machine's loopback at `port`. People
    and tools replace `localhost` by an address, so a literal one counts too."""
    name, colon, number = host.rpartition(":")
    if not colon or number.endswith("]"):
        # Browsers leave out the default port.
        name, number = host, "80"
    if number != str(port):
        return False
    if name.lower() == "localhost":
        return True
    family = _socket.AF_INET6 if name.startswith("[") and name.endswith("]") else _socket.AF_INET
    try:
        address = _socket.inet_pton(family, name.strip("[]") if family == _socket.AF_INET6 else name)
    except (OSError, ValueError):
        return False
    if family == _socket.AF_INET6:
        if address == bytes(15) + b"\1":
            return True
        mapped, address = address[:12], address[12:]
        if mapped != bytes(10) + b"\xff\xff":
            return False
    return address[0] == 127


def is_complete(received: bytes | bytearray) -> bool:
    """Return whether the head of a request is complete. Raises Refused if it can never become one."""
    if len(received) > _LARGEST_HEAD or received.find(b"\r\n", 0, _LONGEST_LINE) < 0 <= len(received) - _LONGEST_LINE:
        raise Refused(431)
    if not received[:1].isupper():  # for example TLS
        raise Refused(400)
    if b"\n\n" in received:
        raise Refused(400)
    return b"\r\n\r\n" in received


class Navigation:
    """A browser's navigation. `host` has not been checked. `keeps_history` tells whether this browser's history keeps the
    address of a plain redirect."""

    __slots__ = ("host", "keeps_history", "path", "query")

    def __init__(self, request: bytes) -> None:
        """Parse `request`. Raises Refused unless it has every mark of a navigation."""
        head, _, body = request.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        words = line.split(b" ")
        if len(words) != 3 or words[2] != b"HTTP/1.1" or not words[1].isascii():
            raise Refused(400)
        if words[0] != b"GET":
            raise Refused(405)
        if body:
            raise Refused(400)
        hosts = []
        chromium = encodes = False
        for name, value in map(_parse_field, fields):
            if name == b"host":
                hosts.append(value)
            elif name in _NEVER or value not in _NAVIGATION.get(name, (value,)):
                raise Refused(403)
            chromium = chromium or (name == b"user-agent" and b"Chrome/" in value)
            encodes = encodes or name == b"accept-encoding"
        if len(hosts) != 1 or not hosts[0].isascii():
            raise Refused(421)
        self.host = hosts[0].decode("ascii")
        self.path, _, self.query = words[1].decode("ascii").partition("?")
        # Browsers based on Chromium keep the address of a plain redirect in their history. A program that only claims to
        # be one may ignore `Refresh`.
        self.keeps_history = chromium and encodes


def _parse_field(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    # This refuses folded lines, which begin with a space, and a bare CR or LF in a value.
    if not colon or not name or name.translate(None, _FIELD_NAME) or value.translate(None, _FIELD_VALUE):
        raise Refused(400)
    return name.lower(), value.strip(b" \t")


def parse_query(query: bytes) -> tuple[str, str]:
    """Return the clientId and the accessToken of a callback's query. Each must be there once: raw, as the page sends
    it, or percent-encoded, as the guide says. No clientId holds a space, so `+` means a plus. Raises Refused."""
    found: dict[bytes, str] = {}
    for pair in query.split(b"&"):
        key, equals, value = pair.partition(b"=")
        if key not in (b"clientId", b"accessToken") or not equals or key in found:
            raise Refused(400)
        found[key] = _decode_value(value)
    client_id, access_token = found.get(b"clientId", ""), found.get(b"accessToken", "")
    if not CLIENT_ID.fullmatch(client_id) or not ACCESS_TOKEN.fullmatch(access_token):
        raise Refused(400)
    return client_id, access_token


def _decode_value(value: bytes) -> str:
    from urllib.parse import unquote_to_bytes

    for escape in value.split(b"%")[1:]:
        if len(escape) < 2 or escape[:2].translate(None, _HEX):
            raise Refused(400)
    try:
        return unquote_to_bytes(value).decode("ascii")
    except UnicodeDecodeError:
        raise Refused(400) from None
