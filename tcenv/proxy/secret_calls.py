"""Find the calls that return a secret, or an artifact or object that is not public: an agent's run does not pass them on.

docs/agents.md lists them. Tests compare this table with the references in the `taskcluster` package."""

from __future__ import annotations

import re
from urllib.parse import unquote

from tcenv.proxy.credential_calls import Method
from tcenv.proxy.routes import Call

# (service, HTTP method, route as the references write it, method name).
SECRET_METHODS: tuple[tuple[str, str, str, str], ...] = (
    ("secrets", "GET", "/secret/<name>", "get"),
    ("object", "GET", "/download/<name>", "download"),
    ("object", "PUT", "/start-download/<name>", "startDownload"),
)
# These return one artifact, or its address. Its name decides whether it is public.
ARTIFACT_METHODS: tuple[tuple[str, str, str, str], ...] = (
    ("queue", "GET", "/task/<taskId>/runs/<runId>/artifacts/<name>", "getArtifact"),
    ("queue", "GET", "/task/<taskId>/artifacts/<name>", "getLatestArtifact"),
    ("queue", "GET", "/task/<taskId>/runs/<runId>/artifact-content/<name>", "artifact"),
    ("queue", "GET", "/task/<taskId>/artifact-content/<name>", "latestArtifact"),
    ("index", "GET", "/task/<indexPath>/artifacts/<name>", "findArtifactFromTask"),
)
# Artifact names; everybody may read those that begin with `public/`.
_PUBLIC = re.compile(r"/task/[^/]+(?:/runs/[^/]+)?/artifact(?:s|-content)/(?P<name>[^/].*)", re.DOTALL)

_SECRETS = tuple(Method.parse(*entry) for entry in SECRET_METHODS)
_ARTIFACTS = tuple(Method.parse(*entry) for entry in ARTIFACT_METHODS)


def find_secret_method(method: str, call: Call) -> str | None:
    """Return the name of the API's method if the call's answer would hold a secret or something that is not public, else
    None."""
    for known in _SECRETS:
        if known.matches(method, call):
            return known.name
    found = [known.name for known in _ARTIFACTS if known.matches(method, call)]
    if not found or _is_list(call):
        return None
    match = _PUBLIC.fullmatch(call.rest)
    return None if match is not None and unquote(match["name"]).startswith("public/") else found[0]


def _is_list(call: Call) -> bool:
    """Return whether the call lists the names of artifacts: its path ends before a name."""
    return re.fullmatch(r"/task/[^/]+(?:/runs/[^/]+)?/artifacts", call.rest) is not None
