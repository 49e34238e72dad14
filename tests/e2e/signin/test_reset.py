"""`--reset` by API: a new token for the same client, which is never lost, whatever happens on the way."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import requests

from tcenv.sandbox import Sandbox
from tests.portholder import wait_until
from tests.programs import require
from tests.reliability.record import record
from tests.terminal import run_in_terminal
from tests.world import TCENV, find_session_file, make_env, read_session_fields, tcenv

OWN = "auth:{verb}:mozilla-auth0/ad|Mozilla-LDAP|sandbox/*"
RESET, UPDATE = OWN.format(verb="reset-access-token"), OWN.format(verb="update-client")
# How many interruptions the long run makes: see `make fuzz`.
INTERRUPTIONS = int(os.environ.get("TCENV_TEST_INTERRUPTIONS", "40"))


class Moment:
    """What happens in the deployment at the moment of a reset."""

    def __init__(self) -> None:
        self.act: Callable[[], None] = lambda: None
        self.resets = 0

    def token(self) -> str:
        self.resets += 1
        self.act()
        return os.urandom(33).hex()[:44]


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def tc(moment: Moment) -> Iterator[Sandbox]:
    with Sandbox(token_factory=moment.token) as sandbox:
        yield sandbox


def signed_in(tc: Sandbox, *scopes: str) -> dict[str, str]:
    env = make_env(tc, TASKCLUSTER_ROOT_URL=tc.root_url)
    done = tcenv("login", "--shell", "sh", *[f"--scope={scope}" for scope in scopes], env=env)
    assert done.returncode == 0, done.stderr
    tc.requests.clear()
    return {**env, "BROWSER": "false", "TCENV_TIMEOUT": "10s"}


def stored_token_is_good(tc: Sandbox, env: dict[str, str]) -> bool:
    fields = read_session_fields(env)
    client = tc.clients.get(fields["TASKCLUSTER_CLIENT_ID"])
    return client is not None and client.access_token == fields["TASKCLUSTER_ACCESS_TOKEN"]


def reset(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return tcenv("login", "--reset", "--shell", "sh", *options, env=env)


def scopes(tc: Sandbox) -> list[str]:
    (client,) = tc.clients.values()
    return sorted(client.scopes)


def calls(tc: Sandbox) -> list[str]:
    """The calls that change something, in order."""
    return [
        f"{call.method} {call.path.rpartition('/')[2]}"
        for call in tc.requests
        if call.method in ("POST", "PUT", "DELETE")
    ]


def test_the_reset_comes_first_and_the_update_is_signed_with_the_new_token(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE, "queue:route:index.sandbox.*")
    old = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    done = reset(env, "--scope", "queue:route:index.sandbox.a")
    assert done.returncode == 0, done.stderr
    assert calls(tc)[0].startswith("POST reset") and len(calls(tc)) == 2
    assert scopes(tc) == ["queue:route:index.sandbox.a"]
    assert stored_token_is_good(tc, env)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] != old


def test_granted_in_part_is_reset_by_api_too(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE, "queue:*", "secrets:get:nobody/has")
    before, old = scopes(tc), read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    done = reset(env)
    assert (done.returncode, tc.approvals) == (0, 1), done.stderr
    assert stored_token_is_good(tc, env)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] != old
    assert scopes(tc) == before


def test_without_scope_options_it_keeps_what_was_asked_for(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE, "queue:route:index.sandbox.*")
    before = scopes(tc)
    for _ in range(2):
        done = reset(env)
        assert done.returncode == 0
        assert "all your scopes" not in done.stderr
    assert (scopes(tc), tc.approvals) == (before, 1)
    lines = find_session_file(env).read_text().splitlines()
    assert sorted(line for line in lines if line.startswith("ASKED=") and ":delete-client:" not in line) == sorted(
        f"ASKED={scope}" for scope in (RESET, UPDATE, "queue:route:index.sandbox.*")
    )


def test_a_session_that_may_reset_and_not_update_keeps_its_end(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, "queue:route:index.sandbox.*")
    before = read_session_fields(env)
    done = reset(env)
    assert (done.returncode, tc.approvals) == (0, 1), done.stderr
    assert calls(tc) == ["POST reset"]
    after = read_session_fields(env)
    assert after["TCENV_EXPIRES"] == before["TCENV_EXPIRES"]
    assert stored_token_is_good(tc, env)
    # Another end is nothing that this session can have; the page can give it.
    assert reset(env, "--expires", "2d").returncode != 0
    assert stored_token_is_good(tc, env)


def test_more_than_was_asked_for_is_the_browsers(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE)
    done = reset({**env, "BROWSER": make_env()["BROWSER"]}, "--scope", RESET, "--scope", "queue:scheduler-id:*")
    assert (done.returncode, tc.approvals) == (0, 2), done.stderr
    assert not [call for call in calls(tc) if call.startswith("POST reset")]


@pytest.mark.parametrize(
    ("granted", "path"),
    [
        (("*",), "/api/"),
        (("*",), "/api/auth/v1/clients"),
        (("queue:route:index.sandbox.*",), "/api/"),
    ],
)
def test_a_deployment_that_is_out_ends_a_reset_and_changes_nothing(
    path: str, granted: tuple[str, ...], tc: Sandbox, tmp_path: Path
) -> None:
    """Whether it would be done by API or in the browser, in a terminal or elsewhere."""
    env = {**signed_in(tc, *granted), "BROWSER": f"touch {tmp_path}/opened"}
    before = find_session_file(env).read_text()
    tc.fail("bad-gateway", path=path)
    status, _, said = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
    assert status == 1, said
    assert "502" in said
    assert find_session_file(env).read_text() == before
    assert not (tmp_path / "opened").exists()
    assert "@2" not in said
    # Three times, as the library would.
    last = tc.requests[-1]
    assert [call.path for call in tc.requests].count(last.path) == 3
    if path == "/api/":
        assert reset(env).returncode == 1
        assert not (tmp_path / "opened").exists()


def test_a_reset_that_nobody_confirms_leaves_a_good_session(tc: Sandbox) -> None:
    """The reset itself is answered with 502, and did not happen."""
    env = signed_in(tc, RESET, UPDATE)
    before = find_session_file(env).read_text()
    tc.fail("bad-gateway", path="/api/auth/v1/clients", method="POST")
    done = reset(env)
    assert done.returncode == 1
    assert "502" in done.stderr
    assert find_session_file(env).read_text() == before


def test_a_refused_reset_changes_nothing(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE)
    before = find_session_file(env).read_bytes()
    tc.fail("forbidden", method="POST")
    assert reset(env, "--timeout", "2s").returncode != 0
    assert find_session_file(env).read_bytes() == before
    assert stored_token_is_good(tc, env)


@pytest.mark.parametrize("fault", ["forbidden", "html", "broken", "other-client"])
def test_a_failed_update_costs_nothing(fault: str, tc: Sandbox, moment: Moment) -> None:
    env = signed_in(tc, RESET, UPDATE)
    end = read_session_fields(env)["TCENV_EXPIRES"]
    # From the reset on, the next call fails.
    moment.act = lambda: tc.fail(fault, method="POST")
    done = reset(env)
    assert done.returncode == 0, done.stderr
    assert "could not be changed" in done.stderr
    assert stored_token_is_good(tc, env)
    assert read_session_fields(env)["TCENV_EXPIRES"] == end
    assert tc.approvals == 1


# --- The store ------------------------------------------------------------------------------------------------------


def full_from_now(pid: int) -> None:
    """No file of this process can grow any more: what a full disk looks like to it."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_before_the_reset(tc: Sandbox, moment: Moment) -> None:
    env = signed_in(tc, RESET, UPDATE)
    before, resets = find_session_file(env).read_bytes(), moment.resets
    done = tcenv(
        "login", "--reset", "--shell", "sh", env=env,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    assert "Nothing was changed" in done.stderr
    assert (find_session_file(env).read_bytes(), moment.resets) == (before, resets)
    assert stored_token_is_good(tc, env)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The folder on a file system that takes nothing any more."""
    subprocess.run([require("mount"), "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_store_that_is_read_only(tc: Sandbox, moment: Moment) -> None:
    """Nothing is reset there, and who has to sign in is given the session all the same."""
    env = signed_in(tc, RESET, UPDATE)
    before, resets = find_session_file(env).read_bytes(), moment.resets
    with read_only(find_session_file(env).parent):
        done = reset(env)
        assert (done.returncode, done.stdout) == (1, "\\false;\n")
        assert "Nothing was changed" in done.stderr
        assert (find_session_file(env).read_bytes(), moment.resets) == (before, resets)
        assert stored_token_is_good(tc, env)
        again = tcenv(
            "login", "--shell", "sh", "--scope", "secrets:get:a", env={**env, "BROWSER": make_env()["BROWSER"]}
        )
        assert again.returncode == 0, again.stderr
        assert "could not be stored" in again.stderr
        assert any(client.access_token in again.stdout for client in tc.clients.values())


@pytest.mark.parametrize("how", ["full", "unsafe", "read-only"])
def test_a_store_that_fails_after_the_reset(how: str, tc: Sandbox, moment: Moment) -> None:
    """The statements are printed all the same: this shell has the session, and says that nothing else has."""
    env = signed_in(tc, RESET, UPDATE)
    store = find_session_file(env).parent
    process = subprocess.Popen(
        [TCENV, "login", "--reset", "--shell", "sh"],
        env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with ExitStack() as stack:
        acts: dict[str, Callable[[], None]] = {
            "full": lambda: full_from_now(process.pid),
            "unsafe": lambda: store.chmod(0o755),
            "read-only": lambda: stack.enter_context(read_only(store)),
        }
        moment.act = acts[how]
        out, told = process.communicate(timeout=60)
    (client,) = tc.clients.values()
    assert process.returncode == 0, told
    assert client.access_token in out
    assert "could not be stored" in told
    assert client.access_token not in told
    # The stored token is dead, and marked: the next command asks the deployment, and says so.
    store.chmod(0o700)
    moment.act = lambda: None
    done = tcenv("env", "--shell", "sh", env=env)
    assert (done.returncode, done.stdout) == (3, "\\false;\n")
    assert "interrupted" in done.stderr
    healed = tcenv("login", "--shell", "sh", env={**env, "BROWSER": make_env()["BROWSER"]})
    assert healed.returncode == 0, healed.stderr
    assert stored_token_is_good(tc, env)


# --- The mark -------------------------------------------------------------------------------------------------------


def mark(env: dict[str, str]) -> None:
    path = find_session_file(env)
    path.write_text(path.read_text().replace("\nEND=", "\nSTATE=resetting\nEND="))


def test_a_stale_mark_heals_by_itself(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE)
    before = find_session_file(env).read_bytes()
    for command in (("env", "--shell", "sh"), ("login", "--shell", "sh"), ("exec", "--", "true")):
        mark(env)
        done = tcenv(*command, env=env)
        assert done.returncode == 0, done.stderr
        assert find_session_file(env).read_bytes() == before
    assert tc.approvals == 1


def test_a_marked_session_is_not_trusted_unasked(tc: Sandbox) -> None:
    env = signed_in(tc, RESET, UPDATE)
    mark(env)
    tc.fail("unavailable")
    done = tcenv("env", "--shell", "sh", env=env)
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    tc.heal()
    (client,) = tc.clients.values()
    client.access_token = "x" * 44
    for command in (("env", "--shell", "sh"), ("exec", "--no-login", "--", "true")):
        assert tcenv(*command, env=env).returncode == 3


@pytest.mark.parametrize("scopes", [(), ("queue:scheduler-id:a",)], ids=["all", "narrow"])
@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_names_do_not_run_out_by_resets_that_were_killed(scopes: tuple[str, ...], public: bool, moment: Moment) -> None:
    """More often in one day than a series has names; the first session knows no prefix, and so has no right to end itself."""
    with Sandbox(token_factory=moment.token, public=public) as tc:
        env = signed_in(tc, *(scopes and (*scopes, RESET)))
        first = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
        browser = {**env, "BROWSER": make_env()["BROWSER"]}
        for number in range(6):
            moment.act = lambda: None
            (client,) = tc.clients.values()
            process = subprocess.Popen(
                [TCENV, "login", "--reset", "--shell", "sh"],
                env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            moment.act = process.kill
            assert process.wait(60) == -signal.SIGKILL
            wait_until(lambda: client.access_token != read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"])  # noqa: B023
            moment.act = lambda: None
            done = tcenv(
                "login", "--shell", "sh", *[f"--scope={scope}" for scope in (*scopes, RESET) if scopes], env=browser
            )
            assert done.returncode == 0, (number, done.stderr)
            assert f"{client.client_id}, which no session uses" in done.stderr
            assert stored_token_is_good(tc, env)
            assert len(tc.clients) == 1
        assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == first


def test_a_session_of_another_deployment_keeps_no_client(moment: Moment) -> None:
    """Two deployments may call a client the same. One whose session is stored for the other is lost here all the same."""
    with Sandbox(token_factory=moment.token) as tc, Sandbox() as other:
        env = signed_in(tc)
        (client,) = tc.clients.values()
        env = {**env, "BROWSER": make_env()["BROWSER"]}
        tcenv("login", other.root_url, "--shell", "sh", env={**env, "TCENV_STORE": "file"})
        assert set(other.clients) == {client.client_id}
        find_session_file(env).unlink()
        done = tcenv("login", "--shell", "sh", env=env)
        assert f"{client.client_id}, which no session uses" in done.stderr


def test_a_token_that_only_a_shell_has_is_not_ended_for_lost(tc: Sandbox, moment: Moment) -> None:
    env = signed_in(tc, RESET, UPDATE)
    store = find_session_file(env).parent
    moment.act = lambda: store.chmod(0o755)
    in_a_shell = reset(env)
    assert in_a_shell.returncode == 0, in_a_shell.stderr
    store.chmod(0o700)
    moment.act = lambda: None
    (client,) = tc.clients.values()
    assert tcenv("login", "--shell", "sh", env={**env, "BROWSER": make_env()["BROWSER"]}).returncode == 0
    assert tc.clients[client.client_id].access_token in in_a_shell.stdout
    assert len(tc.clients) == 2


# --- Interruptions --------------------------------------------------------------------------------------------------


def test_interruptions_lose_nothing(tc: Sandbox, moment: Moment) -> None:
    """At random moments, most of them around the reset itself. Only KILL may cost a session, and then `login` heals."""
    env = signed_in(tc, RESET, UPDATE)
    began = time.monotonic()
    assert reset(env).returncode == 0
    whole = time.monotonic() - began
    # The deployment takes its time on both sides of the moment itself.
    moment.act = lambda: time.sleep(whole / 8)
    random.seed(20261124)
    lost = 0
    for number in range(INTERRUPTIONS):
        kind = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)[number % 4]
        process = subprocess.Popen(
            [TCENV, "login", "--reset", "--shell", "sh"],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        time.sleep(random.uniform(whole / 10, whole * 1.2))
        process.send_signal(kind)
        out, told = process.communicate(timeout=60)
        assert "inside tcenv" not in told, told
        # A reset that has reached the deployment goes on without the process. One thread answers all, in their order.
        for _ in range(2):
            requests.get(f"{tc.root_url}/api/auth/v1/ping", timeout=60)
        if stored_token_is_good(tc, env):
            assert "could not be stored" not in told
        else:
            assert kind == signal.SIGKILL, (signal.Signals(kind).name, out, told)
            lost += 1
        if kind == signal.SIGINT and process.returncode == 130 and "nothing was changed" in told:
            assert stored_token_is_good(tc, env)
        done = tcenv("login", "--shell", "sh", env={**env, "BROWSER": make_env()["BROWSER"]})
        assert done.returncode == 0, done.stderr
        assert stored_token_is_good(tc, env), "login heals by itself"
        # Whose token was lost to KILL is ended by the next session: else a day would have five names.
        assert set(tc.clients) == {read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]}
    assert lost <= INTERRUPTIONS // 4
    record("interruptions", INTERRUPTIONS, lost)
