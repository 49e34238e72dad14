"""The same client every day, on every machine and for every profile, and never another one's token killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.reliability.record import record, scale
from tests.terminal import run_in_terminal
from tests.world import APPROVE, NAME, TCENV, find_session_file, make_env, read_session_fields, start_browser, tcenv

DAY = 86400
_ON = (
    "import os, socket, sys\nhost = sys.argv.pop(1)\nsocket.gethostname = lambda: host\n"
    "own = os.uname()\nos.uname = lambda: os.uname_result((own[0], host, *own[2:]))\n"
    "from tcenv.__main__ import main\nsys.exit(main())\n"
)


def login(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return tcenv("login", "--shell", "sh", *arguments, env=env)


def on_machine(
    host: str, env: dict[str, str], *words: str, at: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command on a machine of that name (with a runtime directory of its own, below the shared home)."""
    runtime = Path(env["HOME"]) / f"run-{host}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    clock = [require("faketime"), f"@{int(at)}"] if at is not None else []
    # The user lives in the same time.
    browser = {"BROWSER": APPROVE} if at is not None and env["BROWSER"] == start_browser() else {}
    return subprocess.run(
        [*clock, sys.executable, "-c", _ON, host, *words],
        env={**env, **browser, "XDG_RUNTIME_DIR": str(runtime), "TZ": "UTC"},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


# A private deployment tells less, and a narrow session may do less: each is met once in `make test`.
BOTH = pytest.mark.parametrize(("public", "scope"), [(True, "queue:scheduler-id:a"), (False, "*")])


@pytest.mark.timeout(1200)
@BOTH
def test_thirty_days_on_two_machines_with_two_profiles_each(public: bool, scope: str, home: Path) -> None:
    """The machines share a home. A little later each day, so that yesterday's session has just ended."""
    start = int(time.time())
    with Sandbox(public=public) as sandbox:
        env = make_env(TCENV_SCOPE=scope, TCENV_TIMEOUT="90s")
        for profile in ("work", "play"):
            assert tcenv("profile", "set", profile, "--root-url", sandbox.root_url, env=env).returncode == 0
        actors = [(host, profile) for host in ("alpha", "beta") for profile in ("work", "play")]
        days = max(4, scale(30))
        for day in range(days):
            now = start + day * (DAY + 600)
            sandbox.clock_offset = now - time.time()
            with ThreadPoolExecutor(4) as pool:
                results = list(
                    pool.map(
                        lambda actor: on_machine(actor[0], env, "login", actor[1], "--shell", "sh", at=now),  # noqa: B023
                        actors,
                    )
                )
            for (host, profile), done in zip(actors, results, strict=True):
                assert done.returncode == 0, (day, host, profile, done.stderr)
                fields = read_session_fields({"XDG_RUNTIME_DIR": str(home / f"run-{host}")}, profile)
                # Nobody has killed anybody's token.
                client = sandbox.clients[fields["TASKCLUSTER_CLIENT_ID"]]
                assert client.access_token == fields["TASKCLUSTER_ACCESS_TOKEN"], (day, host, profile)
                name = f"{sandbox.user}/tcenv-{host}:{profile}"
                ours = [
                    client_id
                    for client_id in sandbox.clients
                    if client_id in (name, *(f"{name}@{n}" for n in range(2, 9)))
                ]
                assert fields["TASKCLUSTER_CLIENT_ID"] in ours
                # The next session deletes the one that has expired.
                assert len(ours) == 1, (day, ours)
            assert sandbox.approvals == 4 * (day + 1)
    record("days", days)


@BOTH
def test_a_reset_and_a_logout_concern_one_machine_and_one_profile(public: bool, scope: str, home: Path) -> None:
    """By API or through the browser, whatever else is signed in under the same home keeps its token."""
    actors = [(host, profile) for host in ("alpha", "beta") for profile in ("work", "play")]
    with Sandbox(public=public) as sandbox:
        env = make_env(TCENV_SCOPE=scope)
        for profile in ("work", "play"):
            assert tcenv("profile", "set", profile, "--root-url", sandbox.root_url, env=env).returncode == 0

        def tokens() -> dict[tuple[str, str], str]:
            """What each has stored, which the deployment takes."""
            found = {}
            for host, profile in actors:
                file = home / f"run-{host}" / "tcenv" / f"{profile}.session"
                if file.exists():
                    fields = read_session_fields({"XDG_RUNTIME_DIR": str(home / f"run-{host}")}, profile)
                    client = sandbox.clients[fields["TASKCLUSTER_CLIENT_ID"]]
                    assert client.access_token == fields["TASKCLUSTER_ACCESS_TOKEN"]
                    found[host, profile] = client.access_token
            return found

        for host, profile in actors:
            assert on_machine(host, env, "login", profile, "--shell", "sh").returncode == 0
        before = tokens()
        for host, profile in actors:
            done = on_machine(host, env, "login", profile, "--reset", "--shell", "sh")
            assert done.returncode == 0, done.stderr
            after = tokens()
            assert {who for who in actors if after[who] != before[who]} == {(host, profile)}
            before = after
        assert len(sandbox.clients) == 4
        for count, (host, profile) in enumerate(actors, 1):
            assert on_machine(host, env, "logout", profile, "--shell", "sh").returncode == 0
            assert tokens() == {who: before[who] for who in actors[count:]}
        assert sandbox.clients == {}


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_resets_of_a_narrow_session_in_a_terminal(public: bool) -> None:
    with Sandbox(public=public) as deployment:
        # A process, which can be paused until the former client is deleted.
        env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a", BROWSER=APPROVE)
        assert login(env).returncode == 0
        # The first sign-in knew no prefix: the other name.
        status, out, said = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
        assert status == 0, said
        client_id = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
        assert client_id == f"{deployment.user}/{NAME}@2"
        assert f"{deployment.user}/{NAME}: " in said
        before = deployment.approvals
        tokens = [read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]]
        for _ in range(3):
            status, out, said = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
            assert status == 0, said
            assert f"Deleted the former client {client_id}" in said
            fields = read_session_fields(env)
            assert fields["TASKCLUSTER_CLIENT_ID"] == client_id
            assert fields["TASKCLUSTER_ACCESS_TOKEN"] in out
            tokens.append(fields["TASKCLUSTER_ACCESS_TOKEN"])
        assert deployment.approvals == before + 3
        assert len(set(tokens)) == 4
        assert [token for token in tokens if deployment.clients[client_id].access_token == token] == tokens[-1:]
        assert set(deployment.clients) == {client_id}


def test_a_reset_that_nobody_approves_says_that_the_session_has_ended(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    for _ in range(2):
        assert login(env, "--reset").returncode == 0
    client_id = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    status, out, said = run_in_terminal(
        TCENV, "login", "--reset", "--timeout", "2s", "--shell", "sh", env={**env, "BROWSER": "true"}
    )
    assert (status, out) == (124, "\\false;\n")
    assert f"Deleted the former client {client_id}" in said
    assert client_id not in deployment.clients
    later = tcenv("env", "--shell", "sh", env=env)
    assert later.returncode == 3
    assert "A reset that nobody approved ended" in later.stderr
    # The name is free, and asked for again.
    assert login(env, "--retry").returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == client_id


def test_a_reset_whose_browser_does_not_start_leaves_the_old_client_alone(deployment: Sandbox) -> None:
    """The program is there, and fails: the client is not deleted for a page that nobody will see."""
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    for _ in range(2):
        assert login(env, "--reset").returncode == 0
    former = read_session_fields(env)
    client_id = former["TASKCLUSTER_CLIENT_ID"]
    status, _, said = run_in_terminal(
        TCENV, "login", "--reset", "--timeout", "2s", "--shell", "sh", env={**env, "BROWSER": "false"}
    )
    assert status == 124
    assert f"No browser could be started, so {client_id} stays" in said
    assert deployment.clients[client_id].access_token == former["TASKCLUSTER_ACCESS_TOKEN"]
    assert read_session_fields(env) == former
    # The address to open by hand asks for the free name.
    assert f"name={NAME}&" in said


@pytest.mark.parametrize("trouble", ["clock", "network"])
def test_a_reset_that_cannot_reach_the_deployment_leaves_the_old_client_alone(trouble: str) -> None:
    with Sandbox() as deployment:
        env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a", BROWSER="true")
        for _ in range(2):
            assert login({**env, "BROWSER": make_env()["BROWSER"]}, "--reset").returncode == 0
        former = read_session_fields(env)
        client_id = former["TASKCLUSTER_CLIENT_ID"]
        if trouble == "clock":
            deployment.clock_offset = 2 * 3600
        else:
            deployment.__exit__(None, None, None)
        status, _, said = run_in_terminal(TCENV, "login", "--reset", "--timeout", "5s", "--shell", "sh", env=env)
        assert (status, f"So {client_id} is unchanged" in said) == (
            (124, True) if trouble == "clock" else (1, False)
        ), said
        assert deployment.clients[client_id].access_token == former["TASKCLUSTER_ACCESS_TOKEN"]
        assert read_session_fields(env) == former


def test_without_a_terminal_the_old_client_is_ended_after_the_new_session_is_stored(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    for _ in range(2):
        assert login(env, "--reset").returncode == 0
    former = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    late = login({**env, "BROWSER": "true"}, "--reset", "--timeout", "1s")
    assert late.returncode == 124
    # Nobody approved, and nothing was lost.
    assert deployment.clients[former].access_token == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    done = login(env, "--reset", "--retry")
    assert done.returncode == 0
    assert f"Deleted the former client {former}" in done.stderr
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"
    assert set(deployment.clients) == {f"{deployment.user}/{NAME}"}


def test_other_scopes_end_the_session_that_they_replace(deployment: Sandbox) -> None:
    env = make_env(deployment)
    for scope in ("queue:scheduler-id:a", "queue:scheduler-id:b", "queue:scheduler-id:c"):
        assert login(env, "--scope", scope).returncode == 0
    assert len(deployment.clients) == 1


def test_the_parts_of_a_name(home: Path, deployment: Sandbox) -> None:
    env = make_env(deployment)
    for host, name in {
        "box.example.com": "tcenv-box",
        "bo:x@é/y": "tcenv-bo-x---y",
        "x" * 64: "tcenv-" + "x" * 63,
    }.items():
        done = on_machine(host[:60].replace("/", "_") if "/" in host else host, env, "profile", "show", "--json")
        assert done.returncode == 0, done.stderr
        if "/" not in host:
            assert f'"name": "{name}"' in done.stdout
    assert tcenv("profile", "set", "w", "--root-url", deployment.root_url, env=env).returncode == 0
    for template, name in {  # type: ignore[assignment]
        "{hostname}.{profile}": f"{NAME.removeprefix('tcenv-')}.w",
        "{user}|x": "root|x" if os.geteuid() == 0 else None,
    }.items():
        done = tcenv("profile", "show", "w", env={**env, "TCENV_NAME": template})
        if name:
            assert name in done.stdout


def test_a_machines_own_id_stays(home: Path, deployment: Sandbox) -> None:
    """Containers with a new hostname each day: `{machine}` is kept in the state directory."""
    env = make_env(deployment, TCENV_NAME="tcenv-{machine}")
    names = set()
    for host in ("c1", "c2", "c3"):
        done = on_machine(host, env, "profile", "show", "--json")
        assert done.returncode == 0
        names.add(json.loads(done.stdout)["name"])
    assert len(names) == 1
    other = make_env(deployment, TCENV_NAME="tcenv-{machine}", XDG_STATE_HOME=str(home / "other"))
    assert json.loads(on_machine("c1", other, "profile", "show", "--json").stdout)["name"] not in names


@pytest.mark.parametrize("scope", ["*", "queue:scheduler-id:a"])
def test_two_names_are_enough_where_clients_can_be_deleted(scope: str, deployment: Sandbox) -> None:
    """The session is lost again and again, as at each reboot: the next one ends the client that nobody can use any more."""
    env = make_env(deployment, TCENV_SCOPE=scope)
    seen = []
    for _ in range(3):
        done = login(env)
        assert done.returncode == 0, done.stderr
        client_id = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
        seen.append(client_id.rpartition("/")[2])
        assert client_id in deployment.clients
        assert len(deployment.clients) == 1
        find_session_file(env).unlink()
    assert seen == [NAME, f"{NAME}@2", NAME]
    assert "which no session uses" in done.stderr


def test_a_client_whose_session_is_kept_elsewhere_or_was_let_go_is_not_ended(home: Path, deployment: Sandbox) -> None:
    """Up to five names then: another store's session, one that only a shell has, and one that was to be kept."""
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    (home / "elsewhere").mkdir(mode=0o700)
    for around in ({"XDG_RUNTIME_DIR": str(home / "elsewhere")}, {"TCENV_STORE": "none"}, {"TCENV_STORE": "file"}):
        assert login({**env, **around}).returncode == 0
    assert login(env).returncode == 0
    assert tcenv("logout", "--keep-client", "--shell", "sh", env=env).returncode == 0
    assert login(env).returncode == 0
    assert len(deployment.clients) == 5


def test_a_client_that_a_logout_could_not_reach_is_ended_by_the_next_session(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    former = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    deployment.fail("hang-up")
    done = tcenv("logout", "--shell", "sh", env=env)
    assert done.returncode == 0
    assert "The next sign-in deletes it if it has the scope for that." in done.stderr
    deployment.heal()
    assert former in deployment.clients
    assert login(env).returncode == 0
    assert list(deployment.clients) == [read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]] != [former]


def test_all_names_taken_is_said_at_once(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a", TCENV_NO_SELF_DELETE="1")
    for _ in range(5):
        assert login(env).returncode == 0
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    asked = deployment.approvals
    done = login({**env, "BROWSER": "false"})
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    for name in (NAME, *(f"{NAME}@{n}" for n in range(2, 6))):
        assert f"{deployment.user}/{name} (until " in done.stderr
    assert "--name" in done.stderr
    assert deployment.approvals == asked
