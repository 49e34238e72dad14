"""Run unmodified clients behind `exec --proxy`, on both loopback families, and check what they can see."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.reliability.record import scale
from tests.world import TCENV, find_session_file, login, make_env, read_session_fields, sign_in, tcenv

_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"
TASK = {
    "provisionerId": "proj-sandbox",
    "workerType": "ci",
    "schedulerId": "mine",
    "created": "2030-01-01T00:00:00.000Z",
    "deadline": "2030-01-02T00:00:00.000Z",
    "payload": {},
    "metadata": {"name": "n", "description": "d", "owner": "o@example.com", "source": "https://example.com"},
}
SECRET = "project/sandbox/odd name+ü"
_SYNCHRONOUS = """
import json, sys, urllib.request, taskcluster
options = taskcluster.optionsFromEnvironment()
task = json.loads(sys.argv[1])
made = taskcluster.Queue(options).createTask("dSlITZ4yQgmvxxAi4A8fHQ", task)
secrets = taskcluster.Secrets(taskcluster.optionsFromEnvironment())
secrets.set(sys.argv[2], {"secret": {"a": 1}, "expires": "2031-01-01T00:00:00.000Z"})
url = secrets.buildSignedUrl("get", sys.argv[2])
signed = json.load(urllib.request.urlopen(url))
print(json.dumps([made["status"]["state"], secrets.get(sys.argv[2])["secret"], signed["secret"]]))
"""
_ASYNCHRONOUS = """
import asyncio, json, sys, aiohttp, taskcluster, taskcluster.aio
async def main():
    async with taskcluster.aio.createSession() as session:
        options = taskcluster.optionsFromEnvironment()
        queue = taskcluster.aio.Queue(options, session=session)
        made = await queue.createTask("dSlITZ4yQgmvxxAi4A8fHQ", json.loads(sys.argv[1]))
        secrets = taskcluster.aio.Secrets(taskcluster.optionsFromEnvironment(), session=session)
        await secrets.set(sys.argv[2], {"secret": {"a": 1}, "expires": "2031-01-01T00:00:00.000Z"})
        url = secrets.buildSignedUrl("get", sys.argv[2])
        async with session.get(taskcluster.aio.asyncclient.aiohttp.client.URL(url, encoded=True)) as answer:
            signed = await answer.json()
        got = await secrets.get(sys.argv[2])
        print(json.dumps([made["status"]["state"], got["secret"], signed["secret"]]))
asyncio.run(main())
"""
_JAVASCRIPT = """
const taskcluster = require(process.argv[4]);
(async () => {
  const options = taskcluster.fromEnvVars();
  const queue = new taskcluster.Queue(options);
  const made = await queue.createTask('dSlITZ4yQgmvxxAi4A8fHQ', JSON.parse(process.argv[2]));
  const secrets = new taskcluster.Secrets(options);
  const name = process.argv[3];
  await secrets.set(name, {secret: {a: 1}, expires: '2031-01-01T00:00:00.000Z'});
  const url = secrets.buildSignedUrl(secrets.get, name);
  const signed = await (await fetch(url)).json();
  console.log(JSON.stringify([made.status.state, (await secrets.get(name)).secret, signed.secret]));
})().catch(error => { console.error(error); process.exit(1); });
"""
JAVASCRIPT_CLIENT = Path(__file__).parents[3] / ".tools/node_modules/taskcluster-client"


def make_program(language: str, folder: Path, secret: str = SECRET) -> list[str]:
    """Return the command that runs the client's program with its two arguments."""
    arguments = [json.dumps(TASK), secret]
    if language == "javascript":
        assert JAVASCRIPT_CLIENT.is_dir(), "run .ci/install"
        path = folder / "program.js"
        path.write_text(_JAVASCRIPT)
        return [require("node"), str(path), *arguments, str(JAVASCRIPT_CLIENT)]
    return [sys.executable, "-c", _SYNCHRONOUS if language == "python" else _ASYNCHRONOUS, *arguments]


@pytest.mark.parametrize("language", ["python", "asyncio", "javascript"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_a_client_creates_a_task_and_reads_a_secret(
    language: str, host: str, deployment: Sandbox, tmp_path: Path
) -> None:
    env = sign_in(deployment)
    session = read_session_fields(env)
    before = len(deployment.requests)
    narrow = (
        "queue:create-task:highest:proj-sandbox/*",
        "queue:create-task:project:none",
        "queue:scheduler-id:*",
        "secrets:get:project/sandbox/*",
        "secrets:set:project/sandbox/*",
    )
    other = f'exec env TASKCLUSTER_ROOT_URL="http://{host}:${{TASKCLUSTER_ROOT_URL##*:}}" "$@"'
    done = tcenv(
        *("exec", "--proxy", *(word for scope in narrow for word in ("--scope", scope))),
        *("--", "sh", "-c", other, "sh", *make_program(language, tmp_path)),
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["pending", {"a": 1}, {"a": 1}]
    calls = [request for request in deployment.requests[before:] if request.client_id is not None]
    assert {request.client_id for request in calls} == {session["TASKCLUSTER_CLIENT_ID"]}
    assert len(calls) == 4


@pytest.mark.parametrize("language", ["python", "asyncio", "javascript"])
def test_learn_finds_the_same_scopes_with_each_client(language: str, deployment: Sandbox, tmp_path: Path) -> None:
    env, secret = sign_in(deployment), "project/sandbox/odd name+%2F"
    before = len(deployment.requests)
    done = tcenv("exec", "--learn", "--save", "deploy", "--", *make_program(language, tmp_path, secret), env=env)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["pending", {"a": 1}, {"a": 1}]
    assert json.loads(tcenv("purpose", "show", "deploy", "--json", env=env).stdout)["scopes"] == [
        "queue:create-task:highest:proj-sandbox/ci",
        "queue:create-task:project:none",
        "queue:scheduler-id:mine",
        f"secrets:get:{secret}",
        f"secrets:set:{secret}",
    ]
    # Each call was narrowed to the scopes that it needs.
    calls = [request for request in deployment.requests[before:] if request.client_id is not None]
    assert {len(request.authorized_scopes or ()) for request in calls if request.status < 400} == {1, 3}
    assert all(request.authorized_scopes is not None for request in calls)
    again = tcenv("exec", "--proxy", "--as", "deploy", "--", *make_program(language, tmp_path, secret), env=env)
    assert (again.returncode, again.stdout) == (0, done.stdout)


def test_the_environment_holds_the_runs_token_and_not_the_sessions(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    loaded = {**env, **json.loads(tcenv("env", "--format", "json", env=env).stdout)}
    packed = zlib.compress(json.dumps({"p": {}, "n": {"TASKCLUSTER_ACCESS_TOKEN": token}}).encode())
    loaded |= {
        "DIRENV_DIFF": base64.urlsafe_b64encode(packed).decode(),
        "DIRENV_DIR": "-/x",
        "__MISE_DIFF": base64.b64encode(packed).decode().rstrip("="),
        "PLAIN_COPY": f"x{token}y",
        "BASE64_COPY": base64.b64encode(token.encode()).decode(),
        "HEADER_COPY": f"Basic {base64.b64encode(f'me:{token}'.encode()).decode()}, and more",
        "TASKCLUSTER_CERTIFICATE": "e",
        "TASKCLUSTER_PROXY_URL": "http://taskcluster",
        "HTTP_PROXY": "http://127.0.0.1:1",
        "no_proxy": "example.com",
        "KEPT": "as it is, and long enough to be looked into: " + "x" * 200,
    }
    inner = json.loads(tcenv("exec", "--proxy", "--", sys.executable, "-c", _ENVIRONMENT, env=loaded).stdout)
    assert token not in json.dumps(inner)
    gone = {
        "DIRENV_DIFF",
        "DIRENV_DIR",
        "__MISE_DIFF",
        "PLAIN_COPY",
        "BASE64_COPY",
        "HEADER_COPY",
        "TASKCLUSTER_CERTIFICATE",
        "TASKCLUSTER_PROXY_URL",
        "TCENV_PROFILE",
        "TCENV_EXPIRES",
    }
    assert not gone & set(inner)
    assert inner["KEPT"] == loaded["KEPT"]
    assert inner["TASKCLUSTER_CLIENT_ID"] == read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    assert inner["TASKCLUSTER_ROOT_URL"].startswith("http://127.0.0.1:")
    assert inner["no_proxy"] == "example.com,localhost,127.0.0.1,::1"
    assert inner["NO_PROXY"] == "localhost,127.0.0.1,::1"
    # The token of another loaded profile is not there either.
    others = "OtherTokenOtherTokenOtherTokenOtherTokenOther"
    loaded |= {"TASKCLUSTER_ACCESS_TOKEN": others, "ANOTHER_COPY": base64.b64encode(others.encode()).decode()}
    other = json.loads(tcenv("exec", "--proxy", "--", sys.executable, "-c", _ENVIRONMENT, env=loaded).stdout)
    assert others not in json.dumps(other)
    assert "ANOTHER_COPY" not in other
    again = json.loads(tcenv("exec", "--proxy", "--", sys.executable, "-c", _ENVIRONMENT, env=env).stdout)
    assert again["TASKCLUSTER_ACCESS_TOKEN"] != inner["TASKCLUSTER_ACCESS_TOKEN"]


def test_no_argument_and_no_file_holds_the_sessions_token(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    token = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"].encode()
    log = home / "calls.log"
    look = (
        "import glob, os, sys\n"
        "mine = os.getppid()\n"
        "for path in (f'/proc/{mine}/cmdline', '/proc/self/cmdline', '/proc/self/environ'):\n"
        "    sys.stdout.buffer.write(open(path, 'rb').read())\n"
    )
    command = [TCENV, "exec", "--proxy", "--unsigned", "--log", str(log), "--", sys.executable, "-c", look]
    done = subprocess.run(command, env=env, capture_output=True)
    assert b"exec" in done.stdout
    assert token not in done.stdout + done.stderr
    holding = [path for path in home.rglob("*") if path.is_file() and token in path.read_bytes()]
    assert holding == [find_session_file(env)]
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_curl_needs_no_signature_on_the_unguessable_path(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    path = "api/auth/v1/scopes/current"
    script = (
        f'curl -sSf "$TASKCLUSTER_PROXY_URL/{path}"\n'
        f'curl -sS -o /dev/null -w " %{{http_code}}" "$TASKCLUSTER_ROOT_URL/{path}"'
    )
    done = tcenv("exec", "--proxy", "--unsigned", "--scope", "queue:scheduler-id:a", "--", "sh", "-c", script, env=env)
    scopes, _, status = done.stdout.rpartition(" ")
    assert "queue:scheduler-id:a" in json.loads(scopes)["scopes"]
    assert "secrets:get:project/sandbox/*" not in scopes
    assert status == "401"
    without = tcenv("exec", "--proxy", "--", "sh", "-c", "echo ${TASKCLUSTER_PROXY_URL-none}", env=env)
    assert without.stdout == "none\n"


def test_a_reset_in_another_shell_does_not_interrupt_calls(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    count = max(300, scale(1000))
    calls = (
        "import sys, taskcluster\n"
        "from concurrent.futures import ThreadPoolExecutor\n"
        "options = taskcluster.optionsFromEnvironment()\n"
        "auth = taskcluster.Auth({**options, 'maxRetries': 0})\n"
        "def call(number):\n"
        "    if number == 100:\n"
        "        open(sys.argv[1], 'w').close()\n"
        "    return len(auth.currentScopes()['scopes']) > 10\n"
        "with ThreadPoolExecutor(4) as pool:\n"
        "    print(sum(pool.map(call, range(COUNT))))\n"
    ).replace("COUNT", str(count))
    mark = tmp_path / "mark"
    old = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    with ThreadPoolExecutor() as pool:
        running = pool.submit(
            tcenv, "exec", "--proxy", "--", sys.executable, "-c", calls, str(mark), env=env, timeout=110
        )
        while not mark.exists():
            assert not running.done(), running.result().stderr
            time.sleep(0.01)
        reset = login(env, "--reset")
        assert reset.returncode == 0, reset.stderr
        assert not running.done()
        done = running.result()
    assert (done.stdout, done.returncode) == (f"{count}\n", 0), done.stderr
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] != old


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--log", "x"], "--log needs --proxy"),
        (["--read-only"], "--read-only needs --proxy"),
        (["--unsigned"], "--unsigned needs --proxy"),
        (["--allow-credentials"], "--allow-credentials needs --proxy"),
        (["--listen", "172.17.0.1"], "--listen needs --proxy"),
        (["--proxy", "--save", "x"], "needs --learn"),
        (["--proxy", "--log", "/nowhere/x"], "cannot be written"),
        (["--proxy", "--log", "/"], "cannot be written"),
        (["--proxy", "--listen", "0.0.0.0"], "one address"),
        (["--proxy", "--listen", "::"], "one address"),
        (["--proxy", "--listen", "127.0.0.1"], "on loopback anyway"),
        (["--proxy", "--listen", "localhost"], "takes an IP address"),
        (["--proxy", "--listen", "192.0.2.1", "--unsigned"], "--unsigned works only on this machine"),
        (["--proxy", "--scope", "not:held"], "You do not hold not:held"),
        (["--proxy", "--scope", "a**"], "'a**' is not a scope"),
        (["--scope", "a**"], "'a**' is not a scope"),
        (
            ["--proxy", *(word for n in range(99) for word in ("--scope", f"queue:scheduler-id:{'x' * 40}{n}"))],
            "of them do",
        ),
    ],
)
def test_usage_errors_come_before_the_command(
    words: list[str], message: str, deployment: Sandbox, tmp_path: Path
) -> None:
    env = sign_in(deployment)
    done = tcenv("exec", *words, "--", "touch", str(tmp_path / "ran"), env=env)
    assert (done.returncode, (tmp_path / "ran").exists()) == (2, False), done.stderr
    assert message in done.stderr


def test_an_address_of_another_machine_is_an_error(deployment: Sandbox) -> None:
    done = tcenv("exec", "--proxy", "--listen", "192.0.2.1", "--", "true", env=sign_in(deployment))
    assert (done.returncode, "tcenv cannot listen on 192.0.2.1" in done.stderr) == (1, True)


def test_exec_proxy_signs_in_first_unless_no_login(deployment: Sandbox) -> None:
    env = make_env(deployment)
    refused = tcenv("exec", "--proxy", "--no-login", "--", "true", env=env)
    assert (refused.returncode, deployment.approvals) == (3, 0)
    done = tcenv("exec", "--proxy", "--", "printenv", "TASKCLUSTER_CLIENT_ID", env=env)
    assert (done.stdout.strip(), deployment.approvals) == (read_session_fields(env)["TASKCLUSTER_CLIENT_ID"], 1)


def test_tcenv_inside_a_run_uses_the_profile_of_the_proxy(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, env=env).returncode == 0
    assert (
        tcenv("profile", "set", "other", "--root-url", "https://tc.example.com", "--default", env=env).returncode == 0
    )
    assert login(env, "work").returncode == 0
    approvals = deployment.approvals

    def inside(*command: str) -> subprocess.CompletedProcess[str]:
        return tcenv("exec", "work", "--proxy", "--", *command, env=env)

    status = json.loads(inside(TCENV, "status", "--json").stdout)
    assert (status["profile"], status["root_url"]) == ("work", deployment.root_url)
    token = read_session_fields(env, "work")["TASKCLUSTER_ACCESS_TOKEN"]
    assert token in inside(TCENV, "env", "--shell", "sh").stdout
    by_address = inside("sh", "-c", f'{TCENV} status --json "$TASKCLUSTER_ROOT_URL"')
    assert json.loads(by_address.stdout)["profile"] == "work"
    nested = inside(TCENV, "exec", "--proxy", "--", "printenv", "TCENV_PROXY")
    assert nested.stdout.split()[1:] == ["work", deployment.root_url]
    other = inside("sh", "-c", f"TASKCLUSTER_ROOT_URL=https://x.example.com {TCENV} status --json")
    assert json.loads(other.stdout)["root_url"] != deployment.root_url
    assert deployment.approvals == approvals


def test_a_runs_token_is_refused_everywhere_else(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    inner: dict[str, Any] = json.loads(
        tcenv("exec", "--proxy", "--", sys.executable, "-c", _ENVIRONMENT, env=env).stdout
    )
    call = "import taskcluster; taskcluster.Auth({**taskcluster.optionsFromEnvironment(), 'maxRetries': 0}).currentScopes()"
    assert b"ConnectionError" in subprocess.run([sys.executable, "-c", call], env=inner, capture_output=True).stderr
    # The deployment itself refuses the token.
    direct = {**inner, "TASKCLUSTER_ROOT_URL": deployment.root_url}
    assert b"AuthFailure" in subprocess.run([sys.executable, "-c", call], env=direct, capture_output=True).stderr
    # Another run refuses it too.
    both = f'TASKCLUSTER_ACCESS_TOKEN={inner["TASKCLUSTER_ACCESS_TOKEN"]} {sys.executable} -c "{call}"'
    assert "AuthFailure" in tcenv("exec", "--proxy", "--", "sh", "-c", both, env=env).stderr


def test_the_command_starts_before_heavy_imports(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    program = (
        "import os, sys\n"
        "def spawn(path, *arguments, **more):\n"
        "    print(*sys.modules)\n"
        "    sys.stdout.flush()\n"
        "    os._exit(0)\n"
        "os.posix_spawn = spawn\n"
        "sys.argv = ['tcenv', 'exec', *sys.argv[1:], '--', 'true']\n"
        "from tcenv.__main__ import main\n"
        "main()\n"
    )
    heavy = {
        "aiohttp",
        "asyncio",
        "ssl",
        "dataclasses",
        "typer",
        "rich",
        "taskcluster",
        "requests",
        "tomllib",
        "typing",
    }
    for words in (["--proxy"], ["--proxy", "--read-only", "--unsigned"]):
        done = run_program(sys.executable, "-c", program, *words, env=env)
        assert "tcenv.shells.child" in done.stdout.split(), done.stderr
        assert not heavy & set(done.stdout.split())
    # `--for` needs the configuration first, but not the proxy.
    done = run_program(sys.executable, "-c", program, "--proxy", "--for", "1h", env=env)
    assert not {"aiohttp", "asyncio", "ssl", "typer", "rich", "taskcluster", "requests"} & set(done.stdout.split())


def test_the_fast_and_the_full_start_give_the_same_environment(deployment: Sandbox) -> None:
    env = sign_in(deployment, DIRENV_DIFF="x", HTTPS_PROXY="http://127.0.0.1:1")
    found = []
    for words in (["--proxy", "--unsigned"], ["--proxy", "--unsigned", "--for", "1h"]):
        inner = json.loads(tcenv("exec", *words, "--", sys.executable, "-c", _ENVIRONMENT, env=env).stdout)
        for name in ("TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_PROXY_URL", "TASKCLUSTER_ROOT_URL", "TCENV_PROXY"):
            assert inner.pop(name)
        found.append(inner)
    assert found[0] == found[1]
