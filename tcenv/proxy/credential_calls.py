"""Find the calls that the proxy refuses: those that return credentials, and those that change the session's own client.

docs/proxy.md gives the reason for each method of every service. Tests compare this table and that list with the
references in the `taskcluster` package."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from tcenv.proxy.routes import Call

# (service, HTTP method, route as the references write it, method name): the methods that answer with a token or with
# credentials for Taskcluster or a cloud. Some exist only on older deployments.
CREDENTIAL_METHODS: tuple[tuple[str, str, str, str], ...] = (
    ("auth", "PUT", "/clients/<clientId>", "createClient"),
    ("auth", "POST", "/clients/<clientId>/reset", "resetAccessToken"),
    ("auth", "GET", "/aws/s3/<level>/<bucket>/<prefix>", "awsS3Credentials"),
    ("auth", "GET", "/azure/<account>/table/<table>/<level>", "azureTableSAS"),
    ("auth", "GET", "/azure/<account>/containers/<container>/<level>", "azureContainerSAS"),
    ("auth", "GET", "/gcp/credentials/<projectId>/<serviceAccount>", "gcpCredentials"),
    ("auth", "POST", "/github/<appName>/<owner>/repo-token", "githubRepoToken"),
    ("auth", "GET", "/sentry/<project>/dsn", "sentryDSN"),
    ("auth", "GET", "/statsum/<project>/token", "statsumToken"),
    ("auth", "GET", "/websocktunnel/<wstAudience>/<wstClient>", "websocktunnelToken"),
    ("hooks", "GET", "/hooks/<hookGroupId>/<hookId>/token", "getTriggerToken"),
    ("hooks", "POST", "/hooks/<hookGroupId>/<hookId>/token", "resetTriggerToken"),
    ("login", "GET", "/oidc-credentials/<provider>", "oidcCredentials"),
    ("queue", "POST", "/claim-work/<taskQueueId>", "claimWork"),
    ("queue", "POST", "/task/<taskId>/runs/<runId>/claim", "claimTask"),
    ("queue", "POST", "/task/<taskId>/runs/<runId>/reclaim", "reclaimTask"),
    ("queue", "GET", "/poll-task-url/<provisionerId>/<workerType>", "pollTaskUrls"),
    ("worker-manager", "POST", "/worker/register", "registerWorker"),
    ("worker-manager", "POST", "/worker/reregister", "reregisterWorker"),
    ("worker-manager", "POST", "/credentials/google/<workerPoolId>", "credentialsGoogle"),
)
_CREATE_ARTIFACT = ("queue", "POST", "/task/<taskId>/runs/<runId>/artifacts/<name>", "createArtifact")
_SERIES = re.compile(r"@[0-9]+\Z")


@dataclass(frozen=True)
class Method:
    """A method of an API. `route` lists the parts between slashes, with None for each parameter."""

    service: str
    verb: str
    route: tuple[str | None, ...]
    name: str

    @classmethod
    def parse(cls, service: str, verb: str, route: str, name: str) -> Method:
        parts = route.strip("/").split("/")
        return cls(service, verb, tuple(None if part.startswith("<") else part.casefold() for part in parts), name)

    def matches(self, method: str, call: Call) -> bool:
        """Return whether a server could take the call for this method, however it reads the path.

        A server may ignore the case of the path. A parameter may span several segments if the client did not encode its
        slashes, and the last one may be empty."""
        verb = "GET" if method.upper() == "HEAD" else method.upper()
        if call.service != self.service or verb != self.verb:
            return False
        segments = [segment.casefold() for segment in call.segments]
        # How many segments the parts so far may have matched.
        used = {0}
        for number, part in enumerate(self.route, 1):
            if part is not None:
                used = {count + 1 for count in used if count < len(segments) and segments[count] == part}
            elif used:
                used = set(range(min(used) + (number < len(self.route)), len(segments) + 1))
        return len(segments) in used


_METHODS = tuple(Method.parse(*entry) for entry in CREDENTIAL_METHODS)
_ARTIFACT_METHOD = Method.parse(*_CREATE_ARTIFACT)


def find_credential_method(method: str, call: Call) -> str | None:
    """Return the name of the API's method if the call's answer would hold credentials, else None."""
    return next((known.name for known in _METHODS if known.matches(method, call)), None)


def depends_on_body(method: str, call: Call) -> bool:
    """Return whether the answer holds credentials depending on the call's body (see `asks_for_object_credentials`)."""
    return _ARTIFACT_METHOD.matches(method, call)


def asks_for_object_credentials(body: bytes) -> bool:
    """Return whether this body makes `createArtifact` answer with credentials for the object service.

    For other kinds of artifacts it answers with one URL or nothing. A body that is not JSON counts as one that asks for
    credentials."""
    try:
        request = json.loads(body) if body.strip() else {}
    except (ValueError, RecursionError):
        return True
    return not isinstance(request, dict) or request.get("storageType") == "object"


@dataclass(frozen=True)
class OwnClient:
    """The session's own client and the other clients of its series (`NAME@2`)."""

    client_ids: frozenset[str]

    @classmethod
    def from_ids(cls, *client_ids: str) -> OwnClient:
        return cls(frozenset(_SERIES.sub("", client_id) for client_id in client_ids))

    def is_changed_by(self, method: str, call: Call) -> bool:
        """Return whether the call would create, change or delete one of these clients, or give it a new token."""
        if call.service != "auth" or method.upper() in ("GET", "HEAD", "OPTIONS"):
            return False
        if len(call.segments) < 2 or call.segments[0].casefold() != "clients":
            return False
        named = ("/".join(call.segments[1:]), "/".join(call.segments[1:-1]))
        return any(_SERIES.sub("", name) in self.client_ids for name in named)
