"""`tcenv status`: a report on stdout, worth looking at in a terminal, plain and whole anywhere else, and true in each form."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Iterator

import pytest

from tcenv.sandbox import Sandbox
from tests.terminal import run_in_terminal
from tests.world import TCENV, find_session_file, make_env, sign_in, tcenv


@pytest.fixture
def tc() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


def shown(*words: str, env: dict[str, str], columns: int = 100, **more: str) -> str:
    """What people see of `tcenv status` in a terminal."""
    return run_in_terminal(TCENV, *words, env={**env, **more}, columns=columns, output=True)[2]


def rows(text: str) -> dict[str, list[str]]:
    """The facts of the plain form: each label's values."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        label, _, value = line.partition(": ")
        found.setdefault(label, []).append(value)
    return found


def test_piped_it_is_plain_whole_and_can_be_searched(tc: Sandbox) -> None:
    env = sign_in(tc)
    done = tcenv("status", env=env)
    told, facts = rows(done.stdout), json.loads(tcenv("status", "--json", env=env).stdout)
    assert (done.returncode, done.stderr) == (0, "")
    assert told["scope"] == facts["scopes"] and len(facts["scopes"]) > 12
    assert told["client"] == [facts["client_id"]]
    assert told["deployment"] == [tc.root_url]
    assert "\x1b" not in done.stdout and "…" not in done.stdout and "█" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if "  " in line or line != line.strip()]
    assert tc.clients[facts["client_id"]].access_token not in done.stdout


def test_in_a_terminal_it_has_a_bar_and_folded_scopes(tc: Sandbox) -> None:
    env = sign_in(tc)
    assert "█" not in shown("status", env=env)  # a full one says nothing
    file = find_session_file(env)
    text = file.read_text()
    file.write_text(re.sub(r"(?<=CREATED=)\d+", lambda found: str(int(found[0]) - 40_000), text))
    normal = shown("status", env=env)
    assert "█" in normal and "queue:…" in normal and "--scopes" in normal
    assert "queue:scheduler-id:*" not in normal
    whole = shown("status", "--scopes", env=env)
    assert "queue:scheduler-id:*" in whole and "…" not in whole
    for more in ({"TERM": "dumb"}, {"NO_COLOR": "1"}):
        assert "\x1b[" not in shown("status", env=env, **more)  # type: ignore[arg-type]
    assert "█" not in shown("status", env=env, TERM="dumb")
    narrow = re.sub(r"\x1b\[[0-9;]*m", "", shown("status", env=env, columns=40))
    assert f"\n  {next(iter(tc.clients))}\n" in narrow


def test_both_forms_agree_after_a_change_on_the_deployment(tc: Sandbox) -> None:
    env = sign_in(tc)
    (client,) = tc.clients.values()
    client.expires = time.time() + 3600
    client.scopes = ("queue:scheduler-id:*",)  # type: ignore[assignment]
    done = tcenv("status", env=env)
    facts = json.loads(tcenv("status", "--json", env=env).stdout)
    assert 3500 < facts["expires_in"] <= 3600
    told = rows(done.stdout)
    assert re.search(r"59 min", told["expires"][0])
    assert told["scope"] == facts["scopes"]
    assert "secrets:get:project/sandbox/*" not in facts["scopes"]


def test_every_deployment(tc: Sandbox) -> None:
    with Sandbox() as other:
        env = sign_in(tc)
        assert tcenv("login", other.root_url, "--shell", "sh", env=env).returncode == 0
        done = tcenv("status", "--all", env=env)
        assert sorted(rows(done.stdout)["deployment"]) == sorted([tc.root_url, other.root_url])
        tc.delete(next(iter(tc.clients)))
        done = tcenv("status", "--all", "--json", env=env)
        told = {facts["root_url"]: facts["signed_in"] for facts in json.loads(done.stdout)["sessions"]}
        assert (done.returncode, told) == (0, {tc.root_url: False, other.root_url: True})
        other.delete(next(iter(other.clients)))
        assert tcenv("status", "--all", env=env).returncode == 3
        assert tcenv("status", "--all", env=env).stdout == "Not signed in anywhere.\n"


def test_asked_of_deployments_at_once(tc: Sandbox) -> None:
    """Four that do not answer take the time of one."""
    env = sign_in(tc)
    text = find_session_file(env).read_text()
    for port in range(3):
        name = f"http_localhost_{port + 1}"
        copy = text.replace(f"http_localhost_{tc.port}", name).replace(tc.root_url, f"http://localhost:{port + 1}")
        (find_session_file(env, name)).write_text(copy)
        find_session_file(env, name).chmod(0o600)
    done = tcenv("status", "--all", "--json", env=env)
    told = json.loads(done.stdout)["sessions"]
    assert [facts["verified"] for facts in told].count(True) == 1
    assert len(told) == 4


def test_what_only_this_shell_has(tc: Sandbox) -> None:
    env = {**make_env(tc), "TCENV_STORE": "none"}
    script = f'eval "$({TCENV} login --shell sh)" && env -0'
    done = subprocess.run(["/bin/sh", "-c", script], env=env, capture_output=True, text=True, timeout=60)
    loaded = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    assert "TASKCLUSTER_ACCESS_TOKEN" in loaded, done.stderr
    facts = json.loads(tcenv("status", "--json", env={**env, **loaded}).stdout)
    assert (facts["signed_in"], facts["verified"], facts["loaded"], facts["store"]) == (True, True, True, "none")
    assert rows(tcenv("status", env={**env, **loaded}).stdout)["kept"] == ["in this shell alone"]
    assert tcenv("status", env=env).returncode == 3


def test_nobody_is_signed_in(tc: Sandbox) -> None:
    done = tcenv("status", env=make_env(tc))
    assert (done.returncode, list(rows(done.stdout))) == (3, ["not signed in"])
    assert f"tcenv login {tc.root_url}" in done.stderr


def test_a_reset_that_was_cut_short(tc: Sandbox) -> None:
    env = sign_in(tc)
    path = find_session_file(env)
    path.write_text(path.read_text().replace("\nEND=", "\nSTATE=resetting\nEND="))
    offline = tcenv("status", "--offline", env=env)
    assert "interrupted" in rows(offline.stdout)["problem"][0]
    assert rows(tcenv("status", env=env).stdout)["state"] == ["verified with the deployment"]


def test_status_with_nothing_kept_and_a_root_url_that_is_none() -> None:
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
