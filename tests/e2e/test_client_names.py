"""Check client names: each machine and profile has the same client every day, and never resets another's token."""

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
from tests.programs import require, run_program
from tests.reliability.record import record, scale
from tests.terminal import run_in_terminal
from tests.world import (
    APPROVE,
    NAME,
    TCENV,
    find_session_file,
    login,
    make_env,
    read_session_fields,
    start_browser,
    tcenv,
)

DAY = 86400
_ON_MACHINE = (
    "import os, socket, sys\nhost = sys.argv.pop(1)\nsocket.gethostname = lambda: host\n"
    "own = os.uname()\nos.uname = lambda: os.uname_result((own[0], host, *own[2:]))\n"
    "from tcenv.__main__ import main\nsys.exit(main())\n"
)


def run_on_machine(
    host: str, env: dict[str, str], *words: str, at: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command on a machine of that name, with its own runtime directory below the shared home."""
    runtime = Path(env["HOME"]) / f"run-{host}"
    runtime.mkdir(mode=0o700, exist_ok=True)
    clock = [require("faketime"), f"@{int(at)}"] if at is not None else []
    # The browser runs by the same clock.
    browser = {"BROWSER": APPROVE} if at is not None and env["BROWSER"] == start_browser() else {}
    return run_program(
        *clock,
        sys.executable,
        "-c",
        _ON_MACHINE,
        host,
        *words,
        env={**env, **browser, "XDG_RUNTIME_DIR": str(runtime), "TZ": "UTC"},
    )


# A private deployment shows less, and a narrow session may do less. `make test` runs each once.
BOTH = pytest.mark.parametrize(("public", "scope"), [(True, "queue:scheduler-id:a"), (False, "*")])


@pytest.mark.timeout(1200)
@BOTH
def test_each_machine_and_profile_keeps_its_client_for_thirty_days(public: bool, scope: str, home: Path) -> None:
    """The machines share a home. Each day starts later, when yesterday's session has just expired."""
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
                        lambda actor: run_on_machine(actor[0], env, "login", actor[1], "--shell", "sh", at=now),  # noqa: B023
                        actors,
                    )
                )
            for (host, profile), done in zip(actors, results, strict=True):
                assert done.returncode == 0, (day, host, profile, done.stderr)
                fields = read_session_fields({"XDG_RUNTIME_DIR": str(home / f"run-{host}")}, profile)
                # No sign-in has reset another's token.
                client = sandbox.clients[fields["TASKCLUSTER_CLIENT_ID"]]
                assert client.access_token == fields["TASKCLUSTER_ACCESS_TOKEN"], (day, host, profile)
                name = f"{sandbox.user}/tcenv-{host}:{profile}"
                ours = [
                    client_id
                    for client_id in sandbox.clients
                    if client_id in (name, *(f"{name}@{n}" for n in range(2, 9)))
                ]
                assert fields["TASKCLUSTER_CLIENT_ID"] in ours
                assert len(ours) == 1, (day, ours)
            assert sandbox.approvals == 4 * (day + 1)
    record("days", days)


@BOTH
def test_a_reset_and_a_logout_affect_one_machine_and_profile(public: bool, scope: str, home: Path) -> None:
    """Every other session below the same home keeps its token."""
    actors = [(host, profile) for host in ("alpha", "beta") for profile in ("work", "play")]
    with Sandbox(public=public) as sandbox:
        env = make_env(TCENV_SCOPE=scope)
        for profile in ("work", "play"):
            assert tcenv("profile", "set", profile, "--root-url", sandbox.root_url, env=env).returncode == 0

        def tokens() -> dict[tuple[str, str], str]:
            """Return the stored tokens. The deployment must accept each."""
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
            assert run_on_machine(host, env, "login", profile, "--shell", "sh").returncode == 0
        before = tokens()
        for host, profile in actors:
            done = run_on_machine(host, env, "login", profile, "--reset", "--shell", "sh")
            assert done.returncode == 0, done.stderr
            after = tokens()
            assert {who for who in actors if after[who] != before[who]} == {(host, profile)}
            before = after
        assert len(sandbox.clients) == 4
        for count, (host, profile) in enumerate(actors, 1):
            assert run_on_machine(host, env, "logout", profile, "--shell", "sh").returncode == 0
            assert tokens() == {who: before[who] for who in actors[count:]}
        assert sandbox.clients == {}


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_resets_of_a_narrow_session_keep_its_client_id(public: bool) -> None:
    with Sandbox(public=public) as deployment:
        # The reset must be able to pause this browser until it has deleted the former client.
        env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a", BROWSER=APPROVE)
        assert login(env).returncode == 0
        # The first sign-in did not know the prefix, so this one gets another name.
        status, out, output = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
        assert status == 0, output
        client_id = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
        assert client_id == f"{deployment.user}/{NAME}@2"
        assert f"{deployment.user}/{NAME}: " in output
        before = deployment.approvals
        tokens = [read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]]
        for _ in range(3):
            status, out, output = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
            assert status == 0, output
            assert f"Deleted the former client {client_id}" in output
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
    status, out, output = run_in_terminal(
        TCENV, "login", "--reset", "--timeout", "2s", "--shell", "sh", env={**env, "BROWSER": "true"}
    )
    assert (status, out) == (124, "\\false;\n")
    assert f"Deleted the former client {client_id}" in output
    assert client_id not in deployment.clients
    later = tcenv("env", "--shell", "sh", env=env)
    assert later.returncode == 3
    assert "A reset that nobody approved ended" in later.stderr
    # The name is free and requested again.
    assert login(env, "--retry").returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == client_id


def test_a_reset_whose_browser_does_not_start_leaves_the_old_client_alone(deployment: Sandbox) -> None:
    """The program exists and fails, so nobody would see the page."""
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    for _ in range(2):
        assert login(env, "--reset").returncode == 0
    former = read_session_fields(env)
    client_id = former["TASKCLUSTER_CLIENT_ID"]
    status, _, output = run_in_terminal(
        TCENV, "login", "--reset", "--timeout", "2s", "--shell", "sh", env={**env, "BROWSER": "false"}
    )
    assert status == 124
    assert f"No browser could be started, so {client_id} stays" in output
    assert deployment.clients[client_id].access_token == former["TASKCLUSTER_ACCESS_TOKEN"]
    assert read_session_fields(env) == former
    # The address to open by hand requests the free name.
    assert f"name={NAME}&" in output


@pytest.mark.parametrize("trouble", ["clock", "network"])
def test_a_reset_that_cannot_reach_the_deployment_leaves_the_old_client_alone(
    trouble: str, deployment: Sandbox
) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a", BROWSER="true")
    for _ in range(2):
        assert login({**env, "BROWSER": make_env()["BROWSER"]}, "--reset").returncode == 0
    former = read_session_fields(env)
    client_id = former["TASKCLUSTER_CLIENT_ID"]
    if trouble == "clock":
        deployment.clock_offset = 2 * 3600
    else:
        deployment.__exit__(None, None, None)
    status, _, output = run_in_terminal(TCENV, "login", "--reset", "--timeout", "5s", "--shell", "sh", env=env)
    assert (status, f"So {client_id} is unchanged" in output) == ((124, True) if trouble == "clock" else (1, False)), (
        output
    )
    assert deployment.clients[client_id].access_token == former["TASKCLUSTER_ACCESS_TOKEN"]
    assert read_session_fields(env) == former


def test_without_a_terminal_the_old_client_is_deleted_last(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    for _ in range(2):
        assert login(env, "--reset").returncode == 0
    former = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    late = login({**env, "BROWSER": "true"}, "--reset", "--timeout", "1s")
    assert late.returncode == 124
    assert deployment.clients[former].access_token == read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    done = login(env, "--reset", "--retry")
    assert done.returncode == 0
    assert f"Deleted the former client {former}" in done.stderr
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"
    assert set(deployment.clients) == {f"{deployment.user}/{NAME}"}


def test_a_session_with_other_scopes_replaces_the_former_client(deployment: Sandbox) -> None:
    env = make_env(deployment)
    for scope in ("queue:scheduler-id:a", "queue:scheduler-id:b", "queue:scheduler-id:c"):
        assert login(env, "--scope", scope).returncode == 0
    assert len(deployment.clients) == 1


def test_a_client_name_has_valid_parts(home: Path, deployment: Sandbox) -> None:
    env = make_env(deployment)
    for host, name in {
        "box.example.com": "tcenv-box",
        "bo:x@é/y": "tcenv-bo-x---y",
        "x" * 64: "tcenv-" + "x" * 63,
    }.items():
        done = run_on_machine(host[:60].replace("/", "_") if "/" in host else host, env, "profile", "show", "--json")
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


def test_the_id_of_a_machine_stays(home: Path, deployment: Sandbox) -> None:
    """Containers have a new hostname each day. `{machine}` is stored in the state directory."""
    env = make_env(deployment, TCENV_NAME="tcenv-{machine}")
    names = set()
    for host in ("c1", "c2", "c3"):
        done = run_on_machine(host, env, "profile", "show", "--json")
        assert done.returncode == 0
        names.add(json.loads(done.stdout)["name"])
    assert len(names) == 1
    other = make_env(deployment, TCENV_NAME="tcenv-{machine}", XDG_STATE_HOME=str(home / "other"))
    assert json.loads(run_on_machine("c1", other, "profile", "show", "--json").stdout)["name"] not in names


@pytest.mark.parametrize("scope", ["*", "queue:scheduler-id:a"])
def test_two_names_suffice_if_clients_can_be_deleted(scope: str, deployment: Sandbox) -> None:
    """The session is lost again and again, as at each reboot."""
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


def test_a_client_with_a_session_in_another_store_is_not_deleted(home: Path, deployment: Sandbox) -> None:
    """The other sessions are in another store, only in a shell, or were kept at a logout."""
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    (home / "elsewhere").mkdir(mode=0o700)
    for around in ({"XDG_RUNTIME_DIR": str(home / "elsewhere")}, {"TCENV_STORE": "none"}, {"TCENV_STORE": "file"}):
        assert login({**env, **around}).returncode == 0
    assert login(env).returncode == 0
    assert tcenv("logout", "--keep-client", "--shell", "sh", env=env).returncode == 0
    assert login(env).returncode == 0
    assert len(deployment.clients) == 5


def test_the_next_session_deletes_a_client_that_a_logout_could_not_reach(deployment: Sandbox) -> None:
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


def test_login_fails_at_once_when_all_names_are_taken(deployment: Sandbox) -> None:
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


def test_reset_without_the_scopes_asks_the_browser_for_the_next_name(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(env).returncode == 0
    done = login(env, "--reset")
    assert done.returncode == 0, done.stderr
    # tcenv knows the prefix now, so this session has deleted the former client.
    assert sorted(deployment.clients) == [f"{deployment.user}/{NAME}@2"]
    assert f"{NAME}@2" in done.stderr
    assert "Deleted the former client" in done.stderr
    assert login(env, "--reset").returncode == 0
    assert sorted(deployment.clients) == [f"{deployment.user}/{NAME}"]
    assert read_session_fields(env)["NAME"] == NAME


def test_an_explicit_name_is_not_changed(deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    tcenv("logout", "--keep-client", "--shell", "sh", env=env)
    done = login(env, "--name", NAME, "--timeout", "2s")
    assert done.returncode == 124
    assert "taken" in done.stderr
    assert list(deployment.clients) == [f"{deployment.user}/{NAME}"]


def test_an_edited_client_id_is_accepted_and_remembered(deployment: Sandbox) -> None:
    deployment.create_client(f"{deployment.user}/{NAME}")
    edit = (
        f"{sys.executable} -c 'import sys; from tcenv.sandbox.approve import approve;"
        f' approve(sys.argv[1], rename="{deployment.user}/laptop")\' %s'
    )
    env = make_env(deployment, BROWSER=edit)
    assert login(env).returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/laptop"
    tcenv("logout", "--delete-client", "--shell", "sh", env=env)
    # The next sign-in requests the name that worked.
    assert login({**env, "BROWSER": APPROVE}).returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"].startswith(f"{deployment.user}/")


@pytest.mark.parametrize("insisted", [False, True])
def test_a_taken_name_is_reported_before_the_browser_opens(insisted: bool, deployment: Sandbox) -> None:
    env = make_env(deployment)
    words = ["login", "--shell", "sh", "--scope", "queue:get-task:a", "--no-self-delete"]
    words += ["--name", "x"] if insisted else []
    assert tcenv(*words, env=env).returncode == 0
    find_session_file(env).unlink()
    done = tcenv(*words, *(["--timeout", "3s"] if insisted else []), env=env)
    if insisted:
        assert done.returncode != 0
        assert "The name x was taken when tcenv last heard of it." in done.stderr
    else:
        assert done.returncode == 0, done.stderr
        assert f"The name {NAME} was taken when tcenv last heard of it, so it asks for {NAME}@2." in done.stderr
