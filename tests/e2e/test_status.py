"""Check `tcenv status`: a report for people in a terminal, plain and complete in a pipe, and the same facts in JSON."""

from __future__ import annotations

import json
import re
import time

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.terminal import run_in_terminal
from tests.world import NAME, TCENV, find_session_file, login, make_env, sign_in, tcenv


def show_in_terminal(*words: str, env: dict[str, str], columns: int = 100, **more: str) -> str:
    """Return the output of `tcenv status` in a terminal."""
    return run_in_terminal(TCENV, *words, env={**env, **more}, columns=columns, output=True)[2]


def parse_rows(text: str) -> dict[str, list[str]]:
    """Parse the plain form: return the values of each label."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        label, _, value = line.partition(": ")
        found.setdefault(label, []).append(value)
    return found


def test_status_in_a_pipe_is_plain_and_complete(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    done = tcenv("status", env=env)
    report, facts = parse_rows(done.stdout), json.loads(tcenv("status", "--json", env=env).stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert report["scope"] == facts["scopes"] and len(facts["scopes"]) > 12
    assert report["client"] == [facts["client_id"]]
    assert report["deployment"] == [deployment.root_url]
    assert "\x1b" not in done.stdout and "…" not in done.stdout and "█" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if "  " in line or line != line.strip()]
    assert deployment.clients[facts["client_id"]].access_token not in done.stdout


def test_status_in_a_terminal_has_a_bar_and_folded_scopes(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    assert "█" not in show_in_terminal("status", env=env)  # a full one says nothing
    file = find_session_file(env)
    text = file.read_text()
    file.write_text(re.sub(r"(?<=CREATED=)\d+", lambda found: str(int(found[0]) - 40_000), text))
    normal = show_in_terminal("status", env=env)
    assert "█" in normal and "queue:…" in normal and "--scopes" in normal
    assert "queue:scheduler-id:*" not in normal
    whole = show_in_terminal("status", "--scopes", env=env)
    assert "queue:scheduler-id:*" in whole and "…" not in whole
    for more in ({"TERM": "dumb"}, {"NO_COLOR": "1"}):
        assert "\x1b[" not in show_in_terminal("status", env=env, **more)  # type: ignore[arg-type]
    assert "█" not in show_in_terminal("status", env=env, TERM="dumb")
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", show_in_terminal("status", env=env, columns=40))
    assert f"\n  {next(iter(deployment.clients))}\n" in narrow


def test_both_forms_agree_after_a_change_on_the_deployment(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    (client,) = deployment.clients.values()
    client.expires = time.time() + 3600
    client.scopes = ("queue:scheduler-id:*",)  # type: ignore[assignment]
    done = tcenv("status", env=env)
    facts = json.loads(tcenv("status", "--json", env=env).stdout)
    assert 3500 < facts["expires_in"] <= 3600
    report = parse_rows(done.stdout)
    assert re.search(r"59 min", report["expires"][0])
    assert report["scope"] == facts["scopes"]
    assert "secrets:get:project/sandbox/*" not in facts["scopes"]


def test_status_all_lists_every_deployment(deployment: Sandbox) -> None:
    with Sandbox() as other:
        env = sign_in(deployment)
        assert login(env, other.root_url).returncode == 0
        done = tcenv("status", "--all", env=env)
        assert sorted(parse_rows(done.stdout)["deployment"]) == sorted([deployment.root_url, other.root_url])
        deployment.delete(next(iter(deployment.clients)))
        done = tcenv("status", "--all", "--json", env=env)
        report = {facts["root_url"]: facts["signed_in"] for facts in json.loads(done.stdout)["sessions"]}
        assert (done.returncode, report) == (0, {deployment.root_url: False, other.root_url: True})
        other.delete(next(iter(other.clients)))
        assert tcenv("status", "--all", env=env).returncode == 3
        assert tcenv("status", "--all", env=env).stdout == "Not signed in anywhere.\n"


def test_status_all_asks_deployments_at_once(deployment: Sandbox) -> None:
    """Four that do not answer take the time of one."""
    env = sign_in(deployment)
    text = find_session_file(env).read_text()
    for port in range(3):
        name = f"http_localhost_{port + 1}"
        copy = text.replace(f"http_localhost_{deployment.port}", name).replace(
            deployment.root_url, f"http://localhost:{port + 1}"
        )
        (find_session_file(env, name)).write_text(copy)
        find_session_file(env, name).chmod(0o600)
    done = tcenv("status", "--all", "--json", env=env)
    report = json.loads(done.stdout)["sessions"]
    assert [facts["verified"] for facts in report].count(True) == 1
    assert len(report) == 4


def test_status_reports_a_session_that_only_this_shell_has(deployment: Sandbox) -> None:
    env = {**make_env(deployment), "TCENV_STORE": "none"}
    script = f'eval "$({TCENV} login --shell sh)" && env -0'
    done = run_program("/bin/sh", "-c", script, env=env)
    loaded = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert "TASKCLUSTER_ACCESS_TOKEN" in loaded, done.stderr
    facts = json.loads(tcenv("status", "--json", env={**env, **loaded}).stdout)
    assert (facts["signed_in"], facts["verified"], facts["loaded"], facts["store"]) == (True, True, True, "none")
    assert parse_rows(tcenv("status", env={**env, **loaded}).stdout)["kept"] == ["in this shell alone"]
    assert tcenv("status", env=env).returncode == 3


def test_status_reports_that_nobody_is_signed_in(deployment: Sandbox) -> None:
    done = tcenv("status", env=make_env(deployment))
    assert (done.returncode, list(parse_rows(done.stdout))) == (3, ["not signed in"])
    assert f"tcenv login {deployment.root_url}" in done.stderr


def test_status_reports_an_interrupted_reset(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    path = find_session_file(env)
    path.write_text(path.read_text().replace("\nEND=", "\nSTATE=resetting\nEND="))
    offline = tcenv("status", "--offline", env=env)
    assert "interrupted" in parse_rows(offline.stdout)["problem"][0]
    assert parse_rows(tcenv("status", env=env).stdout)["state"] == ["verified with the deployment"]


def test_status_rejects_an_invalid_root_url_without_a_store() -> None:
    env = make_env(
        TCENV_STORE="none",
        TASKCLUSTER_ROOT_URL="http://tc.example.com",
        TASKCLUSTER_CLIENT_ID="u/n",
        TASKCLUSTER_ACCESS_TOKEN="A" * 44,
        TCENV_PROFILE="x",
        TCENV_EXPIRES=str(int(time.time()) + 3600),
        TCENV_LOADED="http://tc.example.com",
    )
    done = tcenv("status", "--all", env=env)
    assert "inside tcenv" not in done.stderr
    assert done.returncode == 3


def test_status_reports_what_the_deployment_says(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    good = json.loads(tcenv("status", "--json", env=env).stdout)
    assert (good["signed_in"], good["verified"], good["client_id"]) == (True, True, f"{deployment.user}/{NAME}")
    assert (good["loaded"], good["shell"]) == (False, "no")
    human = tcenv("status", env=env)
    assert (human.returncode, human.stderr) == (0, "")
    assert f"client: {deployment.user}/{NAME}\n" in human.stdout
    deployment.clock_offset = 3 * 3600
    skewed = json.loads(tcenv("status", "--json", env=env).stdout)
    assert skewed["problem"].startswith("clock")
    deployment.clock_offset = 0
    deployment.disable(f"{deployment.user}/{NAME}")
    disabled = tcenv("status", "--json", env=env)
    assert disabled.returncode == 3
    assert json.loads(disabled.stdout)["problem"].startswith("disabled")
    assert tcenv("status", env=env).returncode == 3
    # A rejected session is not used again, so the next login opens the browser.
    assert login(env).returncode == 0
    assert deployment.approvals == 2


def test_status_offline_needs_no_network() -> None:
    with Sandbox() as sandbox:
        env = sign_in(sandbox)
    done = tcenv("status", "--offline", "--json", env=env)
    assert done.returncode == 0
    assert json.loads(done.stdout)["verified"] is False
    gone = json.loads(tcenv("status", "--json", env=env).stdout)
    assert gone["problem"].startswith("not verified")
