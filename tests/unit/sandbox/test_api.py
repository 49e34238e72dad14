"""What a real Taskcluster's Auth API does, seen through the real client: one test for each claim that the sandbox models."""

from __future__ import annotations

import base64
import datetime
import hmac
import json
import socket
import time
from pathlib import Path
from typing import Any

import mohawk
import pytest
import requests
import taskcluster
from taskcluster.exceptions import TaskclusterAuthFailure, TaskclusterConnectionError, TaskclusterRestFailure

from tcenv.sandbox import Client, Sandbox
from tcenv.sandbox.records import make_token

HOSTILE = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv"
ANONYMOUS = ["assume:anonymous", "auth:current-scopes", "auth:get-client:*", "auth:list-clients"]
SOON = {"minutes": 15}


def auth(tc: Sandbox, client: Client | dict[str, Any] | None = None, **options: Any) -> taskcluster.Auth:
    """The real client, signing as `client` (or with temporary credentials)."""
    if isinstance(client, Client):
        client = {"clientId": client.client_id, "accessToken": client.access_token}
    credentials = {} if client is None else {"credentials": dict(client)}
    return taskcluster.Auth({"rootUrl": tc.root_url, "maxRetries": 0, **credentials, **options})


def temporary(client: Client, scopes: list[str], name: str | None = None, **lifetime: float) -> dict[str, Any]:
    """Temporary credentials from the real client, from five minutes ago on."""
    now = datetime.datetime.now(datetime.UTC)
    return taskcluster.createTemporaryCredentials(
        client.client_id,
        client.access_token,
        now - datetime.timedelta(minutes=5),
        now + datetime.timedelta(**(lifetime or SOON)),
        scopes,
        name,
    )


def rejection(call: Any, *arguments: Any) -> str:
    """The first line of the 401 that `call` ends in."""
    with pytest.raises(TaskclusterAuthFailure) as caught:
        call(*arguments)
    assert caught.value.status_code == 401
    assert caught.value.body["code"] == "AuthenticationFailed"
    return str(caught.value.body["message"]).splitlines()[0]


def failure(call: Any, *arguments: Any) -> tuple[int, str]:
    """Status and code of the failure that `call` ends in; a 401 would not be one."""
    with pytest.raises(TaskclusterRestFailure) as caught:
        call(*arguments)
    return caught.value.status_code, caught.value.body["code"]


def wanted(scopes: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """A body for createClient and updateClient."""
    scopes_ = {} if scopes is None else {"scopes": scopes}
    return {"description": "d", "expires": taskcluster.fromNowJSON("1 day"), **scopes_, **more}


class TestWhoCalls:
    def test_a_signed_call_is_answered_with_the_scopes_and_those_of_everybody(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE, ["queue:*", "queue:create-task:x"])
            assert auth(tc, client).currentScopes()["scopes"] == [*ANONYMOUS, "queue:*"]

    def test_anybody_may_look_on_a_public_deployment(self) -> None:
        with Sandbox() as tc:
            tc.create_client(HOSTILE, ["a"])
            assert auth(tc).currentScopes()["scopes"] == ANONYMOUS
            assert auth(tc).client(HOSTILE)["scopes"] == ["a"]
            assert [client["clientId"] for client in auth(tc).listClients()["clients"]] == [HOSTILE]

    def test_nobody_may_look_on_a_private_deployment_and_403_says_that_the_signature_is_good(self) -> None:
        with Sandbox(public=False) as tc:
            narrow = auth(tc, tc.create_client(HOSTILE, ["queue:x"]))
            assert failure(narrow.currentScopes) == (403, "InsufficientScopes")
            assert failure(narrow.client, HOSTILE) == (403, "InsufficientScopes")
            assert failure(narrow.listClients) == (403, "InsufficientScopes")
            assert failure(auth(tc).currentScopes) == (403, "InsufficientScopes")
            assert auth(tc, tc.create_client("x", ["auth:*"])).currentScopes()["scopes"] == [
                "assume:anonymous",
                "auth:*",
            ]

    def test_why_credentials_are_not_good(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE)
            wrong = {"clientId": HOSTILE, "accessToken": "x" * 44}
            assert rejection(auth(tc, wrong).currentScopes) == "Unauthorized: Bad mac"
            client.disabled = True
            assert rejection(auth(tc, client).currentScopes) == f"Client with clientId '{HOSTILE}' is disabled"
            client.disabled = False
            client.expires = tc.now() - 1
            assert rejection(auth(tc, client).currentScopes) == f"Client with clientId: '{HOSTILE}' has expired"
            tc.delete(HOSTILE)
            assert rejection(auth(tc, client).currentScopes) == f"Client with clientId '{HOSTILE}' not found"

    @pytest.mark.parametrize("ahead", [-3600, 3600])
    def test_ten_minutes_of_clock_skew_pass_and_an_hour_does_not(self, ahead: int) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE, lifetime=86400)
            tc.clock_offset = ahead / 6
            auth(tc, client).currentScopes()
            tc.clock_offset = ahead
            assert rejection(auth(tc, client).currentScopes) == "Unauthorized: Stale timestamp"

    def test_a_stale_timestamp_comes_with_the_servers_time(self) -> None:
        with Sandbox(clock=lambda: 4_000_000_000.0) as tc:
            client = tc.create_client(HOSTILE)
            with pytest.raises(TaskclusterAuthFailure) as caught:
                auth(tc, client).currentScopes()
            assert "* time:       2096-10-02T07:06:40.000Z" in str(caught.value.body["message"])
            assert requests.get(f"{tc.root_url}/api/auth/v1/ping").headers["Date"] == "Tue, 02 Oct 2096 07:06:40 GMT"

    def test_simulated_days_can_be_lived_through_with_a_real_clock(self) -> None:
        with Sandbox(any_time=True) as tc:
            client = tc.create_client(HOSTILE, lifetime=30 * 86400)
            tc.clock_offset = 29 * 86400
            auth(tc, client).currentScopes()

    def test_a_ping_is_answered_whatever_the_signature(self) -> None:
        with Sandbox() as tc:
            assert auth(tc, {"clientId": "x", "accessToken": "y" * 44}).ping()["alive"] is True
            assert auth(tc).version()["version"] == "v106.0.0"
            assert taskcluster.Queue({"rootUrl": tc.root_url}).ping()["alive"] is True

    def test_a_signature_is_of_one_method_one_address_and_one_body(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE, ["auth:*"])
            url = f"{tc.root_url}/api/auth/v1/clients/new%2Fone"
            credentials = {"id": client.client_id, "key": client.access_token, "algorithm": "sha256"}
            body = '{"description": "", "expires": "2100-01-01T00:00:00Z"}'
            hashed = mohawk.Sender(
                credentials, url, "PUT", content=body, content_type="application/json"
            ).request_header
            plain = mohawk.Sender(credentials, url, "PUT", always_hash_content=False).request_header
            kind = {"Content-Type": "application/json"}

            def status(method: str, header: str, url: str = url, body: str = body) -> int:
                return requests.request(method, url, data=body, headers={"Authorization": header, **kind}).status_code

            assert status("POST", hashed) == 404  # updateClient looks for the client first, as the service does
            assert status("DELETE", hashed) == 401
            assert status("PUT", hashed, url + "x") == 401
            assert status("PUT", hashed, body=body.replace("2100", "2101")) == 401
            assert status("PUT", hashed) == 200
            tc.delete("new/one")
            assert status("PUT", plain) == 200
            for garbage in ("Hawk", "Bearer x", 'Hawk id="x"', hashed.replace('ts="', 'ts="x')):
                assert status("DELETE", garbage) == 401

    def test_authorized_scopes_restrict_and_must_be_held(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE, ["queue:*", "b"])
            restricted = auth(tc, client, authorizedScopes=["queue:x", "auth:list-clients"])
            assert restricted.currentScopes()["scopes"] == [*ANONYMOUS, "queue:x"]
            beyond = auth(tc, client, authorizedScopes=["c"])
            assert rejection(beyond.currentScopes).startswith("Supplied credentials do not satisfy authorizedScopes")


class TestClients:
    def test_creating_needs_the_scope_for_the_name_and_every_scope_given(self) -> None:
        with Sandbox() as tc:
            creator = auth(tc, tc.create_client("c", ["auth:create-client:mine/*", "queue:*"]))
            made = creator.createClient("mine/a|b", wanted(["queue:x"], deleteOnExpiration=True))
            assert len(made["accessToken"]) == 44
            assert made["deleteOnExpiration"] is True
            assert failure(creator.createClient, "other/a", wanted([])) == (403, "InsufficientScopes")
            assert failure(creator.createClient, "mine/b", wanted(["index:x"])) == (403, "InsufficientScopes")
            assert failure(creator.createClient, "mine/a|b", wanted([])) == (409, "RequestConflict")

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"description": "no end"},
            wanted(["not a scope: é"]),
            wanted([], description="x" * 10_241),
            wanted([], surprise=1),
        ],
    )
    def test_a_body_outside_of_the_schema_is_refused(self, body: dict[str, Any]) -> None:
        with Sandbox() as tc:
            creator = auth(tc, tc.create_client("c", ["*"]))
            assert failure(creator.createClient, "x", body) == (400, "InputValidationError")

    def test_a_client_id_has_a_pattern(self) -> None:
        with Sandbox() as tc:
            creator = auth(tc, tc.create_client("c", ["*"]))
            assert failure(creator.createClient, "a b", wanted()) == (400, "InvalidRequestArguments")
            creator.createClient("aZ9!@/:.+|_-/reset", wanted())
            assert creator.client("aZ9!@/:.+|_-/reset")["clientId"] == "aZ9!@/:.+|_-/reset"

    def test_an_update_without_delete_on_expiration_sets_it_to_false(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x", ["auth:update-client:me/*", "a"])
            assert client.delete_on_expiration
            answer = auth(tc, client).updateClient("me/x", wanted())
            assert answer["deleteOnExpiration"] is False
            assert answer["scopes"] == ["a", "auth:update-client:me/*"]  # in order, however they were given
            assert (
                auth(tc, client).updateClient("me/x", wanted([], deleteOnExpiration=True))["deleteOnExpiration"] is True
            )

    def test_an_update_may_keep_scopes_that_the_caller_does_not_hold_but_not_add_them(self) -> None:
        with Sandbox() as tc:
            tc.create_client("me/x", ["rare"])
            updater = auth(tc, tc.create_client("u", ["auth:update-client:me/*"]))
            assert updater.updateClient("me/x", wanted(["rare"]))["scopes"] == ["rare"]
            assert failure(updater.updateClient, "me/x", wanted(["rare", "more"])) == (403, "InsufficientScopes")
            assert failure(updater.updateClient, "me/none", wanted()) == (404, "ResourceNotFound")

    def test_a_reset_kills_the_old_token_at_once(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x", ["auth:reset-access-token:me/*"])
            before = auth(tc, client)
            token = before.resetAccessToken("me/x")["accessToken"]
            assert rejection(before.currentScopes) == "Unauthorized: Bad mac"
            auth(tc, {"clientId": "me/x", "accessToken": token}).currentScopes()
            assert failure(auth(tc, client).resetAccessToken, "other") == (403, "InsufficientScopes")

    def test_deleting_succeeds_when_there_is_none(self) -> None:
        with Sandbox() as tc:
            deleter = auth(tc, tc.create_client("d", ["auth:delete-client:me/*"]))
            tc.create_client("me/x")
            deleter.deleteClient("me/x")
            deleter.deleteClient("me/x")
            assert "me/x" not in tc.clients
            assert failure(deleter.deleteClient, "other") == (403, "InsufficientScopes")
            assert failure(auth(tc).client, "me/x") == (404, "ResourceNotFound")

    def test_disabling_and_enabling(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x")
            admin = auth(tc, tc.create_client("a", ["auth:disable-client:*", "auth:enable-client:*"]))
            assert admin.disableClient("me/x")["disabled"] is True
            assert rejection(auth(tc, client).currentScopes) == "Client with clientId 'me/x' is disabled"
            assert admin.enableClient("me/x")["disabled"] is False
            auth(tc, client).currentScopes()

    def test_listing_by_prefix_and_in_parts(self) -> None:
        with Sandbox() as tc:
            for name in ("a/1", "a/2", "a/3", "b/1"):
                tc.create_client(name)
            first = auth(tc).listClients(query={"prefix": "a/", "limit": "2"})
            assert [client["clientId"] for client in first["clients"]] == ["a/1", "a/2"]
            query = {"prefix": "a/", "limit": "2", "continuationToken": first["continuationToken"]}
            rest = auth(tc).listClients(query=query)
            assert [client["clientId"] for client in rest["clients"]] == ["a/3"]
            assert "continuationToken" not in rest

    def test_expanding_scopes_and_a_secret_to_try_signatures_on(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("x", ["auth:expand-scopes", "secrets:get:project/sandbox/*"])
            assert auth(tc, client).expandScopes({"scopes": ["b", "a", "b:*", "b:x"]})["scopes"] == ["a", "b", "b:*"]
            options = {
                "rootUrl": tc.root_url,
                "credentials": {"clientId": "x", "accessToken": client.access_token},
                "maxRetries": 0,
            }
            secrets = taskcluster.Secrets(options)
            assert secrets.get("project/sandbox/x")["secret"]
            assert failure(secrets.get, "project/other") == (403, "InsufficientScopes")


class TestTime:
    def test_an_expired_client_keeps_its_name_until_the_nightly_purge(self) -> None:
        noon = 1_800_014_400.0  # 2027-01-15T12:00:00Z
        with Sandbox(clock=lambda: noon, any_time=True) as tc:
            creator = auth(tc, tc.create_client("admin", ["*"], lifetime=100 * 86400))
            tc.create_client("me/today", lifetime=3600)
            tc.create_client("me/kept", lifetime=3600, delete_on_expiration=False)
            tc.create_client("me/early", lifetime=12 * 3600 + 60)
            tc.create_client("me/tomorrow", lifetime=86400)
            tc.clock_offset = 12 * 3600 - 1
            assert failure(creator.createClient, "me/today", wanted()) == (409, "RequestConflict")
            tc.clock_offset = 12 * 3600 + 120  # what expired after midnight waits for the next one
            creator.createClient("me/today", wanted())
            assert failure(creator.createClient, "me/early", wanted()) == (409, "RequestConflict")
            assert failure(creator.createClient, "me/kept", wanted()) == (409, "RequestConflict")
            tc.clock_offset = 86400 + 60  # expired since a minute: still there until the next midnight
            assert failure(creator.createClient, "me/tomorrow", wanted()) == (409, "RequestConflict")
            tc.clock_offset = 30 * 86400
            creator.createClient("me/tomorrow", wanted())

    def test_a_purge_on_demand(self) -> None:
        with Sandbox() as tc:
            tc.create_client("gone", lifetime=-1)
            tc.create_client("stays")
            tc.purge()
            assert list(tc.clients) == ["stays"]


class TestTemporaryCredentials:
    def test_they_need_no_call_and_hold_what_they_were_cut_to_and_what_everybody_may(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE, ["queue:*"])
            caller = auth(tc, temporary(client, ["queue:x"]))
            assert caller.currentScopes()["scopes"] == [*ANONYMOUS, "queue:x"]
            assert tc.requests[-1].client_id == HOSTILE

    def test_a_scope_that_the_issuer_does_not_hold_makes_every_call_fail(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE, ["queue:*"])
            message = rejection(auth(tc, temporary(client, ["queue:x", "index:x"])).currentScopes)
            assert "doesn't satisfy all certificate scopes" in message
            # What everybody may do is nothing that the issuer holds.
            assert "doesn't satisfy" in rejection(auth(tc, temporary(client, ["auth:list-clients"])).currentScopes)

    def test_another_name_needs_the_scope_to_create_it(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x", ["auth:create-client:me/x/*"])
            auth(tc, temporary(client, [], "me/x/job")).currentScopes()
            assert tc.requests[-1].client_id == "me/x/job"
            message = rejection(auth(tc, temporary(client, [], "other")).currentScopes)
            assert "doesn't have `auth:create-client:other`" in message

    def test_some_minutes_of_drift_are_tolerated_at_both_ends(self) -> None:
        with Sandbox(any_time=True) as tc:
            client = tc.create_client("me/x")
            for offset, good in ((-9 * 60, True), (-11 * 60, False), (19 * 60, True), (21 * 60, False)):
                tc.clock_offset = offset
                caller = auth(tc, temporary(client, []))
                if good:
                    caller.currentScopes()
                else:
                    assert rejection(caller.currentScopes).startswith("ext.certificate.")

    def test_more_than_31_days_is_refused_by_the_client_and_by_the_deployment(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x", lifetime=90 * 86400)
            with pytest.raises(Exception, match="31 days"):
                temporary(client, [], days=32)
            made = temporary(client, [], days=30)
            auth(tc, made).currentScopes()
            certificate = json.loads(made["certificate"])
            certificate["expiry"] += 2 * 86400 * 1000
            facts = [f"{key}:{certificate[key]}" for key in ("version", "seed", "start", "expiry")]
            text = "\n".join([*facts, "scopes:"]).encode()
            signature = hmac.digest(client.access_token.encode(), text, "sha256")
            made["certificate"] = json.dumps({**certificate, "signature": base64.b64encode(signature).decode()})
            assert rejection(auth(tc, made).currentScopes) == "ext.certificate cannot last longer than 31 days!"

    def test_a_reset_or_the_end_of_the_issuer_kills_them(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x")
            caller = temporary(client, [])
            client.disabled = True
            assert rejection(auth(tc, caller).currentScopes) == "Client with clientId 'me/x' is disabled"
            client.disabled = False
            client.access_token = "y" * 44
            assert rejection(auth(tc, caller).currentScopes) == "ext.certificate.signature is not valid"

    def test_they_cannot_issue_others(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me/x", ["auth:create-client:me/x/*"])
            first = temporary(client, ["auth:create-client:me/x/*"], "me/x/a")
            issuer = Client("me/x/a", first["accessToken"].decode(), 0, [])
            assert rejection(auth(tc, temporary(issuer, [])).currentScopes) == "Client with clientId 'me/x/a' not found"
            own = temporary(client, ["auth:create-client:me/x/*"])
            issuer = Client("me/x", own["accessToken"].decode(), 0, [])
            assert rejection(auth(tc, temporary(issuer, [])).currentScopes) == "ext.certificate.signature is not valid"

    @pytest.mark.parametrize(
        "change",
        [
            {"version": 2},
            {"seed": "short"},
            {"start": "now"},
            {"expiry": None},
            {"scopes": "*"},
            {"scopes": ["*"]},
            {"issuer": "me/x"},
            {"expiry": 10**15},
            {"signature": "x"},
        ],
    )
    def test_a_certificate_that_was_altered_is_refused(self, change: dict[str, Any]) -> None:
        with Sandbox() as tc:
            made = temporary(tc.create_client("me/x", ["a"]), ["a"])
            made["certificate"] = json.dumps({**json.loads(made["certificate"]), **change})
            assert rejection(auth(tc, made).currentScopes).startswith("ext.certificate")

    def test_a_leftover_certificate_beside_permanent_credentials_makes_every_call_fail(self) -> None:
        with Sandbox() as tc:
            old, new = tc.create_client("me/x"), tc.create_client("me/y")
            mixed = {
                "clientId": new.client_id,
                "accessToken": new.access_token,
                "certificate": temporary(old, [])["certificate"],
            }
            assert rejection(auth(tc, mixed).currentScopes) == "ext.certificate.signature is not valid"


class TestServer:
    def test_both_loopback_families_on_one_port_and_nothing_else(self) -> None:
        with Sandbox() as tc:
            for host in ("127.0.0.1", "[::1]", "localhost"):
                assert requests.get(f"http://{host}:{tc.port}/api/auth/v1/ping").status_code == 200
            for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
                local, state = line.split()[1], line.split()[3]
                if state == "0A" and local.endswith(f":{tc.port:04X}"):
                    assert local.startswith("0100007F:")

    def test_it_goes_by_no_other_name(self) -> None:
        with Sandbox() as tc:
            for host in ("evil.example", f"evil.example:{tc.port}", "localhost:1", "localhost"):
                answer = requests.get(f"{tc.root_url}/api/auth/v1/ping", headers={"Host": host})
                assert answer.status_code == 421

    def test_a_page_of_another_origin_cannot_press_the_buttons(self) -> None:
        with Sandbox() as tc:
            save = {**wanted([]), "clientId": f"{tc.user}/x", "loaded": 0.0}
            url = f"{tc.root_url}/sandbox/create"
            answer = requests.post(url, data=json.dumps(save), headers={"Content-Type": "text/plain"})
            assert answer.status_code == 400
            assert not tc.clients
            assert requests.post(url, json=save).status_code == 200

    def test_a_given_port_is_taken_or_refused(self) -> None:
        with Sandbox() as tc:
            with pytest.raises(OSError, match="in use"), Sandbox(port=tc.port):
                pass
            port = tc.port
        with Sandbox(port=port) as tc:
            assert tc.root_url == f"http://localhost:{port}"

    def test_nobody_listens_when_it_has_ended_and_nobody_is_served_on_an_open_connection(self) -> None:
        with requests.Session() as session:
            with Sandbox() as tc:
                session.get(f"{tc.root_url}/api/auth/v1/ping")
            with pytest.raises(requests.ConnectionError):
                session.get(f"{tc.root_url}/api/auth/v1/ping")
        with pytest.raises(TaskclusterConnectionError):
            auth(tc).ping()

    def test_garbage_disturbs_nobody(self) -> None:
        with Sandbox() as tc:
            for garbage in (b"", b"\0" * 100, b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"PUT /\r\n\r\n"):
                with socket.create_connection(("127.0.0.1", tc.port)) as connection:
                    connection.sendall(garbage)
            large = {"Content-Length": str(1 << 30)}
            assert requests.post(f"{tc.root_url}/api/auth/v1/scopes/expand", headers=large).status_code == 413
            assert requests.post(f"{tc.root_url}/api/auth/v1/scopes/expand", data="{").status_code == 403
            assert requests.get(f"{tc.root_url}/api/auth/v1/nothing").status_code == 404
            assert auth(tc).ping()["alive"] is True

    def test_what_was_asked_is_told_without_any_token(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(HOSTILE)
            auth(tc, client).currentScopes()
            rejection(auth(tc, {"clientId": HOSTILE, "accessToken": "x" * 44}).currentScopes)
            signed, rejected = tc.requests
            assert (signed.method, signed.path) == ("GET", "/api/auth/v1/scopes/current")
            assert (signed.client_id, signed.status) == (HOSTILE, 200)
            assert (rejected.client_id, rejected.status) == (None, 401)
            assert client.access_token not in repr(tc.requests) + repr(tc.clients)

    def test_tokens_are_of_44_characters_and_some_begin_with_a_dash(self) -> None:
        with Sandbox() as tc:
            assert len(tc.create_client("x").access_token) == 44
        tokens = {make_token() for _ in range(5000)}
        assert {len(token) for token in tokens} == {44}
        assert {token[0] for token in tokens} > set("-_")
        with Sandbox(token_factory=lambda: "-" + "x" * 43) as tc:
            client = tc.create_client("dash")
            assert client.access_token == "-" + "x" * 43
            auth(tc, client).currentScopes()

    def test_many_calls_at_once(self) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with Sandbox() as tc:
            admin = tc.create_client("admin", ["*"])
            with ThreadPoolExecutor(16) as pool:
                made = list(
                    pool.map(
                        lambda number: _or_none(auth(tc, admin).createClient, f"c{number % 8}", wanted()), range(64)
                    )
                )
            assert len([client for client in made if client]) == 8
            assert len(tc.requests) == 64


def _or_none(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except TaskclusterRestFailure:
        return None


def test_the_clock_moves_on_by_itself() -> None:
    with Sandbox() as tc:
        tc.clock_offset = 86400
        assert abs(tc.now() - time.time() - 86400) < 60
