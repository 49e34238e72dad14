"""What the deployment says of its own API: `/references/<service>/<version>/api.json`, made from the declarations of the
methods themselves. Nothing is said here that they do not hold to."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache

from tcenv.sandbox.api import Method, Service
from tcenv.sandbox.auth import AUTH
from tcenv.sandbox.others import ANYTHING, HOOKS, SECRETS, TRAFFIC
from tcenv.sandbox.queue import QUEUE

SERVICES: Mapping[str, Service] = {one.name: one for one in (AUTH, QUEUE, SECRETS, HOOKS, TRAFFIC, ANYTHING)}
_PATH = re.compile(r"/references/([a-z-]+)/(v\d+)/api\.json")


def reference(path: str) -> bytes | None:
    """Return the reference at the address `path`, or the list of all references; None if there is none."""
    if path == "/references/manifest.json":
        return _manifest()
    match = _PATH.fullmatch(path)
    service = SERVICES.get(match[1]) if match else None
    return _reference(service.name) if service and match and match[2] == service.version else None


@cache
def _manifest() -> bytes:
    paths = [f"/references/{one.name}/{one.version}/api.json" for one in SERVICES.values() if one.name]
    return json.dumps({"$schema": "/schemas/common/manifest-v3.json#", "references": paths}, indent=2).encode()


@cache
def _reference(name: str) -> bytes:
    service = SERVICES[name]
    told = {
        "$schema": "/schemas/common/api-reference-v0.json#",
        "apiVersion": service.version,
        "serviceName": service.name,
        "title": service.title,
        "description": "The part of it that the sandbox has.",
        "entries": [_entry(method) for method in service.methods],
    }
    return json.dumps(told, indent=2).encode()


def _entry(method: Method) -> dict[str, object]:
    return {
        "type": "function",
        "name": method.name,
        "title": method.title,
        "description": method.title,
        "method": method.verb.lower(),
        "route": method.route,
        "args": re.findall(r"<(\w+)>", method.route),
        "query": list(method.query),
        "stability": "stable",
        "category": method.service,
        **({"input": f"v1/{method.name}-request.json#"} if method.needs_body else {}),
        **({} if method.scopes is None else {"scopes": method.scopes}),
    }
