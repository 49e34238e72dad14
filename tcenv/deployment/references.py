"""Read a deployment's references (`/references/SERVICE/VERSION/api.json`): the names of a service's methods, their routes
and the scopes that they need. The scopes are a hint and no proof, because the server computes some of their parameters."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcenv import paths
from tcenv.deployment import http
from tcenv.deployment.http import Unreachable, Unusable
from tcenv.errors import DeploymentError, StoreError
from tcenv.files import write_privately
from tcenv.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_SERVICE = re.compile(r"([a-z][a-z0-9-]{0,40})(?:/(v[0-9]{1,3}))?")
_TIMEOUT = 30.0
_PARAMETER = None


@dataclass(frozen=True)
class Method:
    """A method of a service. `route` holds its parts between slashes, None for each parameter; `scopes` is a scope expression
    (None: it needs none)."""

    name: str
    verb: str
    route: tuple[str | None, ...]
    scopes: Any

    def matches(self, verb: str, segments: Sequence[str]) -> bool:
        """Return whether a call with this HTTP method and these decoded parts of its path is one of this method. A
        parameter at the end of a route may hold slashes."""
        if verb != self.verb:
            return False
        if self.route and self.route[-1] is _PARAMETER and len(segments) > len(self.route):
            segments = segments[: len(self.route)]
        return len(segments) == len(self.route) and all(
            part is _PARAMETER or part == segment for part, segment in zip(self.route, segments, strict=True)
        )


def parse(body: bytes) -> list[Method] | None:
    """Return the methods of a reference, or None for anything else: a deployment without the service may answer with a web
    page."""
    try:
        entries = json.loads(body)["entries"]
        return [_parse_method(entry) for entry in entries if entry.get("type", "function") == "function"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def find(methods: Iterable[Method], verb: str, segments: Sequence[str]) -> Method | None:
    """Return the method of a call. If several match, return the one with the longest fixed parts in its route."""
    verb = "GET" if verb == "HEAD" else verb
    found = [method for method in methods if method.matches(verb, segments)]
    return max(found, key=lambda method: sum(len(part) for part in method.route if part is not None), default=None)


def fetch(root_url: str, service: str, *, deadline: float | None = None) -> list[Method] | None:
    """Return the methods of a service (`queue`, or `queue/v2` for another version than v1); None if the deployment does not
    have it. Keeps the reference with its ETag, and uses the kept one if the deployment cannot be reached.

    `deadline` (time.monotonic) is the command's deadline. Raises DeploymentError."""
    match = _SERVICE.fullmatch(service)
    if match is None:
        return None
    version = match[2] or "v1"
    path = _get_cache_path(root_url, match[1], version)
    body, etag = _read_cache(path)
    client = http.Client()
    client.deadline = min(deadline or math.inf, time.monotonic() + _TIMEOUT)
    url = f"{root_url}/references/{match[1]}/{version}/api.json"
    try:
        answer = client.send("GET", url, headers={"If-None-Match": etag} if etag else {})
    except (Unreachable, Unusable) as failure:
        if body:
            return parse(body)
        raise DeploymentError(f"{root_url} cannot be reached: {failure}.", "Is the network up?") from None
    if answer.status == 304 and body:
        return parse(body)
    methods = parse(answer.body) if answer.status == 200 else None
    if methods is not None:
        _write_cache(path, answer.etag, answer.body)
    return methods


def describe(expression: Any, depth: int = 0) -> Iterator[str]:
    """Yield the lines that show a scope expression to people: one scope on each line, indented below the word that joins
    them."""
    indent = "  " * depth
    if expression is None:
        yield f"{indent}(no scopes)"
    elif isinstance(expression, str):
        yield indent + replace_unprintable(expression)
    elif isinstance(expression, dict):
        for key, word in (("AllOf", "all of:"), ("AnyOf", "any of:")):
            if key in expression:
                yield indent + word
                for inner in expression[key] if isinstance(expression[key], list) else ():
                    yield from describe(inner, depth + 1)
        if "for" in expression:
            name, values = (replace_unprintable(str(expression.get(key))) for key in ("for", "in"))
            yield f"{indent}for each {name} in {values}:"
            yield from describe(expression.get("each"), depth + 1)
        if "if" in expression:
            yield f"{indent}if {replace_unprintable(str(expression['if']))}:"
            yield from describe(expression.get("then"), depth + 1)
            if "else" in expression:
                yield f"{indent}else:"
                yield from describe(expression["else"], depth + 1)


def _parse_method(entry: dict[str, Any]) -> Method:
    parts = [part for part in str(entry["route"]).split("/") if part]
    route = tuple(_PARAMETER if part.startswith("<") and part.endswith(">") else part for part in parts)
    return Method(str(entry["name"]), str(entry["method"]).upper(), route, entry.get("scopes"))


def _get_cache_path(root_url: str, service: str, version: str) -> str:
    name = hashlib.sha256(f"{root_url} {service} {version}".encode()).hexdigest()[:32]
    return os.path.join(os.path.dirname(paths.index_file()), "references", f"{name}.json")


def _read_cache(path: str) -> tuple[bytes, str]:
    """Return the body and the ETag of the stored reference, or two empty values."""
    try:
        with open(path, "rb", opener=paths.open_trusted_or_ignore) as file:
            etag, _, body = file.read().partition(b"\n")
            return (body, etag.decode("ascii")) if parse(body) is not None else (b"", "")
    except (OSError, UnicodeDecodeError):
        return b"", ""


def _write_cache(path: str, etag: str, body: bytes) -> None:
    if not etag.isprintable() or not etag.isascii():
        etag = ""
    with suppress(OSError, StoreError):
        write_privately(path, etag.encode() + b"\n" + body)
