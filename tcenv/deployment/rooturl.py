"""Check root URLs and give each one spelling, so that two of them are the same deployment if and only if the texts are equal."""

from __future__ import annotations

from tcenv.errors import UsageError

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
# Characters that a shell leaves alone in an unquoted `eval $(tcenv login)`.
_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/")
_EXAMPLE = "A root URL looks like https://community-tc.services.mozilla.com"
_DEFAULT_PORTS = {"https": "443", "http": "80"}


def parse_root_url(text: str) -> str:
    """Return `text` as a root URL in its one spelling: scheme and host in lower case, no default port, no slash at the end.

    Takes http on loopback alone: elsewhere a token would travel in clear text. Raises UsageError."""
    scheme, separator, rest = text.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in _DEFAULT_PORTS:
        raise UsageError(f"{_quote(text)} is not a root URL.", _EXAMPLE)
    authority, slash, path = rest.partition("/")
    host, port = _split_authority(authority.lower(), text)
    steps = path.removesuffix("/").split("/") if path else []
    if not _PATH.issuperset(path) or any(step in ("", ".", "..") for step in steps):
        raise UsageError(f"{_quote(text)} is more than a root URL: scheme, host, port and path.", _EXAMPLE)
    if scheme == "http" and host not in _LOOPBACK:
        raise UsageError(f"{_quote(text)} is not encrypted: others could read the token.", "Use https:// for it.")
    authority = host if port in ("", _DEFAULT_PORTS[scheme]) else f"{host}:{port}"
    return f"{scheme}://{authority}{slash}{path}".rstrip("/")


def _split_authority(authority: str, text: str) -> tuple[str, str]:
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        host += bracket
        colon, port = rest[:1], rest[1:]
        valid = host == "[::1]" or (bracket and not set(host[1:-1]) - set("0123456789abcdef:") and len(host) > 4)
    else:
        host, colon, port = authority.partition(":")
        valid = _HOST.issuperset(host) and all(host.split(".")) and not host.startswith("-")
    if colon:
        valid = (
            valid and colon == ":" and port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536
        )
    if not valid:
        raise UsageError(f"{_quote(text)} has no valid host and port.", _EXAMPLE)
    return host, str(int(port)) if port else ""


def _quote(text: str) -> str:
    """Quote the user's text for a message, without the parts that may hold a password or a token: before an @, after a ? or #."""
    before, at, after = text.rpartition("@")
    scheme, separator, _ = before.partition("://")
    if at:
        text = f"{scheme}{separator}…@{after}" if separator else f"…@{after}"
    for mark in "?#":
        start, found, _ = text.partition(mark)
        text = f"{start}{mark}…" if found else text
    return repr(text[:200])


def is_loopback(root_url: str) -> bool:
    """Return whether the deployment is on this machine."""
    host = root_url.partition("://")[2].partition("/")[0]
    return any(host == own or host.startswith(own + ":") for own in _LOOPBACK)
