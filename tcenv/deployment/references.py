"""What the methods of a deployment's services need, by its own references (`/references/SERVICE/VERSION/api.json`), kept with
their ETag. A hint and no proof: some parameters are computed by the server."""

from __future__ import annotations

import json
import math
import os
import re
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tcenv import paths
from tcenv.deployment.transport import Line, Unreachable, Unusable
from tcenv.errors import DeploymentError, StoreError
from tcenv.files import write_privately
from tcenv.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SERVICE = re.compile(r"([a-z][a-z0-9-]{0,40})(?:/(v[0-9]{1,3}))?")
_PATIENCE = 30.0


def methods(root_url: str, service: str, *, until: float | None = None) -> Mapping[str, Any] | None:
    """The scope expressions of a service's methods by name (None: no scopes are needed); None where the deployment has no such
    service. `service` may have a version behind a slash (else v1).
    `until` (time.monotonic) is when the command's own time is up. Raises DeploymentError."""
    match = _SERVICE.fullmatch(service)
    if match is None:
        return None
    known, etag = _kept(root_url, match[1], match[2] or "v1")
    line = Line(root_url)
    line.until = min(until or math.inf, time.monotonic() + _PATIENCE)
    url = f"{root_url}/references/{match[1]}/{match[2] or 'v1'}/api.json"
    try:
        answer = line.exchange("GET", url, None, {"If-None-Match": etag} if known and etag else {})
    except (Unreachable, Unusable) as failure:
        if known:
            return _methods(known)
        raise DeploymentError(f"{root_url} cannot be asked: {failure}.", "Is the network up?") from None
    if answer.status == 304 and known:
        return _methods(known)
    found = _methods(answer.body) if answer.status == 200 else None
    if found is not None:
        _keep(root_url, match[1], match[2] or "v1", answer.etag, answer.body)
    return found


def lines(expression: Any, depth: int = 0) -> Iterator[str]:
    """A scope expression for people, one scope a line, indented below what joins them."""
    indent = "  " * depth
    if expression is None:
        yield f"{indent}(no scopes)"
    elif isinstance(expression, str):
        yield indent + printable(expression)
    elif isinstance(expression, dict):
        for key, word in (("AllOf", "all of:"), ("AnyOf", "any of:")):
            if key in expression:
                yield indent + word
                for inner in expression[key] if isinstance(expression[key], list) else ():
                    yield from lines(inner, depth + 1)
        if "for" in expression:
            yield f"{indent}for each {printable(str(expression['for']))} in {printable(str(expression.get('in')))}:"
            yield from lines(expression.get("each"), depth + 1)
        if "if" in expression:
            yield f"{indent}if {printable(str(expression['if']))}:"
            yield from lines(expression.get("then"), depth + 1)
            if "else" in expression:
                yield f"{indent}else:"
                yield from lines(expression["else"], depth + 1)


def _methods(body: bytes) -> dict[str, Any] | None:
    """Nothing for what is no reference: a deployment without the service answers with its page."""
    try:
        entries = json.loads(body)["entries"]
        return {
            str(entry["name"]): entry.get("scopes") for entry in entries if entry.get("type", "function") == "function"
        }
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _path(root_url: str, service: str, version: str) -> str:
    import hashlib

    name = hashlib.sha256(f"{root_url} {service} {version}".encode()).hexdigest()[:32]
    return os.path.join(os.path.dirname(paths.index_file()), "references", f"{name}.json")


def _kept(root_url: str, service: str, version: str) -> tuple[bytes, str]:
    try:
        with open(_path(root_url, service, version), "rb", opener=paths.trusted_or_ignored) as file:
            etag, _, body = file.read().partition(b"\n")
            return (body, etag.decode("ascii")) if _methods(body) is not None else (b"", "")
    except (OSError, UnicodeDecodeError):
        return b"", ""


def _keep(root_url: str, service: str, version: str, etag: str, body: bytes) -> None:
    if not etag.isprintable() or not etag.isascii():
        etag = ""
    with suppress(OSError, StoreError):
        write_privately(_path(root_url, service, version), etag.encode() + b"\n" + body)
