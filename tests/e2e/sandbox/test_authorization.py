"""Check how the sandbox authorizes calls of the real clients: signed URLs, narrowed requests, roles, missing scopes."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests
import taskcluster
import taskcluster.aio

from tcenv.sandbox import Client, Sandbox
from tests.clients import (
    FORBIDDEN,
    MAY_CREATE,
    MISSING,
    NOT_FOUND,
    TASK_ID,
    get_failure,
    get_failure_code,
    get_rejection,
    make_auth,
    make_options,
    make_queue,
    make_secrets,
    make_task,
)

REQUIRED = re.compile(r"satisfy the following scope expression:\n\n```\n(.*?)\n```", re.S)


def make_temporary_credentials(client: Client, scopes: list[str]) -> dict[str, Any]:
    """Return temporary credentials for a quarter of an hour."""
    now = datetime.now(UTC)
    start, end = now - timedelta(minutes=1), now + timedelta(minutes=15)
    made = taskcluster.createTemporaryCredentials(client.client_id, client.access_token, start, end, scopes)
    return {**made, "accessToken": made["accessToken"].decode()}


class TestSignedUrls:
    """Check bewits: signatures in an address."""

    def test_every_signed_url_is_accepted(self, deployment: Sandbox) -> None:
        mine = make_secrets(deployment, deployment.create_client("me/+|x", ["secrets:get:*"]))
        for number in range(64):
            answer = requests.get(mine.buildSignedUrl("get", f"project/sandbox/{number}"))
            assert answer.status_code == 200, answer.text
        assert {(request.client_id, request.bewit) for request in deployment.requests} == {("me/+|x", True)}

    def test_a_signed_url_carries_a_certificate_and_narrowed_scopes(self, deployment: Sandbox) -> None:
        client = deployment.create_client("me", ["secrets:get:*"])
        given = make_temporary_credentials(client, ["secrets:get:project/sandbox/*"])
        narrow = make_secrets(deployment, given, authorizedScopes=["secrets:get:project/sandbox/a"])
        assert requests.get(narrow.buildSignedUrl("get", "project/sandbox/a")).status_code == 200
        assert requests.get(narrow.buildSignedUrl("get", "project/sandbox/b")).status_code == 403
        seen = deployment.requests[0]
        assert (seen.certificate, seen.bewit) == (True, True)
        assert seen.authorized_scopes == ("secrets:get:project/sandbox/a",)

    def test_a_signed_url_is_limited_to_its_time_address_and_method(self, deployment: Sandbox) -> None:
        client = deployment.create_client("me", ["secrets:*"])
        url = make_secrets(deployment, client).buildSignedUrl("get", "project/sandbox/a", expiration=3600)

        def told(url: str, method: str = "GET", **more: Any) -> str:
            answer = requests.request(method, url, **more)
            return str(answer.status_code if answer.ok else answer.json()["message"].splitlines()[0])

        assert told(url) == "200"
        assert told(url, "HEAD") == "200"
        assert told(url, "DELETE") == "Unauthorized: Invalid method"
        assert told(url.replace("%2Fa?", "%2Fb?")) == "Unauthorized: Bad mac"
        assert told(url + "&more=1") == "Unauthorized: Bad mac"
        assert told(url + "=") == "Bad Request: Invalid bewit encoding"
        assert told(re.sub("bewit=.*", "bewit=AAAA", url)) == "Bad Request: Invalid bewit structure"
        both = told(url, headers={"Authorization": 'Hawk id="me", ts="1", nonce="n", mac="m"'})
        assert both.startswith("Cannot use two authentication schemes at once")
        deployment.clock_offset = 3601
        assert told(url) == "Unauthorized: Access expired"
        client.access_token = "x" * 44
        deployment.clock_offset = 0
        assert told(url) == "Unauthorized: Bad mac"


class TestNarrowedRequests:
    """Check authorizedScopes."""

    def test_an_empty_list_leaves_the_anonymous_scopes(self, deployment: Sandbox) -> None:
        client = deployment.create_client("me", ["secrets:get:*"])
        nothing = make_secrets(deployment, client, authorizedScopes=[])
        status, code, message = get_failure(nothing.get, "project/sandbox/x")
        assert (status, code) == FORBIDDEN
        assert message.startswith("Client ID me does not have sufficient scopes and is missing the following scopes:")
        assert "auth:list-clients" in make_auth(deployment, client, authorizedScopes=[]).currentScopes()["scopes"]
        assert deployment.requests[-1].authorized_scopes == ()
        make_secrets(deployment, client).get("project/sandbox/x")
        assert deployment.requests[-1].authorized_scopes is None

    def test_a_scope_that_is_not_held_is_a_401_that_lists_everything_held(self, deployment: Sandbox) -> None:
        client = deployment.create_client("me", ["a", "b:*"])
        beyond = make_auth(deployment, client, authorizedScopes=["b:x", "c"])
        with pytest.raises(taskcluster.exceptions.TaskclusterAuthFailure) as caught:
            beyond.currentScopes()
        blocks = re.findall(r"```\n(.*?)\n```", caught.value.body["message"], re.S)
        assert blocks[1].splitlines() == ["b:x", "c"]
        assert {"a", "b:*", "auth:list-clients"} <= set(blocks[0].splitlines())

    def test_the_same_signature_may_come_again(self, deployment: Sandbox) -> None:
        client = deployment.create_client("me", ["secrets:get:*"])
        import mohawk

        url = f"{deployment.root_url}/api/secrets/v1/secret/project%2Fsandbox%2Fx"
        who = {"id": "me", "key": client.access_token, "algorithm": "sha256"}
        header = mohawk.Sender(who, url, "GET", always_hash_content=False).request_header
        for _ in range(3):
            assert requests.get(url, headers={"Authorization": header}).status_code == 200

    def test_a_header_that_is_too_long(self, deployment: Sandbox) -> None:
        scopes = [f"secrets:get:project/sandbox/{number:022}" for number in range(120)]
        client = deployment.create_client("me", ["secrets:get:*"])

        def told(count: int) -> str:
            mine = make_secrets(deployment, client, authorizedScopes=scopes[:count])
            with pytest.raises(taskcluster.exceptions.TaskclusterFailure) as caught:
                mine.get("project/other")
            return str(caught.value)

        assert "secrets:get:project/other" in told(50)
        assert "Bad Request: Header length too long" in told(70)
        make_secrets(deployment, client).get("project/sandbox/x")
        long = {"Authorization": "Hawk " + "x" * 8200}
        assert requests.get(f"{deployment.root_url}/api/auth/v1/scopes/current", headers=long).status_code == 400


class TestRoles:
    ROLES = {  # noqa: RUF012
        "developers": ["queue:get-task:*", "assume:everyday:a"],
        "everyday:*": ["secrets:get:project/<..>/*"],
        "hook-id:sandbox/mine": ["queue:create-task:project:none"],
    }

    def test_a_role_adds_its_scopes(self) -> None:
        with Sandbox(roles=self.ROLES) as tc:
            client = tc.create_client("me", ["assume:developers", "auth:create-client:me/*", "auth:expand-scopes"])
            mine = make_auth(tc, client)
            added = {"queue:get-task:*", "assume:everyday:a", "secrets:get:project/a/*"}
            assert added <= set(mine.currentScopes()["scopes"])
            assert added <= set(mine.client("me")["expandedScopes"])
            assert mine.client("me")["scopes"] == sorted(client.scopes)
            assert set(mine.expandScopes({"scopes": ["assume:developers"]})["scopes"]) == {*added, "assume:developers"}
            # A scope of a role can be passed on: to a client, in a certificate, and for one request.
            passed = {
                "description": "",
                "expires": taskcluster.fromNowJSON("1h"),
                "scopes": ["secrets:get:project/a/x"],
            }
            assert mine.createClient("me/x", passed)["scopes"] == ["secrets:get:project/a/x"]
            narrowed = make_secrets(
                tc,
                make_temporary_credentials(client, ["secrets:get:project/a/x"]),
                authorizedScopes=["secrets:get:project/a/x"],
            )
            assert get_failure_code(narrowed.get, "project/a/x") == NOT_FOUND
            assert get_rejection(
                make_auth(tc, make_temporary_credentials(client, ["secrets:get:project/b/x"])).currentScopes
            ).startswith("ext.certificate issuer")

    def test_a_certificate_can_pass_on_a_role_or_a_pattern_of_roles(self) -> None:
        with Sandbox(roles=self.ROLES) as tc:
            client = tc.create_client("me", ["assume:*"])
            scopes = make_auth(tc, make_temporary_credentials(client, ["assume:developers"])).currentScopes()["scopes"]
            assert "queue:get-task:*" in scopes
            assert {"queue:get-task:*", "secrets:get:project/*/*"} <= set(
                make_auth(tc, client).currentScopes()["scopes"]
            )

    def test_roles_can_be_changed_and_listed(self, deployment: Sandbox) -> None:
        mine = make_auth(
            deployment, deployment.create_client("me", ["assume:later", "auth:get-role:*", "auth:list-roles"])
        )
        deployment.roles["later"] = ["x"]
        assert "x" in mine.currentScopes()["scopes"]
        assert mine.role("later")["expandedScopes"] == ["assume:later", "x"]
        assert {"anonymous", "later"} <= {role["roleId"] for role in mine.listRoles()}
        assert get_failure_code(mine.role, "none") == NOT_FOUND


class TestWhatIsMissing:
    def test_the_message_lists_missing_scopes_and_the_whole_expression(self, deployment: Sandbox) -> None:
        mine = make_queue(deployment, deployment.create_client("me/ü".replace("ü", "u"), MAY_CREATE))
        _, _, message = get_failure(
            mine.createTask, TASK_ID, make_task(scopes=["a", "b"], routes=["r.x"], schedulerId="-")
        )
        found, required = MISSING.match(message), REQUIRED.search(message)
        assert found and required
        assert json.loads(found[1]) == {"AllOf": ["a", "b", "queue:route:r.x"]}
        whole = json.loads(required[1])["AllOf"]
        assert whole[:4] == ["a", "b", "queue:route:r.x", "queue:create-task:project:none"]
        assert list(whole[-1]) == ["AnyOf"]
        _, _, message = get_failure(mine.createTask, TASK_ID, make_task(routes=["r.x"]))
        found = MISSING.match(message)
        assert found and found[1] == "queue:route:r.x"

    def test_the_answer_has_only_code_message_and_request(self, deployment: Sandbox) -> None:
        mine = make_secrets(deployment, deployment.create_client("me"))
        with pytest.raises(taskcluster.exceptions.TaskclusterRestFailure) as caught:
            mine.get("x")
        assert caught.value.body.keys() == {"code", "message", "requestInfo"}
        assert caught.value.body["requestInfo"].keys() == {"method", "params", "payload", "time"}

    def test_a_call_without_credentials_gets_another_message(self, deployment: Sandbox) -> None:
        _, code, message = get_failure(make_secrets(deployment).get, "x")
        assert code == "InsufficientScopes"
        assert message.startswith("This request requires Taskcluster credentials that satisfy the following scope")
        assert message.count("```") == 2
        assert MISSING.match(message) is None

    def test_a_hooks_role_that_lacks_scopes_gets_its_own_message(self) -> None:
        with Sandbox(roles=TestRoles.ROLES) as tc:
            mine = taskcluster.Hooks(make_options(tc, tc.create_client("me", ["hooks:trigger-hook:sandbox/*"])))
            status, code, message = get_failure(mine.triggerHook, "sandbox", "mine", {})
            assert (status, code) == FORBIDDEN
            assert message.startswith("The role `hook-id:sandbox/mine` does not have sufficient scopes")
            assert "missing the following scopes:" in message
            assert MISSING.match(message) is None
            assert mine.triggerHook("sandbox", "allowed", {"a": 1})["status"]["state"] == "pending"
            assert get_failure_code(mine.triggerHook, "other", "x", {}) == FORBIDDEN

    def test_300_scopes_with_special_characters_can_be_missing(self, deployment: Sandbox) -> None:
        odd = [f"odd:{number} `{{}}\"' ~" for number in range(300)]
        mine = make_queue(deployment, deployment.create_client("me", MAY_CREATE))
        _, _, message = get_failure(mine.createTask, TASK_ID, make_task(scopes=odd))
        found = MISSING.match(message)
        assert found and sorted(json.loads(found[1])["AllOf"]) == sorted(odd)
