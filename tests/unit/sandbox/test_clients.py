"""Compare the sandbox's calls about clients with those of a real deployment, through the real client."""

from __future__ import annotations

from typing import Any

import pytest
import taskcluster

from tcenv.sandbox import Sandbox
from tcenv.sandbox.records import make_token
from tests.clients import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    get_failure,
    get_failure_code,
    get_rejection,
    make_auth,
    make_client_body,
    make_secrets,
    send_unhashed,
)


def make_sample(**more: Any) -> dict[str, Any]:
    """Return a body with scopes that are not in order."""
    return make_client_body(**{"scopes": ["b", "a"], **more})


@pytest.fixture
def admin(deployment: Sandbox) -> taskcluster.Auth:
    """Return a client of the Auth service that may do everything."""
    return make_auth(deployment, deployment.create_client("me", ["*"]))


def test_creating_a_client_needs_its_name_and_its_scopes(deployment: Sandbox) -> None:
    creator = make_auth(deployment, deployment.create_client("c", ["auth:create-client:mine/*", "queue:*"]))
    made = creator.createClient("mine/a|b", make_client_body(["queue:x"], deleteOnExpiration=True))
    assert len(made["accessToken"]) == 44
    assert made["deleteOnExpiration"] is True
    assert get_failure_code(creator.createClient, "other/a", make_client_body([])) == FORBIDDEN
    assert get_failure_code(creator.createClient, "mine/b", make_client_body(["index:x"])) == FORBIDDEN
    assert get_failure_code(creator.createClient, "mine/a|b", make_client_body([])) == CONFLICT


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"description": "no end"},
        make_client_body(["not a scope: é"]),
        make_client_body([], description="x" * 10_241),
        make_client_body([], surprise=1),
    ],
)
def test_a_body_must_match_the_schema(body: dict[str, Any], admin: taskcluster.Auth) -> None:
    assert get_failure_code(admin.createClient, "x", body) == (400, "InputValidationError")


def test_a_client_id_has_a_pattern(admin: taskcluster.Auth) -> None:
    assert get_failure_code(admin.createClient, "a b", make_client_body()) == (400, "InvalidRequestArguments")
    admin.createClient("aZ9!@/:.+|_-/reset", make_client_body())
    assert admin.client("aZ9!@/:.+|_-/reset")["clientId"] == "aZ9!@/:.+|_-/reset"


def test_an_update_without_delete_on_expiration_sets_it_to_false(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x", ["auth:update-client:me/*", "a"])
    assert client.delete_on_expiration
    answer = make_auth(deployment, client).updateClient("me/x", make_client_body())
    assert answer["deleteOnExpiration"] is False
    assert answer["scopes"] == ["a", "auth:update-client:me/*"]  # in order, however they were given
    answer = make_auth(deployment, client).updateClient("me/x", make_client_body([], deleteOnExpiration=True))
    assert answer["deleteOnExpiration"] is True


def test_an_update_may_keep_but_not_add_scopes_that_the_caller_lacks(deployment: Sandbox) -> None:
    deployment.create_client("me/x", ["rare"])
    updater = make_auth(deployment, deployment.create_client("u", ["auth:update-client:me/*"]))
    assert updater.updateClient("me/x", make_client_body(["rare"]))["scopes"] == ["rare"]
    assert get_failure_code(updater.updateClient, "me/x", make_client_body(["rare", "more"])) == FORBIDDEN
    assert get_failure_code(updater.updateClient, "me/none", make_client_body()) == NOT_FOUND


def test_a_reset_revokes_the_old_token(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x", ["auth:reset-access-token:me/*"])
    before = make_auth(deployment, client)
    token = before.resetAccessToken("me/x")["accessToken"]
    assert get_rejection(before.currentScopes) == "Unauthorized: Bad mac"
    make_auth(deployment, {"clientId": "me/x", "accessToken": token}).currentScopes()
    assert get_failure_code(make_auth(deployment, client).resetAccessToken, "other") == FORBIDDEN


def test_deleting_a_missing_client_succeeds(deployment: Sandbox) -> None:
    deleter = make_auth(deployment, deployment.create_client("d", ["auth:delete-client:me/*"]))
    deployment.create_client("me/x")
    deleter.deleteClient("me/x")
    deleter.deleteClient("me/x")
    assert "me/x" not in deployment.clients
    assert get_failure_code(deleter.deleteClient, "other") == FORBIDDEN
    assert get_failure_code(make_auth(deployment).client, "me/x") == NOT_FOUND


def test_a_client_can_be_disabled_and_enabled(deployment: Sandbox) -> None:
    client = deployment.create_client("me/x")
    admin = make_auth(deployment, deployment.create_client("a", ["auth:disable-client:*", "auth:enable-client:*"]))
    assert admin.disableClient("me/x")["disabled"] is True
    assert get_rejection(make_auth(deployment, client).currentScopes) == "Client with clientId 'me/x' is disabled"
    assert admin.enableClient("me/x")["disabled"] is False
    make_auth(deployment, client).currentScopes()


def test_clients_are_listed_by_prefix_and_page(deployment: Sandbox) -> None:
    for name in ("a/1", "a/2", "a/3", "b/1"):
        deployment.create_client(name)
    first = make_auth(deployment).listClients(query={"prefix": "a/", "limit": "2"})
    assert [client["clientId"] for client in first["clients"]] == ["a/1", "a/2"]
    query = {"prefix": "a/", "limit": "2", "continuationToken": first["continuationToken"]}
    rest = make_auth(deployment).listClients(query=query)
    assert [client["clientId"] for client in rest["clients"]] == ["a/3"]
    assert "continuationToken" not in rest


def test_scopes_are_expanded_and_a_secret_needs_its_scope(deployment: Sandbox) -> None:
    client = deployment.create_client("x", ["auth:expand-scopes", "secrets:get:project/sandbox/*"])
    expanded = make_auth(deployment, client).expandScopes({"scopes": ["b", "a", "b:*", "b:x"]})
    assert expanded["scopes"] == ["a", "b", "b:*"]
    secrets = make_secrets(deployment, client)
    assert secrets.get("project/sandbox/x")["secret"]
    assert get_failure_code(secrets.get, "project/other") == FORBIDDEN


def test_an_expired_client_keeps_its_name_until_the_nightly_purge() -> None:
    noon = 1_800_014_400.0  # 2027-01-15T12:00:00Z
    with Sandbox(clock=lambda: noon, any_time=True) as tc:
        creator = make_auth(tc, tc.create_client("admin", ["*"], lifetime=100 * 86400))
        tc.create_client("me/today", lifetime=3600)
        tc.create_client("me/kept", lifetime=3600, delete_on_expiration=False)
        tc.create_client("me/early", lifetime=12 * 3600 + 60)
        tc.create_client("me/tomorrow", lifetime=86400)
        tc.clock_offset = 12 * 3600 - 1
        assert get_failure_code(creator.createClient, "me/today", make_client_body()) == CONFLICT
        tc.clock_offset = 12 * 3600 + 120  # the purge at the next midnight deletes what expires after this one
        creator.createClient("me/today", make_client_body())
        assert get_failure_code(creator.createClient, "me/early", make_client_body()) == CONFLICT
        assert get_failure_code(creator.createClient, "me/kept", make_client_body()) == CONFLICT
        tc.clock_offset = 86400 + 60  # it expired a minute ago
        assert get_failure_code(creator.createClient, "me/tomorrow", make_client_body()) == CONFLICT
        tc.clock_offset = 30 * 86400
        creator.createClient("me/tomorrow", make_client_body())


def test_purge_deletes_expired_clients(deployment: Sandbox) -> None:
    deployment.create_client("gone", lifetime=-1)
    deployment.create_client("stays")
    deployment.purge()
    assert list(deployment.clients) == ["stays"]


def test_tokens_have_44_characters_and_some_begin_with_a_dash() -> None:
    with Sandbox() as tc:
        assert len(tc.create_client("x").access_token) == 44
    tokens = {make_token() for _ in range(5000)}
    assert {len(token) for token in tokens} == {44}
    assert {token[0] for token in tokens} > set("-_")
    with Sandbox(token_factory=lambda: "-" + "x" * 43) as tc:
        client = tc.create_client("dash")
        assert client.access_token == "-" + "x" * 43
        make_auth(tc, client).currentScopes()


@pytest.mark.deployment(any_time=True)
def test_creating_the_same_client_again_within_15_minutes_returns_it(deployment: Sandbox) -> None:
    admin = make_auth(deployment, deployment.create_client("me", ["*"], lifetime=86400 * 9))
    first = admin.createClient("x", make_sample())
    assert admin.createClient("x", make_sample(scopes=["a", "b"]))["accessToken"] == first["accessToken"]
    deployment.clock_offset = 14 * 60
    assert admin.createClient("x", make_sample())["accessToken"] == first["accessToken"]
    deployment.clock_offset = 16 * 60
    status, code, message = get_failure(admin.createClient, "x", make_sample())
    assert (status, code, message.splitlines()[0]) == (409, "RequestConflict", "Client already exists")


@pytest.mark.parametrize("other", [{"description": "e"}, {"scopes": ["a"]}, {"expires": "2100-01-02T00:00:00Z"}])
def test_creating_another_client_of_that_name_is_a_conflict(
    other: dict[str, Any], deployment: Sandbox, admin: taskcluster.Auth
) -> None:
    admin.createClient("x", make_sample())
    assert get_failure_code(admin.createClient, "x", make_sample(**other)) == CONFLICT
    assert deployment.clients["x"].description == "d"


def test_creating_a_disabled_client_again_is_a_conflict(deployment: Sandbox, admin: taskcluster.Auth) -> None:
    admin.createClient("x", make_sample())
    deployment.disable("x")
    assert get_failure_code(admin.createClient, "x", make_sample()) == CONFLICT


def test_scopes_are_sorted(admin: taskcluster.Auth) -> None:
    assert admin.createClient("x", make_sample())["scopes"] == ["a", "b"]
    assert admin.updateClient("x", make_sample(scopes=["c", "b", "a:*"]))["scopes"] == ["a:*", "b", "c"]
    assert admin.client("x")["scopes"] == ["a:*", "b", "c"]
    assert admin.client("x")["expandedScopes"] == ["a:*", "b", "c"]


@pytest.mark.parametrize(
    "body",
    [
        make_sample(scopes=["a", "b", "a"]),
        make_sample(scopes="a"),
        make_sample(scopes=[1]),
        make_sample(description=1),
        make_sample(deleteOnExpiration="yes"),
        make_sample(expires=4102444800),
        make_sample(expires="2100-01-01"),
        make_sample(expires="banana"),
    ],
)
def test_a_create_or_update_must_match_the_schema(
    body: dict[str, Any], deployment: Sandbox, admin: taskcluster.Auth
) -> None:
    deployment.create_client("there")
    assert get_failure_code(admin.createClient, "x", body) == (400, "InputValidationError")
    assert get_failure_code(admin.updateClient, "there", body) == (400, "InputValidationError")
    assert list(deployment.clients) == ["me", "there"]


def test_two_stars_fit_the_schema_and_are_refused(admin: taskcluster.Auth) -> None:
    assert get_failure_code(admin.createClient, "x", make_sample(scopes=["a**"])) == (400, "InputError")


@pytest.mark.parametrize(
    "end", ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "0000-01-01T00:00:00Z", "2100-13-01T00:00:00Z"]
)
def test_an_impossible_expiry_is_refused(end: str, deployment: Sandbox, admin: taskcluster.Auth) -> None:
    assert get_failure_code(admin.createClient, "x", make_sample(expires=end))[0] == 400
    assert list(deployment.clients) == ["me"]


def test_an_expiry_without_a_zone_is_in_utc(admin: taskcluster.Auth) -> None:
    made = admin.createClient("x", make_sample(expires="2100-01-01T00:00:00"))
    assert made["expires"] == "2100-01-01T00:00:00.000Z"


@pytest.mark.parametrize("verb", ["createClient", "updateClient", "resetAccessToken", "deleteClient", "disableClient"])
def test_static_clients_cannot_be_changed(verb: str, admin: taskcluster.Auth) -> None:
    body = [make_sample()] if verb in ("createClient", "updateClient") else []
    status, code, message = get_failure(getattr(admin, verb), "static/x", *body)
    assert (status, code) == (400, "InputError")
    assert 'clientId "static/x" starts with "static/"' in message


def test_a_delete_has_an_empty_answer(deployment: Sandbox) -> None:
    client = deployment.create_client("me", ["auth:delete-client:*"])
    for _ in range(2):
        answer = send_unhashed(deployment, client, "DELETE", "auth/v1/clients/gone")
        assert (answer.status_code, answer.content) == (204, b"")
        assert "Content-Length" not in answer.headers
