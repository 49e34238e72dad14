"""Choose the header lines that pass through the proxy. Each connection has the others for itself."""

from __future__ import annotations

from collections.abc import Iterable

# The headers of one connection (RFC 9110, 7.6.1), with the older ones that clients still send.
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
# Besides: what each side says for itself, what would tell the deployment about other programs of this machine, and what would
# turn a GET into another method.
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
# These would make a browser go elsewhere next time, or keep something for localhost.
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
