"""Which header lines pass through the proxy, and which are each connection's own affair."""

from __future__ import annotations

from collections.abc import Iterable

# RFC 9110, 7.6.1, and the older ones that clients still send.
_HOP_BY_HOP = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    )
)
# What each side says for itself; what would tell the deployment of other programs on this machine; and what would let a
# request that only reads be read as another.
_NOT_UP = _HOP_BY_HOP | frozenset(
    (
        "authorization",
        "content-length",
        "cookie",
        "expect",
        "host",
        "referer",
        "x-http-method",
        "x-http-method-override",
        "x-method-override",
        "x-taskcluster-authorized-scopes",
    )
)
# A browser must not go elsewhere next time, nor keep anything for localhost.
_NOT_DOWN = _HOP_BY_HOP | frozenset(("alt-svc", "set-cookie", "strict-transport-security"))

Lines = Iterable[tuple[str, str]]


def upwards(lines: Lines) -> list[tuple[str, str]]:
    """Return the lines of a program's request that go on to the deployment."""
    return _without(lines, _NOT_UP)


def downwards(lines: Lines) -> list[tuple[str, str]]:
    """Return the lines of the deployment's answer that go back to the program."""
    return _without(lines, _NOT_DOWN)


def readable(lines: Lines) -> list[tuple[str, str]]:
    """Return the lines with an encoding that the proxy itself can read in place of the one that was asked for."""
    lines = list(lines)
    asked = any("gzip" in value.lower() for name, value in lines if name.lower() == "accept-encoding")
    kept = [(name, value) for name, value in lines if name.lower() != "accept-encoding"]
    return [*kept, ("Accept-Encoding", "gzip" if asked else "identity")]


def _without(lines: Lines, dropped: frozenset[str]) -> list[tuple[str, str]]:
    lines = list(lines)
    named = [value for name, value in lines if name.lower() == "connection"]
    if named:
        dropped = dropped | {name.strip().lower() for value in named for name in value.split(",")}
    return [(name, value) for name, value in lines if name.lower() not in dropped]
