"""Compare who may call the sandbox with a real deployment, through the real client."""

from __future__ import annotations

import datetime
import json

import mohawk
import pytest
import requests
import taskcluster
from taskcluster.exceptions import TaskclusterAuthFailure

from tcenv.sandbox import Sandbox
from tests.clients import FORBIDDEN, get_failure_code, get_rejection, make_auth, make_client_body

NAME = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv"
ANONYMOUS = ["assume:anonymous", "auth:current-scopes", "auth:get-client:*", "auth:list-clients"]


def test_a_signed_call_has_its_scopes_and_the_anonymous_ones(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, ["queue:*", "queue:create-task:x"])
    assert make_auth(deployment, client).currentScopes()["scopes"] == [*ANONYMOUS, "queue:*"]


def test_a_public_deployment_answers_anonymous_calls(deployment: Sandbox) -> None:
    deployment.create_client(NAME, ["a"])
    assert make_auth(deployment).currentScopes()["scopes"] == ANONYMOUS
    assert make_auth(deployment).client(NAME)["scopes"] == ["a"]
    assert [client["clientId"] for client in make_auth(deployment).listClients()["clients"]] == [NAME]


@pytest.mark.deployment(public=False)
def test_a_private_deployment_answers_a_good_signature_with_403(deployment: Sandbox) -> None:
    narrow = make_auth(deployment, deployment.create_client(NAME, ["queue:x"]))
    assert get_failure_code(narrow.currentScopes) == FORBIDDEN
    assert get_failure_code(narrow.client, NAME) == FORBIDDEN
    assert get_failure_code(narrow.listClients) == FORBIDDEN
    assert get_failure_code(make_auth(deployment).currentScopes) == FORBIDDEN
    assert make_auth(deployment, deployment.create_client("x", ["auth:*"])).currentScopes()["scopes"] == [
        "assume:anonymous",
        "auth:*",
    ]


def test_a_401_says_why_credentials_are_invalid(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME)
    wrong = {"clientId": NAME, "accessToken": "x" * 44}
    assert get_rejection(make_auth(deployment, wrong).currentScopes) == "Unauthorized: Bad mac"
    client.disabled = True
    assert get_rejection(make_auth(deployment, client).currentScopes) == f"Client with clientId '{NAME}' is disabled"
    client.disabled = False
    client.expires = deployment.now() - 1
    assert get_rejection(make_auth(deployment, client).currentScopes) == f"Client with clientId: '{NAME}' has expired"
    deployment.delete(NAME)
    assert get_rejection(make_auth(deployment, client).currentScopes) == f"Client with clientId '{NAME}' not found"


@pytest.mark.parametrize("ahead", [-3600, 3600])
def test_ten_minutes_of_clock_skew_pass_and_an_hour_does_not(ahead: int, deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, lifetime=86400)
    deployment.clock_offset = ahead / 6
    make_auth(deployment, client).currentScopes()
    deployment.clock_offset = ahead
    assert get_rejection(make_auth(deployment, client).currentScopes) == "Unauthorized: Stale timestamp"


@pytest.mark.deployment(clock=lambda: 4000000000.0)
def test_a_stale_timestamp_comes_with_the_servers_time(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME)
    with pytest.raises(TaskclusterAuthFailure) as caught:
        make_auth(deployment, client).currentScopes()
    assert "* time:       2096-10-02T07:06:40.000Z" in str(caught.value.body["message"])
    assert requests.get(f"{deployment.root_url}/api/auth/v1/ping").headers["Date"] == "Tue, 02 Oct 2096 07:06:40 GMT"


@pytest.mark.deployment(any_time=True)
def test_any_time_accepts_signatures_of_the_real_clock(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, lifetime=30 * 86400)
    deployment.clock_offset = 29 * 86400
    make_auth(deployment, client).currentScopes()


def test_a_ping_needs_no_valid_signature(deployment: Sandbox) -> None:
    assert make_auth(deployment, {"clientId": "x", "accessToken": "y" * 44}).ping()["alive"] is True
    assert make_auth(deployment).version()["version"] == "v106.0.0"
    assert taskcluster.Queue({"rootUrl": deployment.root_url}).ping()["alive"] is True


def test_a_signature_covers_method_address_and_body(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, ["auth:*"])
    url = f"{deployment.root_url}/api/auth/v1/clients/new%2Fone"
    credentials = {"id": client.client_id, "key": client.access_token, "algorithm": "sha256"}
    body = '{"description": "", "expires": "2100-01-01T00:00:00Z"}'
    hashed = mohawk.Sender(credentials, url, "PUT", content=body, content_type="application/json").request_header
    plain = mohawk.Sender(credentials, url, "PUT", always_hash_content=False).request_header
    kind = {"Content-Type": "application/json"}

    def status(method: str, header: str, url: str = url, body: str = body) -> int:
        return requests.request(method, url, data=body, headers={"Authorization": header, **kind}).status_code

    assert status("POST", hashed) == 404  # updateClient looks for the client first, as the service does
    assert status("DELETE", hashed) == 401
    assert status("PUT", hashed, url + "x") == 401
    assert status("PUT", hashed, body=body.replace("2100", "2101")) == 401
    assert status("PUT", hashed) == 200
    deployment.delete("new/one")
    assert status("PUT", plain) == 200
    for garbage in ("Hawk", "Bearer x", 'Hawk id="x"', hashed.replace('ts="', 'ts="x')):
        assert status("DELETE", garbage) == 401


def test_authorized_scopes_restrict_a_call_and_must_be_held(deployment: Sandbox) -> None:
    client = deployment.create_client(NAME, ["queue:*", "b"])
    restricted = make_auth(deployment, client, authorizedScopes=["queue:x", "auth:list-clients"])
    assert restricted.currentScopes()["scopes"] == [*ANONYMOUS, "queue:x"]
    beyond = make_auth(deployment, client, authorizedScopes=["c"])
    assert get_rejection(beyond.currentScopes).startswith("Supplied credentials do not satisfy authorizedScopes")


def test_an_authorization_has_at_most_4096_characters(deployment: Sandbox) -> None:
    client = deployment.create_client("me", [f"scope:{number:033}" for number in range(80)])

    def call_with(count: int) -> str:
        now = taskcluster.fromNow("0 seconds")
        made = taskcluster.createTemporaryCredentials(
            "me", client.access_token, now, now + datetime.timedelta(hours=1), client.scopes[:count]
        )
        made["accessToken"] = made["accessToken"].decode()
        caller = make_auth(deployment, made)
        return get_rejection(caller.currentScopes) if count > 62 else str(len(caller.currentScopes()["scopes"]))

    assert call_with(60) == "64"
    assert call_with(70) == "Bad Request: Header length too long"


def test_a_wrong_hash_of_the_body_is_a_401(deployment: Sandbox) -> None:
    client = deployment.create_client("me", ["*"])
    url = f"{deployment.root_url}/api/auth/v1/clients/x"
    who = {"id": "me", "key": client.access_token, "algorithm": "sha256"}
    header = mohawk.Sender(who, url, "PUT", content="{}", content_type="application/json").request_header
    kind = {"Content-Type": "application/json"}
    answer = requests.put(url, data=json.dumps(make_client_body(["b", "a"])), headers={"Authorization": header, **kind})
    assert answer.status_code == 401
    assert answer.json()["message"].startswith("Invalid payload hash: ")
    assert answer.headers["WWW-Authenticate"] == "hawk"


def test_no_character_of_a_signature_can_be_changed(deployment: Sandbox) -> None:
    with requests.Session() as session:
        client = deployment.create_client("me", ["*"])
        url = f"{deployment.root_url}/api/auth/v1/scopes/current"
        who = {"id": "me", "key": client.access_token, "algorithm": "sha256"}
        header = mohawk.Sender(who, url, "GET", content="", content_type="", ext="e30=").request_header
        good = []
        for place, character in enumerate(header):
            changed = header[:place] + ("x" if character != "x" else "y") + header[place + 1 :]
            if session.get(url, headers={"Authorization": changed}).status_code == 200:
                good.append(changed)
        assert good == []
        assert session.get(url, headers={"Authorization": header}).status_code == 200
