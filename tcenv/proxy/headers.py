"""Choose the headers that pass through the proxy, and drop those that belong to one connection."""

from __future__ import annotations

import json
from collections.abc import Iterable

# With this header a program that does not sign narrows its request.
SCOPES = "X-Taskcluster-Authorized-Scopes"
# The headers of one connection (RFC 9110, 7.6.1), and older ones that clients still send.
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
# Also drop the headers that each side sets itself, those that would tell the deployment about other programs of this
# machine, and those that would turn a GET into another method.
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
        SCOPES.lower(),
    )
)
# These would make a browser use another address next time, or store data for localhost.
_NOT_DOWN = _HOP_BY_HOP | frozenset(("alt-svc", "set-cookie", "strict-transport-security"))

Lines = Iterable[tuple[str, str]]


def filter_request(lines: Lines) -> list[tuple[str, str]]:
    """Return the headers of a program's request to send to the deployment."""
    return _drop(lines, _NOT_UP)


def filter_answer(lines: Lines) -> list[tuple[str, str]]:
    """Return the headers of the deployment's answer to send to the program."""
    return _drop(lines, _NOT_DOWN)


def request_readable_encoding(lines: Lines) -> list[tuple[str, str]]:
    """Return the headers with the requested encoding replaced by one that the proxy can decode."""
    lines = list(lines)
    asked = any("gzip" in value.lower() for name, value in lines if name.lower() == "accept-encoding")
    kept = [(name, value) for name, value in lines if name.lower() != "accept-encoding"]
    return [*kept, ("Accept-Encoding", "gzip" if asked else "identity")]


def _drop(lines: Lines, dropped: frozenset[str]) -> list[tuple[str, str]]:
    lines = list(lines)
    named = [value for name, value in lines if name.lower() == "connection"]
    if named:
        dropped = dropped | {name.strip().lower() for value in named for name in value.split(",")}
    return [(name, value) for name, value in lines if name.lower() not in dropped]


def parse_scopes(texts: list[str]) -> tuple[str, ...] | None:
    """Return the scopes in the values of the header SCOPES (a JSON array), or None if there is no such header. Raises
    ValueError."""
    if not texts:
        return None
    try:
        scopes = json.loads(texts[0]) if len(texts) == 1 else None
    except RecursionError:
        scopes = None
    if not isinstance(scopes, list) or not all(isinstance(scope, str) and scope.isprintable() for scope in scopes):
        raise ValueError("not an array of scopes")
    return tuple(scopes)
