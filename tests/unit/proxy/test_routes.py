"""Parse the targets of calls, and recognize calls that hand out credentials or change the session's own client."""

from __future__ import annotations

import re
import time
from urllib.parse import quote

import pytest

from tcenv.proxy import routes
from tcenv.proxy.credential_calls import OwnClient, asks_for_object_credentials, depends_on_body, find_credential_method
from tcenv.proxy.routes import BadTarget, Call

CLIENT = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv-box:work"


def make_call(route: str, service: str = "auth", **values: str) -> Call:
    path = re.sub(r"<(\w+)>", lambda match: quote(values.get(match[1], "some/odd value"), safe=""), route)
    parsed = routes.parse(f"/api/{service}/v1{path}")
    assert parsed is not None
    return parsed


def test_the_storage_type_decides_if_an_artifact_returns_credentials() -> None:
    create = make_call("/task/<taskId>/runs/<runId>/artifacts/<name>", "queue")
    assert depends_on_body("POST", create)
    assert not depends_on_body("GET", create)
    for body in (b"", b"{}", b'{"storageType": "s3"}', b' {"storageType": "link", "name": "object"}'):
        assert not asks_for_object_credentials(body)
    for body in (b'{"storageType": "object"}', b'{"storage\\u0054ype":"object"}', b"\x1f\x8b\x08", b"[]", b"{" * 5000):
        assert asks_for_object_credentials(body)


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
        ("GET", "/api/auth/v1/aws/s3/read-write/bucket/"),
        ("GET", "/auth/v1/aws/s3/read-write/bucket/?format=iam-role-compat"),
        ("GET", "/api/auth/v1/aws/s3/read-write/bucket"),
        ("get", "/api/auth/v1/AWS/s3/read-write/bucket//"),
        ("POST", "/api/queue/v1/claim-work/"),
        ("post", "/api/queue/v1/claim-work/a%2Fb"),
        ("Put", "/api/auth/v1/clients/x"),
        ("head", "/api/hooks/v1/hooks/a/b/token"),
    ],
)
def test_every_spelling_of_a_credential_call_is_recognized(method: str, target: str) -> None:
    parsed = routes.parse(target)
    assert parsed is not None
    assert find_credential_method(method, parsed)


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("POST", "/api/auth/v1/clients/a%2Freset"),  # the update of a client of that name
        ("GET", "/api/auth/v1/clients/a"),
        ("GET", "/api/secrets/v1/secret/token"),
        ("POST", "/api/hooks/v1/hooks/a/b/trigger"),
    ],
)
def test_similar_calls_hand_out_no_credentials(method: str, target: str) -> None:
    parsed = routes.parse(target)
    assert parsed is not None
    assert find_credential_method(method, parsed) is None


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
@pytest.mark.parametrize("client", [CLIENT, f"{CLIENT}@2", f"{CLIENT}@17"])
@pytest.mark.parametrize("end", ["", "/reset", "/disable", "/enable", "/"])
def test_every_change_of_the_own_client_is_recognized(method: str, client: str, end: str) -> None:
    for own in (OwnClient.from_ids(CLIENT), OwnClient.from_ids(f"{CLIENT}@2"), OwnClient.from_ids("other", CLIENT)):
        for spelled in (quote(client, safe=""), client, quote(client).replace("m", "%6d")):
            parsed = routes.parse(f"/api/auth/v1/clients/{spelled}{end}")
            assert parsed is not None
            assert own.is_changed_by(method, parsed)
            assert own.is_changed_by(method.lower(), parsed)
            assert not own.is_changed_by("GET", parsed)


def test_other_clients_are_not_the_own_client() -> None:
    own = OwnClient.from_ids(CLIENT)
    for client in (f"{CLIENT}2", CLIENT[:-1], f"{CLIENT}/more", CLIENT.upper()):
        assert not own.is_changed_by("DELETE", make_call("/clients/<clientId>", clientId=client))
    assert not own.is_changed_by("DELETE", make_call("/roles/<roleId>", roleId=CLIENT))
    assert not own.is_changed_by("PUT", make_call("/secret/<name>", "secrets", name=CLIENT))


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
def test_a_target_is_parsed_as_a_call(target: str, expected: Call | None) -> None:
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
def test_an_ambiguous_target_is_refused(target: str) -> None:
    with pytest.raises(BadTarget):
        routes.parse(target)


def test_a_path_of_many_segments_is_matched_quickly() -> None:
    began = time.process_time()
    for end in ("", "/token", "/x"):
        parsed = routes.parse("/api/hooks/v1/hooks" + "/token" * 2500 + end)
        assert parsed is not None
        assert bool(find_credential_method("GET", parsed)) == (end != "/x")
    assert time.process_time() - began < 10
