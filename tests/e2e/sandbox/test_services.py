"""Use the sandbox's services through the real clients: tasks, artifacts, secrets, hooks, and the references."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import requests
import taskcluster
import taskcluster.aio

from tcenv.sandbox import Sandbox
from tests.clients import (
    CONFLICT,
    FORBIDDEN,
    MAY_CREATE,
    MISSING,
    NOT_FOUND,
    TASK_ID,
    get_failure,
    get_failure_code,
    make_auth,
    make_options,
    make_queue,
    make_secrets,
    make_task,
    run_node,
)


def make_secret(**content: Any) -> dict[str, Any]:
    """Return the body of a secret."""
    return {"secret": content, "expires": taskcluster.fromNowJSON("1 day")}


class TestTasksAndSecrets:
    def test_a_task_is_created_once_and_found_again(self, deployment: Sandbox) -> None:
        mine = make_queue(deployment, deployment.create_client("me", MAY_CREATE))
        wanted = make_task()
        status = mine.createTask(TASK_ID, wanted)["status"]
        assert (status["state"], status["priority"], status["schedulerId"]) == ("pending", "low", "-")
        assert mine.createTask(TASK_ID, wanted)["status"] == status  # the same again, as after a lost answer
        assert get_failure_code(mine.createTask, TASK_ID, make_task(priority="lowest")) == CONFLICT
        assert mine.task(TASK_ID)["payload"] == {"command": ["true"]}
        assert make_queue(deployment).status(TASK_ID)["status"]["taskQueueId"] == "proj-sandbox/ci"
        assert list(deployment.tasks) == [TASK_ID]
        other = "VX_Wud_JT42WmSGR7EsRAA"
        assert get_failure_code(make_queue(deployment).status, other) == NOT_FOUND
        assert get_failure_code(mine.createTask, "no-slug", wanted) == (400, "InvalidRequestArguments")
        assert get_failure_code(mine.createTask, other, {"taskQueueId": "a/b"}) == (400, "InputValidationError")

    def test_a_task_needs_a_scope_for_its_queue_at_its_priority_or_a_higher_one(self, deployment: Sandbox) -> None:
        low = make_queue(
            deployment, deployment.create_client("low", [s.replace(":high:", ":low:") for s in MAY_CREATE])
        )
        low.createTask(TASK_ID, make_task(priority="low"))
        low.createTask(taskcluster.slugId(), make_task(priority="lowest"))
        status, code, message = get_failure(low.createTask, taskcluster.slugId(), make_task(priority="high"))
        assert (status, code) == FORBIDDEN
        found = MISSING.match(message)
        assert found is not None
        names = ("highest", "very-high", "high")
        assert json.loads(found[1]) == {"AnyOf": [f"queue:create-task:{name}:proj-sandbox/ci" for name in names]}

    def test_the_default_user_may_create_tasks_and_read_secrets(self, deployment: Sandbox) -> None:
        client = deployment.create_client(f"{deployment.user}/x", deployment.user_scopes)
        make_queue(deployment, client).createTask(TASK_ID, make_task())
        assert make_secrets(deployment, client).get("project/sandbox/any")["secret"] == {
            "sandbox": "nothing here is real"
        }

    def test_secrets_are_set_got_listed_and_removed(self, deployment: Sandbox) -> None:
        mine = make_secrets(
            deployment, deployment.create_client("me", ["secrets:get:p/*", "secrets:set:p/*", "secrets:list-secrets"])
        )
        assert get_failure_code(mine.get, "p/x") == NOT_FOUND
        mine.set("p/x", make_secret(key="value"))
        assert mine.get("p/x")["secret"] == {"key": "value"}
        assert mine.list()["secrets"] == ["p/x"]
        assert get_failure_code(mine.set, "q/x", make_secret()) == FORBIDDEN
        mine.remove("p/x")
        assert get_failure_code(mine.get, "p/x") == NOT_FOUND

    def test_artifacts_are_fetched_by_redirect(self, deployment: Sandbox) -> None:
        maker = make_queue(
            deployment,
            deployment.create_client("me", [*MAY_CREATE, "queue:create-artifact:*", "queue:get-artifact:mine/*"]),
        )
        maker.createTask(TASK_ID, make_task())
        url = make_queue(deployment).buildUrl("getLatestArtifact", TASK_ID, "public/sandbox.txt")
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
        assert requests.get(make_queue(deployment).buildUrl("getArtifact", TASK_ID, "0", "mine/a b")).status_code == 403
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
            make_queue(deployment).buildUrl("getLatestArtifact", TASK_ID, "public/there"), allow_redirects=False
        )
        assert there.headers["Location"] == "http://localhost:1/x"
        names = [one["name"] for one in make_queue(deployment).listLatestArtifacts(TASK_ID)["artifacts"]]
        assert names == ["public/sandbox.txt", "private/sandbox/sandbox.txt", "mine/a b", "public/there"]

    def test_a_body_of_any_size_goes_up_and_comes_down(self, deployment: Sandbox) -> None:
        content = bytes(range(256)) * 4096 * 20
        url = f"{deployment.root_url}/api/sandbox/v1/upload"
        report = requests.post(url, data=content).json()
        assert report["bytes"] == len(content) > 16 << 20
        chunked = requests.post(url, data=(content[i : i + 99_999] for i in range(0, len(content), 99_999)))
        assert chunked.json() == report
        size = (8 << 20) + 1
        down = f"{deployment.root_url}/api/sandbox/v1/download/{size}"
        plain, pieces = requests.get(down), requests.get(f"{down}?chunked=1")
        assert plain.headers["Content-Length"] == str(size)
        assert pieces.headers["Transfer-Encoding"] == "chunked"
        assert plain.content == pieces.content
        assert len(plain.content) == size


class TestTheRealClients:
    def test_the_asynchronous_python_client_works(self, deployment: Sandbox) -> None:
        async def use(given: dict[str, Any]) -> Any:
            async with taskcluster.aio.createSession() as session:
                mine = taskcluster.aio.Queue(given, session=session)
                await mine.createTask(TASK_ID, make_task())
                held = taskcluster.aio.Secrets(given, session=session)
                await held.set("p/x", make_secret(a=1))
                return await mine.task(TASK_ID), await held.get("p/x")

        client = deployment.create_client("me", [*MAY_CREATE, "secrets:set:p/*", "secrets:get:p/*"])
        made, held = asyncio.run(use(make_options(deployment, client)))
        assert made["taskQueueId"] == "proj-sandbox/ci"
        assert held["secret"] == {"a": 1}
        assert {request.client_id for request in deployment.requests} == {"me"}

    def test_the_javascript_client_works(self, deployment: Sandbox) -> None:
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
        report = run_node(
            script, deployment, deployment.create_client("me/js", [*MAY_CREATE, "secrets:get:*", "secrets:set:p/*"])
        )
        content = {"key": "wert: ü"}
        refused = [403, "InsufficientScopes"]
        assert report == {"state": "pending", "held": content, "refused": refused, "bySignedUrl": content}
        assert [request.authorized_scopes for request in deployment.requests if request.authorized_scopes] == [
            ("secrets:get:p/x",)
        ] * 2
        assert [request.bewit for request in deployment.requests] == [False] * 4 + [True]

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
    def test_each_name_of_loopback_works(self, host: str, deployment: Sandbox) -> None:
        client = deployment.create_client("me", ["secrets:get:*"])
        mine = make_secrets(deployment, client, rootUrl=f"http://{host}:{deployment.port}")
        assert mine.get("project/sandbox/x")["secret"]
        assert requests.get(mine.buildSignedUrl("get", "project/sandbox/x")).status_code == 200


class TestWorkers:
    def test_a_worker_claims_a_task_and_resolves_it(self, deployment: Sandbox) -> None:
        maker = make_queue(deployment, deployment.create_client("me", [*MAY_CREATE, "queue:rerun-task:*"]))
        worker = make_queue(
            deployment, deployment.create_client("worker", ["queue:claim-work:proj-sandbox/ci", "queue:worker-id:a/b"])
        )
        asked = {"workerGroup": "a", "workerId": "b", "tasks": 2}
        assert worker.claimWork("proj-sandbox/ci", asked) == {"tasks": []}
        maker.createTask(TASK_ID, make_task())
        (claim,) = worker.claimWork("proj-sandbox/ci", asked)["tasks"]
        assert (claim["status"]["state"], claim["runId"], claim["workerId"]) == ("running", 0, "b")
        assert claim["task"]["payload"] == {"command": ["true"]}
        assert worker.claimWork("proj-sandbox/ci", asked) == {"tasks": []}
        # The credentials are for this run alone.
        assert get_failure_code(worker.reportCompleted, TASK_ID, "0") == FORBIDDEN
        own = taskcluster.Queue({"rootUrl": deployment.root_url, "credentials": claim["credentials"]})
        assert own.reclaimTask(TASK_ID, "0")["status"]["state"] == "running"
        assert own.reportFailed(TASK_ID, "0")["status"]["state"] == "failed"
        assert get_failure_code(own.reportCompleted, TASK_ID, "0") == CONFLICT
        assert maker.rerunTask(TASK_ID)["status"]["state"] == "pending"
        (again,) = worker.claimWork("proj-sandbox/ci", asked)["tasks"]
        assert again["runId"] == 1
        newer = taskcluster.Queue({"rootUrl": deployment.root_url, "credentials": again["credentials"]})
        assert newer.reportCompleted(TASK_ID, "1")["status"]["state"] == "completed"
        assert [run["state"] for run in make_queue(deployment).status(TASK_ID)["status"]["runs"]] == [
            "failed",
            "completed",
        ]

    def test_the_tasks_of_a_group_are_listed_by_pages(self, deployment: Sandbox) -> None:
        mine = make_queue(deployment, deployment.create_client("me", [*MAY_CREATE, "queue:list-task-group:*"]))
        assert get_failure_code(mine.getTaskGroup, TASK_ID) == NOT_FOUND
        ids = [TASK_ID, "VX_Wud_JT42WmSGR7EsRAA", "NH8VPCuxRnix-aiFEoD-gg"]
        for task_id in ids:
            mine.createTask(task_id, make_task(taskGroupId=TASK_ID))
        assert mine.getTaskGroup(TASK_ID)["schedulerId"] == "-"
        first = mine.listTaskGroup(TASK_ID, query={"limit": 2})
        rest = mine.listTaskGroup(TASK_ID, query={"continuationToken": first["continuationToken"]})
        assert [one["status"]["taskId"] for one in (*first["tasks"], *rest["tasks"])] == ids
        assert "continuationToken" not in rest


class TestHooks:
    @pytest.mark.deployment(roles={"hook-id:mine/h": MAY_CREATE})
    def test_a_hook_is_created_fired_and_removed(self, deployment: Sandbox) -> None:
        me = deployment.create_client("me", ["hooks:*", "assume:hook-id:mine/*"])
        hooks = taskcluster.Hooks({"rootUrl": deployment.root_url, "credentials": deployment.credentials(me.client_id)})
        whole = make_task()
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
        nobody = taskcluster.Hooks({"rootUrl": deployment.root_url})
        nobody.triggerHookWithToken("mine", "h", token, {})
        fired = [fire["firedBy"] for fire in hooks.listLastFires("mine", "h")["lastFires"]]
        assert fired == ["triggerHookWithToken", "triggerHook"]
        hooks.resetTriggerToken("mine", "h")
        with pytest.raises(taskcluster.exceptions.TaskclusterAuthFailure):
            nobody.triggerHookWithToken("mine", "h", token, {})
        assert (hooks.listHookGroups(), len(hooks.listHooks("mine")["hooks"])) == ({"groups": ["mine"]}, 1)
        hooks.removeHook("mine", "h")
        assert get_failure_code(hooks.hook, "mine", "h") == NOT_FOUND


class TestReferences:
    def test_references_state_the_scopes_of_each_method(self, deployment: Sandbox) -> None:
        url = f"{deployment.root_url}/references/queue/v1/api.json"
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
    def test_every_method_exists_in_the_real_client(self, service: str, deployment: Sandbox) -> None:
        real = getattr(taskcluster, service.capitalize()).funcinfo
        for entry in requests.get(f"{deployment.root_url}/references/{service}/v1/api.json").json()["entries"]:
            known = real[entry["name"]]
            assert (known["method"], known["route"].rstrip("/")) == (entry["method"], entry["route"])
            assert known["args"] == entry["args"]

    def test_an_unknown_service_gets_the_web_page(self, deployment: Sandbox) -> None:
        listed = requests.get(f"{deployment.root_url}/references/manifest.json").json()["references"]
        assert "/references/auth/v1/api.json" in listed
        answer = requests.get(f"{deployment.root_url}/references/nowhere/v1/api.json")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")

    def test_methods_that_hand_out_credentials_exist(self, deployment: Sandbox) -> None:
        scopes = [
            "auth:aws-s3:read-only:b/p",
            "auth:gcp:*",
            "auth:websocktunnel-token:*",
            "hooks:get-trigger-token:*",
        ]
        client = deployment.create_client("me", scopes)
        mine = make_auth(deployment, client)
        assert mine.awsS3Credentials("read-only", "b", "p")["credentials"]["sessionToken"] == "nothing-real"
        assert get_failure_code(mine.awsS3Credentials, "read-write", "b", "p") == FORBIDDEN
        assert mine.gcpCredentials("p", "s")["accessToken"] == "nothing-real"
        assert mine.websocktunnelToken("a", "c")["token"] == "nothing-real"
        assert (
            taskcluster.Hooks(make_options(deployment, client)).getTriggerToken("sandbox", "x")["token"]
            == "nothing-real"
        )
