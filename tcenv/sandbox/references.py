"""Describe the deployment's API in `/references/<service>/<version>/api.json`, made from the declarations of its
methods."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache

from tcenv.sandbox.api import Method, Service, get_schema_path
from tcenv.sandbox.auth import AUTH
from tcenv.sandbox.hooks import HOOKS
from tcenv.sandbox.other_services import BARE, TRAFFIC
from tcenv.sandbox.queue import QUEUE
from tcenv.sandbox.secrets import SECRETS

# Imported because they declare methods of QUEUE.
from tcenv.sandbox import artifacts, workers  # noqa: F401 # isort: skip

SERVICES: Mapping[str, Service] = {one.name: one for one in (AUTH, QUEUE, SECRETS, HOOKS, TRAFFIC, *BARE)}
_PATH = re.compile(r"/references/([a-z-]+)/(v\d+)/api\.json")


def find_reference(path: str) -> bytes | None:
    """Return the document at the address `path`, or None: a reference, the schema of a body, or the list of all
    references."""
    if path == "/references/manifest.json":
        return _make_manifest()
    if path.startswith("/schemas/"):
        return _make_schema(path)
    match = _PATH.fullmatch(path)
    service = SERVICES.get(match[1]) if match else None
    return _make_reference(service.name) if service and match and match[2] == service.version else None


@cache
def _make_manifest() -> bytes:
    paths = [f"/references/{one.name}/{one.version}/api.json" for one in SERVICES.values()]
    return json.dumps({"$schema": "/schemas/common/manifest-v3.json#", "references": paths}, indent=2).encode()


@cache
def _make_schema(path: str) -> bytes | None:
    for service in SERVICES.values():
        for method in service.methods:
            if method.body is not None and get_schema_path(method) == path:
                head = {"$schema": "/schemas/common/metaschema.json#", "$id": f"{path}#", "title": method.title}
                return json.dumps({**head, **method.body}, indent=2).encode()
    return None


@cache
def _make_reference(name: str) -> bytes:
    service = SERVICES[name]
    reference = {
        "$schema": "/schemas/common/api-reference-v0.json#",
        "apiVersion": service.version,
        "serviceName": service.name,
        "title": service.title,
        "description": "The part of it that the sandbox has.",
        "entries": [_make_entry(method) for method in service.methods],
    }
    return json.dumps(reference, indent=2).encode()


def _make_entry(method: Method) -> dict[str, object]:
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
        **({"input": f"v1/{method.body_name}.json#"} if method.body is not None else {}),
        **({} if method.scopes is None else {"scopes": method.scopes}),
    }
