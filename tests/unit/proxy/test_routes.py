"""What goes through the proxy: calls of APIs alone, and none that hands out credentials or touches the session's own client."""

from __future__ import annotations

import inspect
import re
from urllib.parse import quote

import pytest
import taskcluster

from tcenv.proxy import credential_calls, routes
from tcenv.proxy.credential_calls import MINTING, OwnClient
from tcenv.proxy.routes import BadTarget, Call

CLIENT = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv-box:work"

# Every method of the references that speaks of credentials, tokens and the like and hands out none, looked at one by one.
HARMLESS = {
    ("auth", "authenticateHawk"),  # judges somebody's signature
    ("auth", "currentScopes"),
    ("auth", "testAuthenticate"),
    ("auth", "testAuthenticateGet"),
    ("auth", "updateClient"),
    ("hooks", "createHook"),
    ("hooks", "triggerHookWithToken"),  # takes one
    ("object", "createUpload"),  # an address to put that one object to
    ("queue", "changeTaskGroupPriority"),
    ("queue", "changeTaskPriority"),
    ("queue", "getArtifact"),  # redirects to a signed address of that one artifact
    ("queue", "getLatestArtifact"),
    ("queue", "listClaimedTasks"),
    ("queue", "scheduleTask"),
    ("queue", "taskQueueCounts"),
    ("queue", "taskQueueCountsBatch"),
    ("secrets", "get"),  # what a secret holds is what the program came for
    ("secrets", "list"),
    ("secrets", "remove"),
    ("secrets", "set"),
    ("worker-manager", "reportWorkerError"),
    ("worker-manager", "shouldWorkerTerminate"),
}
# The services keep their secrets under these words.
_TELLING = re.compile(
    r"credential|(?<!continuation)token|\bSAS\b|\bdsn\b|secret|claim|register|\bsigned", re.IGNORECASE
)


def references() -> list[tuple[str, str, str, str, str]]:
    """(service, HTTP method, route, name, what the documentation says) of all that the package knows."""
    found = []
    for _, client in inspect.getmembers(taskcluster, inspect.isclass):
        for name, entry in getattr(client, "funcinfo", {}).items():
            text = " ".join(
                (name, entry.get("output", ""), entry["route"], inspect.getdoc(getattr(client, name)) or "")
            )
            found.append((client.serviceName, entry["method"].upper(), entry["route"], name, text))
    assert len(found) > 150
    return found


def call(route: str, service: str = "auth", **values: str) -> Call:
    path = re.sub(r"<(\w+)>", lambda match: quote(values.get(match[1], "some/odd value"), safe=""), route)
    parsed = routes.parse(f"/api/{service}/v1{path}")
    assert parsed is not None
    return parsed


def test_what_mints_is_what_the_references_say() -> None:
    by_name = {(service, name): (method, route) for service, method, route, name in MINTING}
    old = {"azureTableSAS", "azureContainerSAS", "statsumToken", "oidcCredentials"}
    known = {}
    for service, method, route, name, text in references():
        known[service, name] = (method, route)
        if _TELLING.search(text):
            assert (service, name) in by_name or (service, name) in HARMLESS, f"look at {service}.{name}, and decide"
    for key, there in by_name.items():
        assert key[1] in old or known[key] == there
    assert not HARMLESS & set(by_name)
    assert set(known) >= HARMLESS


def test_the_table_refuses_just_those() -> None:
    minting = {(service, name) for service, _, _, name in MINTING}
    for service, method, route, name, _ in references():
        told = credential_calls.minting(method, call(route, service))
        assert told == (name if (service, name) in minting else None), name


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("PUT", "/api/auth/v1/clients/x"),
        ("PUT", "/auth/v1/clients/x"),
        ("PUT", "/auth/v2/clients/x"),
        ("PUT", "/api/auth/v1//clients//x/"),
        ("PUT", "/api/auth/v1/CLIENTS/x"),
        ("PUT", "/api/auth/v1/%63lients/x%2Fy"),
        ("PUT", "/api/auth/v1/clients/x/y"),
        ("PUT", "/api/auth/v1/clients/x?y=z"),
        ("POST", "/api/auth/v1/clients/x/RESET/"),
        ("POST", "/api/auth/v1/clients/x%2Fy/%72eset"),
        ("HEAD", "/api/hooks/v1/hooks/a/b/token"),
        ("GET", "/hooks/v1/hooks/a/b/token?"),
    ],
)
def test_no_spelling_goes_around_it(method: str, target: str) -> None:
    parsed = routes.parse(target)
    assert parsed is not None
    assert credential_calls.minting(method, parsed)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/auth/v1/clients/a%2Freset"),  # the update of a client of that name
        ("GET", "/api/auth/v1/clients/a"),
        ("GET", "/api/secrets/v1/secret/token"),
        ("POST", "/api/hooks/v1/hooks/a/b/trigger"),
    ],
)
def test_what_only_looks_like_it_goes_through(method: str, target: str) -> None:
    parsed = routes.parse(target)
    assert parsed is not None
    assert credential_calls.minting(method, parsed) is None


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("client", [CLIENT, f"{CLIENT}@2", f"{CLIENT}@17"])
@pytest.mark.parametrize("end", ["", "/reset", "/disable", "/enable", "/"])
def test_the_sessions_own_client_is_left_alone(method: str, client: str, end: str) -> None:
    for own in (OwnClient.of(CLIENT), OwnClient.of(f"{CLIENT}@2"), OwnClient.of("other", CLIENT)):
        for spelled in (quote(client, safe=""), client, quote(client).replace("m", "%6d")):
            parsed = routes.parse(f"/api/auth/v1/clients/{spelled}{end}")
            assert parsed is not None
            assert own.is_changed_by(method, parsed)
            assert not own.is_changed_by("GET", parsed)


def test_others_clients_are_not_the_sessions_own() -> None:
    own = OwnClient.of(CLIENT)
    for client in (f"{CLIENT}2", CLIENT[:-1], f"{CLIENT}/more", CLIENT.upper()):
        assert not own.is_changed_by("DELETE", call("/clients/<clientId>", clientId=client))
    assert not own.is_changed_by("DELETE", call("/roles/<roleId>", roleId=CLIENT))
    assert not own.is_changed_by("PUT", call("/secret/<name>", "secrets", name=CLIENT))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/api/queue/v1/ping", Call("queue", "v1", "/ping", "")),
        ("/queue/v1/ping", Call("queue", "v1", "/ping", "")),
        ("/api/purge-cache/v12/a%2Fb/?x=%20+&y=/", Call("purge-cache", "v12", "/a%2Fb/", "x=%20+&y=/")),
        ("/api/queue/v1", Call("queue", "v1", "", "")),
        ("/", None),
        ("/tasks/abc", None),
        ("/api/queue", None),
        ("/api/Queue/v1/ping", None),
        ("/api/%71ueue/v1/ping", None),
        ("//api/queue/v1/ping", None),
        ("/references/queue/v1/api.json", None),
        ("/schemas/common/action-schema-v1.json", None),
        ("/login/oauth/token", None),
        ("/graphql", None),
    ],
)
def test_what_is_a_call(target: str, expected: Call | None) -> None:
    assert routes.parse(target) == expected


def test_a_call_keeps_every_byte() -> None:
    parsed = routes.parse("/queue/v1/a%2fb//c;d=1,'(*)!?x=%zz&&bewit")
    assert parsed is not None
    assert parsed.resource == "/api/queue/v1/a%2fb//c;d=1,'(*)!?x=%zz&&bewit"


@pytest.mark.parametrize(
    "target",
    [
        "",
        "x",
        "http://127.0.0.1/api/queue/v1/ping",
        "*",
        "/api/queue/v1/../../auth/v1/clients/x",
        "/api/queue/v1/%2e%2E/auth",
        "/api/queue/v1/a%2F..%2F..%2Fauth",
        "/api/queue/v1/./x",
        "/api/queue/v1/..;/x",
        "/api/queue/v1/x/..",
        "/..",
        "/api/queue/v1/a\\b",
        "/api/queue/v1/a%5C..%5Cb",
        "/api/queue/v1/a#b",
        "/api/queue/v1/a b",
        "/api/queue/v1/é",
        "/api/queue/v1/a\r\nb",
        "/api/queue/v1/a\0",
    ],
)
def test_what_servers_would_not_agree_about_is_no_target(target: str) -> None:
    with pytest.raises(BadTarget):
        routes.parse(target)
