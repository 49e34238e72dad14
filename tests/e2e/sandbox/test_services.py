"""What other tools can be tried on: tasks, artifacts, secrets and hooks, called by the real clients; who may do what, told as
the services tell it; and the references."""

from __future__ import annotations

import asyncio
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
    get_failure,
    get_failure_code,
    get_rejection,
    make_auth,
    make_options,
    make_queue,
    make_secrets,
    run_node,
)

TASK_ID = "fN1SbArXTPSVFNUvaOlinQ"
MISSING = re.compile(r"Client ID \S+ .*missing the following scopes:\n\n```\n(.*?)\n```\n\nThis request requires", re.S)
REQUIRED = re.compile(r"satisfy the following scope expression:\n\n```\n(.*?)\n```", re.S)
MAY_CREATE = [
    "queue:create-task:high:proj-sandbox/*", "queue:create-task:project:none", "queue:scheduler-id:-", "queue:get-task:*",
]  # fmt: skip


def task(**more: Any) -> dict[str, Any]:
    """A task's definition."""
    now = datetime.now(UTC)
    return {
        "taskQueueId": "proj-sandbox/ci",
        "created": taskcluster.stringDate(now),
        "deadline": taskcluster.stringDate(now + timedelta(hours=1)),
        "priority": "low",
        "payload": {"command": ["true"]},
        "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com/"},
        **more,
    }


def secret(**content: Any) -> dict[str, Any]:
    """The body of a secret."""
    return {"secret": content, "expires": taskcluster.fromNowJSON("1 day")}


def temporary(client: Client, scopes: list[str]) -> dict[str, Any]:
    """Temporary credentials of a quarter of an hour."""
    now = datetime.now(UTC)
    start, end = now - timedelta(minutes=1), now + timedelta(minutes=15)
    made = taskcluster.createTemporaryCredentials(client.client_id, client.access_token, start, end, scopes)
    return {**made, "accessToken": made["accessToken"].decode()}


class TestTasksAndSecrets:
    def test_a_task_is_created_once_and_found_again(self) -> None:
        with Sandbox() as tc:
            mine = make_queue(tc, tc.create_client("me", MAY_CREATE))
            wanted = task()
            status = mine.createTask(TASK_ID, wanted)["status"]
            assert (status["state"], status["priority"], status["schedulerId"]) == ("pending", "low", "-")
            assert mine.createTask(TASK_ID, wanted)["status"] == status  # the same again, as after a lost answer
            assert get_failure_code(mine.createTask, TASK_ID, task(priority="lowest")) == (409, "RequestConflict")
            assert mine.task(TASK_ID)["payload"] == {"command": ["true"]}
            assert make_queue(tc).status(TASK_ID)["status"]["taskQueueId"] == "proj-sandbox/ci"
            assert list(tc.tasks) == [TASK_ID]
            other = "VX_Wud_JT42WmSGR7EsRAA"
            assert get_failure_code(make_queue(tc).status, other) == (404, "ResourceNotFound")
            assert get_failure_code(mine.createTask, "no-slug", wanted) == (400, "InvalidRequestArguments")
            assert get_failure_code(mine.createTask, other, {"taskQueueId": "a/b"}) == (400, "InputValidationError")

    def test_a_task_needs_a_scope_for_its_queue_at_its_priority_or_a_higher_one(self) -> None:
        with Sandbox() as tc:
            low = make_queue(tc, tc.create_client("low", [s.replace(":high:", ":low:") for s in MAY_CREATE]))
            low.createTask(TASK_ID, task(priority="low"))
            low.createTask(taskcluster.slugId(), task(priority="lowest"))
            status, code, message = get_failure(low.createTask, taskcluster.slugId(), task(priority="high"))
            assert (status, code) == (403, "InsufficientScopes")
            found = MISSING.match(message)
            assert found is not None
            names = ("highest", "very-high", "high")
            assert json.loads(found[1]) == {"AnyOf": [f"queue:create-task:{name}:proj-sandbox/ci" for name in names]}

    def test_the_default_user_may_create_tasks_and_read_secrets(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client(f"{tc.user}/x", tc.user_scopes)
            make_queue(tc, client).createTask(TASK_ID, task())
            assert make_secrets(tc, client).get("project/sandbox/any")["secret"] == {"sandbox": "nothing here is real"}

    def test_secrets_are_set_got_listed_and_removed(self) -> None:
        with Sandbox() as tc:
            mine = make_secrets(
                tc, tc.create_client("me", ["secrets:get:p/*", "secrets:set:p/*", "secrets:list-secrets"])
            )
            assert get_failure_code(mine.get, "p/x") == (404, "ResourceNotFound")
            mine.set("p/x", secret(key="value"))
            assert mine.get("p/x")["secret"] == {"key": "value"}
            assert mine.list()["secrets"] == ["p/x"]
            assert get_failure_code(mine.set, "q/x", secret()) == (403, "InsufficientScopes")
            mine.remove("p/x")
            assert get_failure_code(mine.get, "p/x") == (404, "ResourceNotFound")

    def test_artifacts_are_got_by_redirect(self) -> None:
        with Sandbox() as tc:
            maker = make_queue(
                tc, tc.create_client("me", [*MAY_CREATE, "queue:create-artifact:*", "queue:get-artifact:mine/*"])
            )
            maker.createTask(TASK_ID, task())
            url = make_queue(tc).buildUrl("getLatestArtifact", TASK_ID, "public/sandbox.txt")
            answer = requests.get(url, allow_redirects=False)
            assert answer.status_code == 303
            assert requests.get(answer.headers["Location"]).text == "Nothing here is real.\n"
            kept = maker.createArtifact(
                TASK_ID,
                "0",
                "mine/a b",
                {"storageType": "s3", "expires": taskcluster.fromNowJSON("1h"), "contentType": "x/y"},
            )
            assert requests.put(kept["putUrl"], data=b"\0content").status_code == 200
            signed = maker.buildSignedUrl("getArtifact", TASK_ID, "0", "mine/a b")
            found = requests.get(signed)
            assert (found.content, found.headers["Content-Type"]) == (b"\0content", "x/y")
            assert requests.get(make_queue(tc).buildUrl("getArtifact", TASK_ID, "0", "mine/a b")).status_code == 403
            maker.createArtifact(
                TASK_ID,
                "0",
                "public/there",
                {
                    "storageType": "redirect",
                    "url": "http://localhost:1/x",
                    "contentType": "x/y",
                    "expires": taskcluster.fromNowJSON("1h"),
                },
            )
            there = requests.get(
                make_queue(tc).buildUrl("getLatestArtifact", TASK_ID, "public/there"), allow_redirects=False
            )
            assert there.headers["Location"] == "http://localhost:1/x"
            names = [one["name"] for one in make_queue(tc).listLatestArtifacts(TASK_ID)["artifacts"]]
            assert names == ["public/sandbox.txt", "private/sandbox/sandbox.txt", "mine/a b", "public/there"]

    def test_a_body_of_any_size_goes_up_and_comes_down(self) -> None:
        with Sandbox() as tc:
            content = bytes(range(256)) * 4096 * 20
            url = f"{tc.root_url}/api/sandbox/v1/upload"
            told = requests.post(url, data=content).json()
            assert told["bytes"] == len(content) > 16 << 20
            chunked = requests.post(url, data=(content[i : i + 99_999] for i in range(0, len(content), 99_999)))
            assert chunked.json() == told
            size = (8 << 20) + 1
            down = f"{tc.root_url}/api/sandbox/v1/download/{size}"
            plain, pieces = requests.get(down), requests.get(f"{down}?chunked=1")
            assert plain.headers["Content-Length"] == str(size)
            assert pieces.headers["Transfer-Encoding"] == "chunked"
            assert plain.content == pieces.content
            assert len(plain.content) == size


class TestTheRealClients:
    def test_python_asynchronously(self) -> None:
        async def use(given: dict[str, Any]) -> Any:
            async with taskcluster.aio.createSession() as session:
                mine = taskcluster.aio.Queue(given, session=session)
                await mine.createTask(TASK_ID, task())
                held = taskcluster.aio.Secrets(given, session=session)
                await held.set("p/x", secret(a=1))
                return await mine.task(TASK_ID), await held.get("p/x")

        with Sandbox() as tc:
            client = tc.create_client("me", [*MAY_CREATE, "secrets:set:p/*", "secrets:get:p/*"])
            made, held = asyncio.run(use(make_options(tc, client)))
            assert made["taskQueueId"] == "proj-sandbox/ci"
            assert held["secret"] == {"a": 1}
            assert {request.client_id for request in tc.requests} == {"me"}

    def test_javascript(self) -> None:
        script = """
          const options = taskcluster.fromEnvVars();
          const queue = new taskcluster.Queue(options), secrets = new taskcluster.Secrets(options);
          const created = new Date(), deadline = taskcluster.fromNow('1 hour');
          const { status } = await queue.createTask(taskcluster.slugid(), {
            taskQueueId: 'proj-sandbox/ci', created, deadline, priority: 'low', payload: {},
            metadata: { name: 'ü', description: '', owner: 'o@example.com', source: 'https://example.com/' },
          });
          await secrets.set('p/x', { secret: { key: 'wert: ü' }, expires: deadline });
          const narrow = secrets.use({ authorizedScopes: ['secrets:get:p/x'] });
          const held = await narrow.get('p/x');
          const refused = await narrow.get('p/y').then(() => null, error => [error.statusCode, error.code]);
          const url = secrets.buildSignedUrl(secrets.get, 'p/x', { expiration: 60 });
          const bySignedUrl = await (await fetch(url)).json();
          return { state: status.state, held: held.secret, refused, bySignedUrl: bySignedUrl.secret };
        """
        with Sandbox() as tc:
            told = run_node(script, tc, tc.create_client("me/js", [*MAY_CREATE, "secrets:get:*", "secrets:set:p/*"]))
            content = {"key": "wert: ü"}
            refused = [403, "InsufficientScopes"]
            assert told == {"state": "pending", "held": content, "refused": refused, "bySignedUrl": content}
            assert [request.authorized_scopes for request in tc.requests if request.authorized_scopes] == [
                ("secrets:get:p/x",)
            ] * 2
            assert [request.bewit for request in tc.requests] == [False] * 4 + [True]

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
    def test_by_each_name_of_loopback(self, host: str) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["secrets:get:*"])
            mine = make_secrets(tc, client, rootUrl=f"http://{host}:{tc.port}")
            assert mine.get("project/sandbox/x")["secret"]
            assert requests.get(mine.buildSignedUrl("get", "project/sandbox/x")).status_code == 200


class TestSignedUrls:
    """A bewit: the signature in an address."""

    def test_every_signed_url_is_good_whatever_is_in_its_mac(self) -> None:
        with Sandbox() as tc:
            mine = make_secrets(tc, tc.create_client("me/+|x", ["secrets:get:*"]))
            for number in range(64):
                answer = requests.get(mine.buildSignedUrl("get", f"project/sandbox/{number}"))
                assert answer.status_code == 200, answer.text
            assert {(request.client_id, request.bewit) for request in tc.requests} == {("me/+|x", True)}

    def test_with_a_certificate_and_narrowed(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["secrets:get:*"])
            given = temporary(client, ["secrets:get:project/sandbox/*"])
            narrow = make_secrets(tc, given, authorizedScopes=["secrets:get:project/sandbox/a"])
            assert requests.get(narrow.buildSignedUrl("get", "project/sandbox/a")).status_code == 200
            assert requests.get(narrow.buildSignedUrl("get", "project/sandbox/b")).status_code == 403
            seen = tc.requests[0]
            assert (seen.certificate, seen.bewit) == (True, True)
            assert seen.authorized_scopes == ("secrets:get:project/sandbox/a",)

    def test_it_is_good_for_its_time_its_address_and_getting(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["secrets:*"])
            url = make_secrets(tc, client).buildSignedUrl("get", "project/sandbox/a", expiration=3600)

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
            tc.clock_offset = 3601
            assert told(url) == "Unauthorized: Access expired"
            client.access_token = "x" * 44
            tc.clock_offset = 0
            assert told(url) == "Unauthorized: Bad mac"


class TestNarrowedRequests:
    """authorizedScopes."""

    def test_an_empty_list_leaves_what_everybody_may_do(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["secrets:get:*"])
            nothing = make_secrets(tc, client, authorizedScopes=[])
            status, code, message = get_failure(nothing.get, "project/sandbox/x")
            assert (status, code) == (403, "InsufficientScopes")
            assert message.startswith(
                "Client ID me does not have sufficient scopes and is missing the following scopes:"
            )
            assert "auth:list-clients" in make_auth(tc, client, authorizedScopes=[]).currentScopes()["scopes"]
            assert tc.requests[-1].authorized_scopes == ()
            make_secrets(tc, client).get("project/sandbox/x")
            assert tc.requests[-1].authorized_scopes is None

    def test_a_scope_that_is_not_held_is_a_401_that_lists_everything_held(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["a", "b:*"])
            beyond = make_auth(tc, client, authorizedScopes=["b:x", "c"])
            with pytest.raises(taskcluster.exceptions.TaskclusterAuthFailure) as caught:
                beyond.currentScopes()
            blocks = re.findall(r"```\n(.*?)\n```", caught.value.body["message"], re.S)
            assert blocks[1].splitlines() == ["b:x", "c"]
            assert {"a", "b:*", "auth:list-clients"} <= set(blocks[0].splitlines())

    def test_the_same_signature_may_come_again(self) -> None:
        with Sandbox() as tc:
            client = tc.create_client("me", ["secrets:get:*"])
            import mohawk

            url = f"{tc.root_url}/api/secrets/v1/secret/project%2Fsandbox%2Fx"
            who = {"id": "me", "key": client.access_token, "algorithm": "sha256"}
            header = mohawk.Sender(who, url, "GET", always_hash_content=False).request_header
            for _ in range(3):
                assert requests.get(url, headers={"Authorization": header}).status_code == 200

    def test_a_header_that_is_too_long(self) -> None:
        scopes = [f"secrets:get:project/sandbox/{number:022}" for number in range(120)]
        with Sandbox() as tc:
            client = tc.create_client("me", ["secrets:get:*"])

            def told(count: int) -> str:
                mine = make_secrets(tc, client, authorizedScopes=scopes[:count])
                with pytest.raises(taskcluster.exceptions.TaskclusterFailure) as caught:
                    mine.get("project/other")
                return str(caught.value)

            assert "secrets:get:project/other" in told(50)
            assert "Bad Request: Header length too long" in told(70)
            make_secrets(tc, client).get("project/sandbox/x")
            long = {"Authorization": "Hawk " + "x" * 8200}
            assert requests.get(f"{tc.root_url}/api/auth/v1/scopes/current", headers=long).status_code == 400


class TestRoles:
    ROLES = {  # noqa: RUF012
        "developers": ["queue:get-task:*", "assume:everyday:a"],
        "everyday:*": ["secrets:get:project/<..>/*"],
        "hook-id:sandbox/mine": ["queue:create-task:project:none"],
    }

    def test_what_assume_adds_is_held(self) -> None:
        with Sandbox(roles=self.ROLES) as tc:
            client = tc.create_client("me", ["assume:developers", "auth:create-client:me/*", "auth:expand-scopes"])
            mine = make_auth(tc, client)
            added = {"queue:get-task:*", "assume:everyday:a", "secrets:get:project/a/*"}
            assert added <= set(mine.currentScopes()["scopes"])
            assert added <= set(mine.client("me")["expandedScopes"])
            assert mine.client("me")["scopes"] == sorted(client.scopes)
            assert set(mine.expandScopes({"scopes": ["assume:developers"]})["scopes"]) == {*added, "assume:developers"}
            # Held through a role, so it can be passed on: to a client, in a certificate, and for one request.
            passed = {
                "description": "",
                "expires": taskcluster.fromNowJSON("1h"),
                "scopes": ["secrets:get:project/a/x"],
            }
            assert mine.createClient("me/x", passed)["scopes"] == ["secrets:get:project/a/x"]
            cut = make_secrets(
                tc, temporary(client, ["secrets:get:project/a/x"]), authorizedScopes=["secrets:get:project/a/x"]
            )
            assert get_failure_code(cut.get, "project/a/x") == (404, "ResourceNotFound")
            assert get_rejection(
                make_auth(tc, temporary(client, ["secrets:get:project/b/x"])).currentScopes
            ).startswith("ext.certificate issuer")

    def test_a_certificate_may_pass_on_the_role_itself_and_a_pattern_of_it_every_role(self) -> None:
        with Sandbox(roles=self.ROLES) as tc:
            client = tc.create_client("me", ["assume:*"])
            scopes = make_auth(tc, temporary(client, ["assume:developers"])).currentScopes()["scopes"]
            assert "queue:get-task:*" in scopes
            assert {"queue:get-task:*", "secrets:get:project/*/*"} <= set(
                make_auth(tc, client).currentScopes()["scopes"]
            )

    def test_roles_may_change_and_be_looked_at(self) -> None:
        with Sandbox() as tc:
            mine = make_auth(tc, tc.create_client("me", ["assume:later", "auth:get-role:*", "auth:list-roles"]))
            tc.roles["later"] = ["x"]
            assert "x" in mine.currentScopes()["scopes"]
            assert mine.role("later")["expandedScopes"] == ["assume:later", "x"]
            assert {"anonymous", "later"} <= {role["roleId"] for role in mine.listRoles()}
            assert get_failure_code(mine.role, "none") == (404, "ResourceNotFound")


class TestWhatIsMissing:
    def test_one_scope_stands_bare_and_the_second_block_is_the_whole_expression(self) -> None:
        with Sandbox() as tc:
            mine = make_queue(tc, tc.create_client("me/ü".replace("ü", "u"), MAY_CREATE))
            _, _, message = get_failure(
                mine.createTask, TASK_ID, task(scopes=["a", "b"], routes=["r.x"], schedulerId="-")
            )
            found, required = MISSING.match(message), REQUIRED.search(message)
            assert found and required
            assert json.loads(found[1]) == {"AllOf": ["a", "b", "queue:route:r.x"]}
            whole = json.loads(required[1])["AllOf"]
            assert whole[:4] == ["a", "b", "queue:route:r.x", "queue:create-task:project:none"]
            assert list(whole[-1]) == ["AnyOf"]
            _, _, message = get_failure(mine.createTask, TASK_ID, task(routes=["r.x"]))
            found = MISSING.match(message)
            assert found and found[1] == "queue:route:r.x"

    def test_the_answer_has_nothing_but_code_message_and_request(self) -> None:
        with Sandbox() as tc:
            mine = make_secrets(tc, tc.create_client("me"))
            with pytest.raises(taskcluster.exceptions.TaskclusterRestFailure) as caught:
                mine.get("x")
            assert caught.value.body.keys() == {"code", "message", "requestInfo"}
            assert caught.value.body["requestInfo"].keys() == {"method", "params", "payload", "time"}

    def test_who_has_no_credentials_is_told_otherwise(self) -> None:
        with Sandbox() as tc:
            _, code, message = get_failure(make_secrets(tc).get, "x")
            assert code == "InsufficientScopes"
            assert message.startswith("This request requires Taskcluster credentials that satisfy the following scope")
            assert message.count("```") == 2
            assert MISSING.match(message) is None

    def test_a_hooks_role_may_lack_scopes_which_is_not_about_the_caller(self) -> None:
        with Sandbox(roles=TestRoles.ROLES) as tc:
            mine = taskcluster.Hooks(make_options(tc, tc.create_client("me", ["hooks:trigger-hook:sandbox/*"])))
            status, code, message = get_failure(mine.triggerHook, "sandbox", "mine", {})
            assert (status, code) == (403, "InsufficientScopes")
            assert message.startswith("The role `hook-id:sandbox/mine` does not have sufficient scopes")
            assert "missing the following scopes:" in message
            assert MISSING.match(message) is None
            assert mine.triggerHook("sandbox", "allowed", {"a": 1})["status"]["state"] == "pending"
            assert get_failure_code(mine.triggerHook, "other", "x", {}) == (403, "InsufficientScopes")

    def test_300_odd_scopes_can_be_missing(self) -> None:
        odd = [f"odd:{number} `{{}}\"' ~" for number in range(300)]
        with Sandbox() as tc:
            mine = make_queue(tc, tc.create_client("me", MAY_CREATE))
            _, _, message = get_failure(mine.createTask, TASK_ID, task(scopes=odd))
            found = MISSING.match(message)
            assert found and sorted(json.loads(found[1])["AllOf"]) == sorted(odd)


class TestWorkers:
    def test_a_worker_claims_a_task_and_resolves_it(self) -> None:
        with Sandbox() as tc:
            maker = make_queue(tc, tc.create_client("me", [*MAY_CREATE, "queue:rerun-task:*"]))
            worker = make_queue(
                tc, tc.create_client("worker", ["queue:claim-work:proj-sandbox/ci", "queue:worker-id:a/b"])
            )
            asked = {"workerGroup": "a", "workerId": "b", "tasks": 2}
            assert worker.claimWork("proj-sandbox/ci", asked) == {"tasks": []}
            maker.createTask(TASK_ID, task())
            (claim,) = worker.claimWork("proj-sandbox/ci", asked)["tasks"]
            assert (claim["status"]["state"], claim["runId"], claim["workerId"]) == ("running", 0, "b")
            assert claim["task"]["payload"] == {"command": ["true"]}
            assert worker.claimWork("proj-sandbox/ci", asked) == {"tasks": []}
            # The credentials are for this run alone.
            assert get_failure_code(worker.reportCompleted, TASK_ID, "0") == (403, "InsufficientScopes")
            own = taskcluster.Queue({"rootUrl": tc.root_url, "credentials": claim["credentials"]})
            assert own.reclaimTask(TASK_ID, "0")["status"]["state"] == "running"
            assert own.reportFailed(TASK_ID, "0")["status"]["state"] == "failed"
            assert get_failure_code(own.reportCompleted, TASK_ID, "0") == (409, "RequestConflict")
            assert maker.rerunTask(TASK_ID)["status"]["state"] == "pending"
            (again,) = worker.claimWork("proj-sandbox/ci", asked)["tasks"]
            assert again["runId"] == 1
            newer = taskcluster.Queue({"rootUrl": tc.root_url, "credentials": again["credentials"]})
            assert newer.reportCompleted(TASK_ID, "1")["status"]["state"] == "completed"
            assert [run["state"] for run in make_queue(tc).status(TASK_ID)["status"]["runs"]] == ["failed", "completed"]

    def test_the_tasks_of_a_group_are_listed(self) -> None:
        with Sandbox() as tc:
            mine = make_queue(tc, tc.create_client("me", [*MAY_CREATE, "queue:list-task-group:*"]))
            assert get_failure_code(mine.getTaskGroup, TASK_ID) == (404, "ResourceNotFound")
            ids = [TASK_ID, "VX_Wud_JT42WmSGR7EsRAA", "NH8VPCuxRnix-aiFEoD-gg"]
            for task_id in ids:
                mine.createTask(task_id, task(taskGroupId=TASK_ID))
            assert mine.getTaskGroup(TASK_ID)["schedulerId"] == "-"
            first = mine.listTaskGroup(TASK_ID, query={"limit": 2})
            rest = mine.listTaskGroup(TASK_ID, query={"continuationToken": first["continuationToken"]})
            assert [one["status"]["taskId"] for one in (*first["tasks"], *rest["tasks"])] == ids
            assert "continuationToken" not in rest


class TestHooks:
    def test_a_hook_is_made_fired_and_removed(self) -> None:
        with Sandbox(roles={"hook-id:mine/h": MAY_CREATE}) as tc:
            me = tc.create_client("me", ["hooks:*", "assume:hook-id:mine/*"])
            hooks = taskcluster.Hooks({"rootUrl": tc.root_url, "credentials": tc.credentials(me.client_id)})
            whole = task()
            definition = {
                "metadata": {"name": "n", "description": "d", "owner": "o@example.com"},
                "task": {name: whole[name] for name in ("taskQueueId", "priority", "payload", "metadata")},
                "triggerSchema": {
                    "type": "object",
                    "properties": {"a": {"type": "integer"}},
                    "additionalProperties": False,
                },
            }
            made = hooks.createHook("mine", "h", definition)
            token = hooks.getTriggerToken("mine", "h")["token"]
            assert hooks.createHook("mine", "h", definition) == made
            assert hooks.updateHook("mine", "h", {**definition, "schedule": ["@daily"]})["schedule"] == ["@daily"]
            assert hooks.getTriggerToken("mine", "h")["token"] == token
            assert hooks.getHookStatus("mine", "h")["lastFire"] == {"result": "no-fire"}
            assert get_failure_code(hooks.triggerHook, "mine", "h", {"b": 1}) == (400, "InputError")
            status = hooks.triggerHook("mine", "h", {"a": 1})["status"]
            assert hooks.getHookStatus("mine", "h")["lastFire"]["taskId"] == status["taskId"]
            nobody = taskcluster.Hooks({"rootUrl": tc.root_url})
            nobody.triggerHookWithToken("mine", "h", token, {})
            fired = [fire["firedBy"] for fire in hooks.listLastFires("mine", "h")["lastFires"]]
            assert fired == ["triggerHookWithToken", "triggerHook"]
            hooks.resetTriggerToken("mine", "h")
            with pytest.raises(taskcluster.exceptions.TaskclusterAuthFailure):
                nobody.triggerHookWithToken("mine", "h", token, {})
            assert (hooks.listHookGroups(), len(hooks.listHooks("mine")["hooks"])) == ({"groups": ["mine"]}, 1)
            hooks.removeHook("mine", "h")
            assert get_failure_code(hooks.hook, "mine", "h") == (404, "ResourceNotFound")


class TestReferences:
    def test_they_say_what_each_method_needs(self) -> None:
        with Sandbox() as tc:
            url = f"{tc.root_url}/references/queue/v1/api.json"
            answer = requests.get(url)
            entries = {entry["name"]: entry for entry in answer.json()["entries"]}
            assert entries["createTask"]["method"] == "put"
            assert entries["createTask"]["route"] == "/task/<taskId>"
            assert entries["createTask"]["args"] == ["taskId"]
            assert {"for": "scope", "in": "scopes", "each": "<scope>"} in entries["createTask"]["scopes"]["AllOf"]
            assert entries["getArtifact"]["scopes"] == {
                "AllOf": [{"for": "name", "in": "names", "each": "queue:get-artifact:<name>"}]
            }
            assert "scopes" not in entries["ping"]
            again = requests.get(url, headers={"If-None-Match": answer.headers["ETag"]})
            assert (again.status_code, again.content) == (304, b"")

    @pytest.mark.parametrize("service", ["auth", "queue", "secrets", "hooks"])
    def test_every_method_is_one_of_the_real_client(self, service: str) -> None:
        real = getattr(taskcluster, service.capitalize()).funcinfo
        with Sandbox() as tc:
            for entry in requests.get(f"{tc.root_url}/references/{service}/v1/api.json").json()["entries"]:
                known = real[entry["name"]]
                assert (known["method"], known["route"].rstrip("/")) == (entry["method"], entry["route"])
                assert known["args"] == entry["args"]

    def test_a_deployment_without_that_service_answers_with_its_page(self) -> None:
        with Sandbox() as tc:
            listed = requests.get(f"{tc.root_url}/references/manifest.json").json()["references"]
            assert "/references/auth/v1/api.json" in listed
            answer = requests.get(f"{tc.root_url}/references/nowhere/v1/api.json")
            assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")

    def test_what_hands_out_other_credentials_is_there_to_be_refused(self) -> None:
        with Sandbox() as tc:
            scopes = [
                "auth:aws-s3:read-only:b/p",
                "auth:gcp:*",
                "auth:websocktunnel-token:*",
                "hooks:get-trigger-token:*",
            ]
            client = tc.create_client("me", scopes)
            mine = make_auth(tc, client)
            assert mine.awsS3Credentials("read-only", "b", "p")["credentials"]["sessionToken"] == "nothing-real"
            assert get_failure_code(mine.awsS3Credentials, "read-write", "b", "p") == (403, "InsufficientScopes")
            assert mine.gcpCredentials("p", "s")["accessToken"] == "nothing-real"
            assert mine.websocktunnelToken("a", "c")["token"] == "nothing-real"
            assert (
                taskcluster.Hooks(make_options(tc, client)).getTriggerToken("sandbox", "x")["token"] == "nothing-real"
            )
