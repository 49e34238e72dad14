"""Which calls never go through the proxy: those that would hand the program credentials, and those that would change the
session's own client. A test holds the table against the references of the `taskcluster` package."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tcenv.proxy.routes import Call

# (service, HTTP method, route as the references write it, the method's name). Services and methods of older deployments
# are here too: what is asked for there is the same.
MINTING: tuple[tuple[str, str, str, str], ...] = (
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
    ("worker-manager", "POST", "/worker/register", "registerWorker"),
    ("worker-manager", "POST", "/worker/reregister", "reregisterWorker"),
)
_PARAMETER = re.compile(r"<[^>]*>")
_SERIES = re.compile(r"@[0-9]+\Z")
# Between the decoded segments of a path: no segment can hold it.
_BETWEEN = "\0"


def _pattern(route: str) -> re.Pattern[str]:
    """The route as a pattern over decoded segments, which servers may match without regard to case, and whose parameters
    may spread over several segments where a client has not encoded their slashes."""
    literals = [re.escape(part) for part in _PARAMETER.split(route.strip("/").replace("/", _BETWEEN))]
    return re.compile(".+".join(literals), re.IGNORECASE | re.DOTALL)


_BY_SERVICE: dict[str, list[tuple[str, re.Pattern[str], str]]] = {}
for _service, _method, _route, _name in MINTING:
    _BY_SERVICE.setdefault(_service, []).append((_method, _pattern(_route), _name))


@dataclass(frozen=True)
class OwnClient:
    """The session's own client, and the others of its series (`NAME@2`), none of which its own proxy may touch."""

    client_ids: frozenset[str]

    @classmethod
    def of(cls, *client_ids: str) -> OwnClient:
        return cls(frozenset(_SERIES.sub("", client_id) for client_id in client_ids))

    def is_changed_by(self, method: str, call: Call) -> bool:
        """Whether the call would make, alter, end or give a new token to one of them."""
        if call.service != "auth" or method in ("GET", "HEAD", "OPTIONS"):
            return False
        if len(call.segments) < 2 or call.segments[0].lower() != "clients":
            return False
        named = ("/".join(call.segments[1:]), "/".join(call.segments[1:-1]))
        return any(_SERIES.sub("", name) in self.client_ids for name in named)


def minting(method: str, call: Call) -> str | None:
    """The name of the API's method if the call would hand out credentials, else None."""
    path = _BETWEEN.join(call.segments)
    wanted = "GET" if method == "HEAD" else method
    for verb, pattern, name in _BY_SERVICE.get(call.service, ()):
        if verb == wanted and pattern.fullmatch(path):
            return name
    return None
