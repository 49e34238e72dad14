"""Check purposes, the scopes of a session, and `signin` with the Go tool's options."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tcenv.config import index
from tcenv.sandbox import Sandbox
from tests.command_lines import run_full
from tests.programs import run_program
from tests.world import NAME, login, make_env, read_session_fields, sign_in, tcenv

CONFIG = """default = "work"
[profiles.work]
root_url = "{}"
[purposes.relduty]
scopes = ["queue:scheduler-id:c", "queue:scheduler-id:a b"]
for = "1h"
[profiles.work.purposes.own]
scopes = ["secrets:get:project/sandbox/x"]
"""


@pytest.fixture
def config(home: Path, deployment: Sandbox) -> Path:
    path = home / ".config/tcenv/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG.format(deployment.root_url))
    return path


def read_certificate_scopes(text: str) -> list[str]:
    """Return the scopes of the certificate in `env --format json`."""
    return list(json.loads(json.loads(text)["TASKCLUSTER_CERTIFICATE"])["scopes"])


def test_a_purpose_narrows_a_live_session(config: Path, deployment: Sandbox) -> None:
    env = make_env()
    assert login(env).returncode == 0
    done = tcenv("env", "--as", "relduty", "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    assert read_certificate_scopes(done.stdout) == ["queue:scheduler-id:c", "queue:scheduler-id:a b"]
    certificate = json.loads(json.loads(done.stdout)["TASKCLUSTER_CERTIFICATE"])
    assert certificate["expiry"] - certificate["start"] == 3600_000
    for words in (
        ("exec", "--as", "relduty", "--", "printenv", "TASKCLUSTER_CERTIFICATE"),
        ("exec", "work", "--as=own", "--", "printenv", "TASKCLUSTER_CERTIFICATE"),
    ):
        hot = tcenv(*words, env=env)
        (slow,) = run_full([(words, env)])
        assert hot.returncode == slow.status == 0, hot.stderr
        assert json.loads(hot.stdout)["scopes"] == json.loads(slow.output)["scopes"]
    shown = login(env, "--as", "own")
    assert shown.returncode == 0
    assert "secrets:get:project/sandbox/x" in shown.stdout
    assert deployment.approvals == 1
    short = tcenv("env", "--as", "relduty", "--for", "5m", "--format", "json", env=env)
    certificate = json.loads(json.loads(short.stdout)["TASKCLUSTER_CERTIFICATE"])
    assert certificate["expiry"] - certificate["start"] == 300_000
    wrong = tcenv("env", "--as", "nothing", "--shell", "sh", env=env)
    assert (wrong.returncode, wrong.stdout) == (2, "\\false;\n")
    assert "own, relduty" in wrong.stderr
    assert tcenv("env", "--as", "own", "--scope", "x", "--shell", "sh", env=env).returncode == 2


def test_a_purpose_signs_in_with_only_its_scopes(config: Path, deployment: Sandbox) -> None:
    env = make_env()
    assert tcenv("env", "--as", "relduty", "--shell", "sh", env=env).returncode == 3
    done = tcenv("exec", "--as", "relduty", "--", "printenv", "TASKCLUSTER_CLIENT_ID", env=env)
    assert done.returncode == 0, done.stderr
    client = deployment.clients[f"{deployment.user}/{NAME}:work"]
    assert client.scopes == ["queue:scheduler-id:a b", "queue:scheduler-id:c"]
    fields = read_session_fields(env)
    assert int(fields["TCENV_EXPIRES"]) - int(fields["CREATED"]) <= 3600


def test_a_purpose_with_too_many_scopes_needs_a_session(config: Path, deployment: Sandbox) -> None:
    env = make_env()
    scopes = [f"queue:route:index.sandbox.{number}" for number in range(34)] + [
        "queue:scheduler-id:a",
        "secrets:get:project/sandbox/x",
    ]
    words = [word for scope in scopes for word in ("--scope", scope)]
    assert tcenv("purpose", "set", "deploy", *words, env=env).returncode == 0
    commands = (("exec", "--as", "deploy", "--", "true"), ("login", "--as", "deploy", "--shell", "sh"))
    for command in (*commands, ("exec", *words, "--", "true")):
        done = tcenv(*command, env=env)
        assert done.returncode == 2
        assert "36 scopes" in done.stderr and "20" in done.stderr and "You cannot ask for" not in done.stderr
        assert ("The purpose deploy has" in done.stderr) is ("--as" in command)
        assert 'eval "$(tcenv login work)"' in done.stderr and "queue:route:*" in done.stderr
    assert deployment.approvals == 0
    # With a session the commands work. Without one they need a purpose that fits.
    assert login(env, "work").returncode == 0
    for command in commands:
        assert tcenv(*command, env=env).returncode == 0
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert tcenv("purpose", "set", "deploy", *words, "--scope", "queue:route:*", env=env).returncode == 0
    assert tcenv(*commands[0], env=env).returncode == 0


def test_purposes_are_kept_with_their_comments(config: Path) -> None:
    env = make_env()
    config.write_text("# mine\n" + config.read_text())
    assert tcenv("purpose", "set", "new", "--scope", "a:*", "--scope", "b", "--for", "30m", env=env).returncode == 0
    assert tcenv("purpose", "set", "new", "--for", "45m", env=env).returncode == 0
    assert tcenv("purpose", "set", "new", "--profile", "work", "--scope", "c", env=env).returncode == 0
    assert config.read_text().startswith("# mine\n")
    listed = json.loads(tcenv("purpose", "list", "--json", env=env).stdout)["purposes"]
    assert {(p["profile"], p["purpose"], p["for"], tuple(p["scopes"])) for p in listed} == {
        (None, "relduty", 3600, ("queue:scheduler-id:c", "queue:scheduler-id:a b")),
        ("work", "own", None, ("secrets:get:project/sandbox/x",)),
        (None, "new", 45 * 60, ("a:*", "b")),
        ("work", "new", None, ("c",)),
    }
    assert tcenv("purpose", "show", "new", env=env).stdout.split() == ["for", "45m", "scopes", "a:*", "b"]
    assert "as long as the session" in tcenv("purpose", "show", "own", "--profile", "work", env=env).stdout
    unnamed = tcenv("purpose", "set", "a b", env=env)
    assert (unnamed.returncode, "is not a valid purpose name" in unnamed.stderr) == (2, True)
    assert tcenv("--purposes", env=env).stdout.split() == ["relduty", "new", "own"]
    assert tcenv("purpose", "remove", "new", "--profile", "work", env=env).returncode == 0
    assert tcenv("purpose", "remove", "new", env=env).returncode == 0
    again = tcenv("purpose", "remove", "own", env=env)
    assert again.returncode == 2
    assert "tcenv purpose remove own --profile work" in again.stderr
    for words in (("x",), ("x", "--scope", "a**"), ("x", "--scope", "a", "--for", "60d"), ("x y", "--scope", "a")):
        assert tcenv("purpose", "set", *words, env=env).returncode == 2
    assert "x" not in tcenv("--purposes", env=env).stdout


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("[purposes.a]\nscopes = []\n", 2, "scopes"),
        ('[purposes.a]\nscopes = ["x"]\nfor = "soon"\n', 3, "for"),
        ('[purposes.a]\nscopes = ["x"]\nuntil = "1h"\n', 3, "until"),
        ('[purposes.a]\nfor = "1h"\n', 1, "scopes"),
    ],
)
def test_a_wrong_purpose_is_named_with_its_line(text: str, line: int, what: str, home: Path) -> None:
    path = home / ".config/tcenv/config.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    done = tcenv("purpose", "list", env=make_env())
    assert done.returncode == 2
    assert f"line {line}" in done.stderr
    assert what in done.stderr


def test_scopes_reports_what_a_session_may_do(config: Path, deployment: Sandbox) -> None:
    env = make_env()
    assert tcenv("scopes", env=env).returncode == 3
    assert tcenv("scopes", "--satisfies", "queue:x", env=env).returncode == 3
    narrow = {**env, "TCENV_SCOPE": "queue:scheduler-id:a queue:route:x.*"}
    assert login(narrow).returncode == 0
    assert tcenv("scopes", env=env).stdout.splitlines() == sorted(
        deployment.clients[read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]].scopes
    )
    assert tcenv("scopes", "--satisfies", "queue:scheduler-id:a", env=env).returncode == 0
    assert tcenv("scopes", "--satisfies", "queue:scheduler-id:b", env=env).returncode == 1
    two = ("--satisfies", "queue:scheduler-id:a", "--satisfies", "secrets:get:project/sandbox/x")
    assert tcenv("scopes", *two, env=env).returncode == 1
    deployment.delete(read_session_fields(env)["TASKCLUSTER_CLIENT_ID"])
    assert tcenv("scopes", env=env).returncode == 3


@pytest.mark.deployment(public=False)
def test_scopes_fails_on_a_private_deployment(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert login(env, "--scope", "queue:scheduler-id:a").returncode == 0
    assert tcenv("scopes", env=env).returncode == 4
    assert tcenv("scopes", "--satisfies", "queue:scheduler-id:a", env=env).returncode == 4


def test_scopes_method_reports_what_a_method_needs(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment)
    done = tcenv("scopes", "--method", "queue.createTask", env=env)
    assert done.returncode == 0, done.stderr
    assert "queue:create-task" in done.stdout
    kept = list((home / ".cache/tcenv/references").iterdir())
    assert len(kept) == 1
    asked = [request.status for request in deployment.requests if request.path.startswith("/references/")]
    assert tcenv("scopes", "--method", "queue.createTask", env=env).stdout == done.stdout
    # The name of a client's class works too.
    assert tcenv("scopes", "--method", "Queue.createTask", env=env).stdout == done.stdout
    again = [request.status for request in deployment.requests if request.path.startswith("/references/")]
    assert (asked, again) == ([200], [200, 304, 304])
    wrong = tcenv("scopes", "--method", "queue.noSuch", env=env)
    assert wrong.returncode == 2
    assert "createTask" in wrong.stderr
    assert tcenv("scopes", "--method", "nosuch.method", env=env).returncode == 4
    assert tcenv("scopes", "--method", "createTask", env=env).returncode == 2


def test_scopes_method_works_without_a_network() -> None:
    with Sandbox() as sandbox:
        env = make_env(sandbox)
        done = tcenv("scopes", "--method", "queue.createTask", env=env)
    assert tcenv("scopes", "--method", "queue.createTask", env=env).stdout == done.stdout != ""
    unknown = tcenv("scopes", "--method", "secrets.get", env=env)
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "cannot be reached" in unknown.stderr


def test_signin_takes_the_options_of_the_go_tool(deployment: Sandbox) -> None:
    env = make_env(deployment)
    absent = tcenv("signin", "--check", "--shell", "sh", env=env)
    assert (absent.returncode, absent.stdout) == (1, "\\false;\n")
    line = 'eval "$(tcenv signin -s queue:scheduler-id:a -s queue:scheduler-id:b --expires 2h)"'
    script = f'{line} && echo "$TASKCLUSTER_CLIENT_ID"'
    done = run_program("bash", "-c", script, env=env)
    assert done.stdout == f"{deployment.user}/cli\n", done.stderr
    assert deployment.clients[f"{deployment.user}/cli"].scopes == ["queue:scheduler-id:a", "queue:scheduler-id:b"]
    present = tcenv("signin", "--check", "--shell", "sh", env=env)
    assert (present.returncode, present.stdout.strip()) == (0, "")
    csh = tcenv("signin", "--csh", env=env)
    assert "setenv TASKCLUSTER_CLIENT_ID" in csh.stdout
    named = tcenv("signin", "-n", "laptop", "-p", "0", "--shell", "sh", env=env)
    assert f"{deployment.user}/laptop" in named.stdout
    failed = tcenv("signin", "--expires", "banana", "--csh", env=env)
    assert (failed.returncode, failed.stdout) == (2, "false;\n")
    deployment.delete(f"{deployment.user}/laptop")
    assert tcenv("signin", "--check", "--shell", "sh", env=env).returncode == 1


def test_the_format_taskcluster_suits_taskclusters_clients(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    fields = read_session_fields(env)
    shown = json.loads(tcenv("env", "--format", "taskcluster", env=env).stdout)
    assert shown == {
        "rootUrl": deployment.root_url,
        "credentials": {
            "clientId": fields["TASKCLUSTER_CLIENT_ID"],
            "accessToken": fields["TASKCLUSTER_ACCESS_TOKEN"],
        },
    }
    narrowed = json.loads(tcenv("env", "--format", "taskcluster", "--scope", "queue:scheduler-id:x", env=env).stdout)
    assert json.loads(narrowed["credentials"]["certificate"])["scopes"] == ["queue:scheduler-id:x"]


def test_doctor_finds_other_credentials(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment)

    def others() -> list[dict[str, str]]:
        findings = json.loads(tcenv("doctor", "--json", env=env).stdout)["findings"]
        return [finding for finding in findings if finding["check"] == "other credentials"]

    assert [finding["state"] for finding in others()] == ["good"]
    (home / ".config").mkdir(exist_ok=True)
    (home / ".config/taskcluster.yml").write_text(
        "config:\n  clientId: x\n  accessToken: secret-1\n  certificate: '{}'\n"
    )
    (home / ".mozbuild/taskcluster").mkdir(parents=True)
    (home / ".mozbuild/taskcluster/taskcluster_credentials.json").write_text(
        '{"clientId": "x", "accessToken": "secret-2"}'
    )
    (home / ".netrc").write_text("machine localhost login me password secret-3\n")
    found = others()
    assert len(found) == 3
    text = json.dumps(found)
    assert "taskcluster.yml of the taskcluster command contains accessToken and certificate" in text
    assert "taskcluster_credentials.json" in text
    assert "entry for localhost" in text
    assert "secret" not in text


@pytest.mark.parametrize(("words", "minutes"), [((), 15), (("--for", "5m"), 5)])
def test_the_hot_path_keeps_to_a_purposes_lifetime(words: tuple[str, ...], minutes: int, deployment: Sandbox) -> None:
    env = sign_in(deployment)
    scope = "queue:route:index.sandbox.a"
    assert tcenv("purpose", "set", "p", "--scope", scope, "--for", "15m", env=env).returncode == 0
    assert tcenv("purpose", "list", env=env).returncode == 0
    done = tcenv("env", "--shell", "sh", "--as", "p", *words, env=env)
    assert done.returncode == 0, done.stderr
    found = re.search(r"TCENV_EXPIRES='?(\d+)", done.stdout)
    assert found and abs(int(found[1]) - time.time() - minutes * 60) < 60, done.stdout


def test_the_index_holds_store_default_and_purposes(home: Path) -> None:
    """Completion needs the purposes and the hot path needs the store. Neither reads anything else."""
    env = make_env()
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text('store = "file"\n')
    assert tcenv("profile", "set", "w", "--root-url", "https://w.example.com", "--default", env=env).returncode == 0
    for name in ("p", "q"):
        assert tcenv("purpose", "set", name, "--scope", "a", env=env).returncode == 0
    assert tcenv("purpose", "list", env=env).returncode == 0
    known = index.read()
    assert known is not None
    assert (known.store, known.default, known.list_purposes()) == ("file", "w", ["p", "q"])
