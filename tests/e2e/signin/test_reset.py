"""Check `--reset` by API: the client gets a new token, which no failure loses."""

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
from tests.world import TCENV, find_session_file, login, make_env, read_session_fields, start_browser, tcenv

OWN = "auth:{verb}:mozilla-auth0/ad|Mozilla-LDAP|sandbox/*"
RESET, UPDATE = OWN.format(verb="reset-access-token"), OWN.format(verb="update-client")
# `make fuzz` sets a higher number.
INTERRUPTIONS = int(os.environ.get("TCENV_TEST_INTERRUPTIONS", "40"))


class ResetHook:
    """Act in the deployment at the moment of a reset."""

    def __init__(self) -> None:
        self.act: Callable[[], None] = lambda: None
        self.resets = 0

    def token(self) -> str:
        self.resets += 1
        self.act()
        return os.urandom(33).hex()[:44]


@pytest.fixture
def reset_hook() -> ResetHook:
    return ResetHook()


@pytest.fixture
def tc(reset_hook: ResetHook) -> Iterator[Sandbox]:
    with Sandbox(token_factory=reset_hook.token) as sandbox:
        yield sandbox


def sign_in_with(tc: Sandbox, *scopes: str) -> dict[str, str]:
    """Sign in with these scopes. Return an environment whose browser fails."""
    env = make_env(tc)
    done = login(env, *[f"--scope={scope}" for scope in scopes])
    assert done.returncode == 0, done.stderr
    tc.requests.clear()
    return {**env, "BROWSER": "false", "TCENV_TIMEOUT": "10s"}


def allow_browser(env: dict[str, str]) -> dict[str, str]:
    return {**env, "BROWSER": start_browser()}


def start_reset(env: dict[str, str]) -> subprocess.Popen[str]:
    words = [TCENV, "login", "--reset", "--shell", "sh"]
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)


def is_stored_token_valid(tc: Sandbox, env: dict[str, str]) -> bool:
    fields = read_session_fields(env)
    client = tc.clients.get(fields["TASKCLUSTER_CLIENT_ID"])
    return client is not None and client.access_token == fields["TASKCLUSTER_ACCESS_TOKEN"]


def reset(env: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    return login(env, "--reset", *options)


def read_scopes(tc: Sandbox) -> list[str]:
    (client,) = tc.clients.values()
    return sorted(client.scopes)


def list_changes(tc: Sandbox) -> list[str]:
    """Return the calls that change something, in their order."""
    return [
        f"{call.method} {call.path.rpartition('/')[2]}"
        for call in tc.requests
        if call.method in ("POST", "PUT", "DELETE")
    ]


def test_the_update_after_a_reset_is_signed_with_the_new_token(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, UPDATE, "queue:route:index.sandbox.*")
    old = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    done = reset(env, "--scope", "queue:route:index.sandbox.a")
    assert done.returncode == 0, done.stderr
    assert list_changes(tc)[0].startswith("POST reset") and len(list_changes(tc)) == 2
    assert read_scopes(tc) == ["queue:route:index.sandbox.a"]
    assert is_stored_token_valid(tc, env)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] != old


def test_a_partly_granted_session_is_reset_by_api(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, UPDATE, "queue:*", "secrets:get:nobody/has")
    before, old = read_scopes(tc), read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    done = reset(env)
    assert (done.returncode, tc.approvals) == (0, 1), done.stderr
    assert is_stored_token_valid(tc, env)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] != old
    assert read_scopes(tc) == before


def test_a_reset_without_scope_options_keeps_the_requested_scopes(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, UPDATE, "queue:route:index.sandbox.*")
    before = read_scopes(tc)
    for _ in range(2):
        done = reset(env)
        assert done.returncode == 0
        assert "all your scopes" not in done.stderr
    assert (read_scopes(tc), tc.approvals) == (before, 1)
    lines = find_session_file(env).read_text().splitlines()
    assert sorted(line for line in lines if line.startswith("ASKED=") and ":delete-client:" not in line) == sorted(
        f"ASKED={scope}" for scope in (RESET, UPDATE, "queue:route:index.sandbox.*")
    )


def test_a_session_without_the_update_scope_keeps_its_expiry(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, "queue:route:index.sandbox.*")
    before = read_session_fields(env)
    done = reset(env)
    assert (done.returncode, tc.approvals) == (0, 1), done.stderr
    assert list_changes(tc) == ["POST reset"]
    after = read_session_fields(env)
    assert after["TCENV_EXPIRES"] == before["TCENV_EXPIRES"]
    assert is_stored_token_valid(tc, env)
    # Only the page can give this session another expiry.
    assert reset(env, "--expires", "2d").returncode != 0
    assert is_stored_token_valid(tc, env)


def test_more_scopes_need_the_browser(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    done = reset(allow_browser(env), "--scope", RESET, "--scope", "queue:scheduler-id:*")
    assert (done.returncode, tc.approvals) == (0, 2), done.stderr
    assert not [call for call in list_changes(tc) if call.startswith("POST reset")]


@pytest.mark.parametrize(
    ("granted", "path"),
    [
        (("*",), "/api/"),
        (("*",), "/api/auth/v1/clients"),
        (("queue:route:index.sandbox.*",), "/api/"),
    ],
)
def test_an_outage_ends_a_reset_and_changes_nothing(
    path: str, granted: tuple[str, ...], tc: Sandbox, tmp_path: Path
) -> None:
    """The reset may go by API or through the browser, with a terminal or without."""
    env = {**sign_in_with(tc, *granted), "BROWSER": f"touch {tmp_path}/opened"}
    before = find_session_file(env).read_text()
    tc.fail("bad-gateway", path=path)
    status, _, output = run_in_terminal(TCENV, "login", "--reset", "--shell", "sh", env=env)
    assert status == 1, output
    assert "502" in output
    assert find_session_file(env).read_text() == before
    assert not (tmp_path / "opened").exists()
    assert "@2" not in output
    # The client library tries three times too.
    last = tc.requests[-1]
    assert [call.path for call in tc.requests].count(last.path) == 3
    if path == "/api/":
        assert reset(env).returncode == 1
        assert not (tmp_path / "opened").exists()


@pytest.mark.parametrize(
    ("fault", "path", "options", "message"),
    [("bad-gateway", "/api/auth/v1/clients", (), "502"), ("forbidden", "/api/", ("--timeout", "2s"), "")],
)
def test_a_failed_reset_keeps_the_session(
    fault: str, path: str, options: tuple[str, ...], message: str, tc: Sandbox
) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    before = find_session_file(env).read_bytes()
    tc.fail(fault, path=path, method="POST")
    done = reset(env, *options)
    assert done.returncode == 1 if message else done.returncode != 0
    assert message in done.stderr
    assert find_session_file(env).read_bytes() == before
    assert is_stored_token_valid(tc, env)


@pytest.mark.parametrize("fault", ["forbidden", "html", "broken", "other-client"])
def test_a_failed_update_keeps_the_session(fault: str, tc: Sandbox, reset_hook: ResetHook) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    end = read_session_fields(env)["TCENV_EXPIRES"]
    # Only the calls after the reset fail.
    reset_hook.act = lambda: tc.fail(fault, method="POST")
    done = reset(env)
    assert done.returncode == 0, done.stderr
    assert "could not be changed" in done.stderr
    assert is_stored_token_valid(tc, env)
    assert read_session_fields(env)["TCENV_EXPIRES"] == end
    assert tc.approvals == 1


def fill_disk(pid: int) -> None:
    """Prevent the files of a process (0: this one) from growing, as a full disk does."""
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, 0))


def test_a_full_disk_prevents_a_reset(tc: Sandbox, reset_hook: ResetHook) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    before, resets = find_session_file(env).read_bytes(), reset_hook.resets
    done = tcenv("login", "--reset", "--shell", "sh", env=env, preexec_fn=lambda: fill_disk(0))
    assert (done.returncode, done.stdout) == (1, "\\false;\n")
    assert "Nothing was changed" in done.stderr
    assert (find_session_file(env).read_bytes(), reset_hook.resets) == (before, resets)
    assert is_stored_token_valid(tc, env)


@contextmanager
def mount_read_only(folder: Path) -> Iterator[None]:
    """Make the folder's file system read-only."""
    subprocess.run([require("mount"), "--bind", folder, folder], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_read_only_store_prevents_a_reset(tc: Sandbox, reset_hook: ResetHook) -> None:
    """The reset changes nothing. A new sign-in still gives the session to the shell."""
    env = sign_in_with(tc, RESET, UPDATE)
    before, resets = find_session_file(env).read_bytes(), reset_hook.resets
    with mount_read_only(find_session_file(env).parent):
        done = reset(env)
        assert (done.returncode, done.stdout) == (1, "\\false;\n")
        assert "Nothing was changed" in done.stderr
        assert (find_session_file(env).read_bytes(), reset_hook.resets) == (before, resets)
        assert is_stored_token_valid(tc, env)
        again = login(allow_browser(env), "--scope", "secrets:get:a")
        assert again.returncode == 0, again.stderr
        assert "could not be stored" in again.stderr
        assert any(client.access_token in again.stdout for client in tc.clients.values())


@pytest.mark.parametrize("how", ["full", "unsafe", "read-only"])
def test_a_store_that_fails_after_the_reset_costs_no_token(how: str, tc: Sandbox, reset_hook: ResetHook) -> None:
    """The shell still gets the new token, and a message that only this shell has it."""
    env = sign_in_with(tc, RESET, UPDATE)
    store = find_session_file(env).parent
    process = start_reset(env)
    with ExitStack() as stack:
        acts: dict[str, Callable[[], None]] = {
            "full": lambda: fill_disk(process.pid),
            "unsafe": lambda: store.chmod(0o755),
            "read-only": lambda: stack.enter_context(mount_read_only(store)),
        }
        reset_hook.act = acts[how]
        out, errors = process.communicate(timeout=60)
    (client,) = tc.clients.values()
    assert process.returncode == 0, errors
    assert client.access_token in out
    assert "could not be stored" in errors
    assert client.access_token not in errors
    # The stored token no longer works and is marked, so the next command asks the deployment.
    store.chmod(0o700)
    reset_hook.act = lambda: None
    done = tcenv("env", "--shell", "sh", env=env)
    assert (done.returncode, done.stdout) == (3, "\\false;\n")
    assert "interrupted" in done.stderr
    healed = login(allow_browser(env))
    assert healed.returncode == 0, healed.stderr
    assert is_stored_token_valid(tc, env)


def mark_as_resetting(env: dict[str, str]) -> None:
    path = find_session_file(env)
    path.write_text(path.read_text().replace("\nEND=", "\nSTATE=resetting\nEND="))


def test_a_stale_mark_is_removed(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    before = find_session_file(env).read_bytes()
    for command in (("env", "--shell", "sh"), ("login", "--shell", "sh"), ("exec", "--", "true")):
        mark_as_resetting(env)
        done = tcenv(*command, env=env)
        assert done.returncode == 0, done.stderr
        assert find_session_file(env).read_bytes() == before
    assert tc.approvals == 1


def test_a_marked_session_is_verified_before_use(tc: Sandbox) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    mark_as_resetting(env)
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
def test_killed_resets_do_not_use_up_the_names(scopes: tuple[str, ...], public: bool, reset_hook: ResetHook) -> None:
    """A day has more killed resets than names. The first session knows no prefix, so it cannot delete its own client."""
    with Sandbox(token_factory=reset_hook.token, public=public) as tc:
        env = sign_in_with(tc, *(scopes and (*scopes, RESET)))
        first = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
        browser = allow_browser(env)
        for number in range(6):
            reset_hook.act = lambda: None
            (client,) = tc.clients.values()
            process = start_reset(env)
            reset_hook.act = process.kill
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
            wait_until(lambda: client.access_token != read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"])  # noqa: B023
            reset_hook.act = lambda: None
            done = login(browser, *[f"--scope={scope}" for scope in (*scopes, RESET) if scopes])
            assert done.returncode == 0, (number, done.stderr)
            assert f"{client.client_id}, which no session uses" in done.stderr
            assert is_stored_token_valid(tc, env)
            assert len(tc.clients) == 1
        assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"] == first


def test_a_client_that_only_a_shell_uses_is_not_deleted(tc: Sandbox, reset_hook: ResetHook) -> None:
    env = sign_in_with(tc, RESET, UPDATE)
    store = find_session_file(env).parent
    reset_hook.act = lambda: store.chmod(0o755)
    in_a_shell = reset(env)
    assert in_a_shell.returncode == 0, in_a_shell.stderr
    store.chmod(0o700)
    reset_hook.act = lambda: None
    (client,) = tc.clients.values()
    assert login(allow_browser(env)).returncode == 0
    assert tc.clients[client.client_id].access_token in in_a_shell.stdout
    assert len(tc.clients) == 2


def test_interruptions_lose_no_session(tc: Sandbox, reset_hook: ResetHook) -> None:
    """Signals come at random moments, most of them around the reset. Only SIGKILL may cost one, and `login` repairs that."""
    env = sign_in_with(tc, RESET, UPDATE)
    began = time.monotonic()
    assert reset(env).returncode == 0
    whole = time.monotonic() - began
    # Let the deployment take longer, so that more signals meet the reset itself.
    reset_hook.act = lambda: time.sleep(whole / 8)
    random.seed(20261124)
    lost = 0
    for number in range(INTERRUPTIONS):
        kind = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)[number % 4]
        process = start_reset(env)
        time.sleep(random.uniform(whole / 10, whole * 1.2))
        process.send_signal(kind)
        out, errors = process.communicate(timeout=60)
        assert "inside tcenv" not in errors, errors
        # A reset that has reached the deployment continues. One thread answers all calls in order, so wait for two.
        for _ in range(2):
            requests.get(f"{tc.root_url}/api/auth/v1/ping", timeout=60)
        if is_stored_token_valid(tc, env):
            assert "could not be stored" not in errors
        else:
            assert kind == signal.SIGKILL, (signal.Signals(kind).name, out, errors)
            lost += 1
        if kind == signal.SIGINT and process.returncode == 130 and "nothing was changed" in errors:
            assert is_stored_token_valid(tc, env)
        done = login(allow_browser(env))
        assert done.returncode == 0, done.stderr
        assert is_stored_token_valid(tc, env), "login heals by itself"
        # The next session deletes the client whose token was lost. Otherwise a day would use five names.
        assert set(tc.clients) == {read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]}
    assert lost <= INTERRUPTIONS // 4
    record("interruptions", INTERRUPTIONS, lost)


def test_a_reset_by_api_gives_a_new_token_and_expiry(tc: Sandbox) -> None:
    env = sign_in_with(tc)
    before = read_session_fields(env)
    assert reset(env, "--expires", "3d").returncode == 0
    after = read_session_fields(env)
    assert after["TASKCLUSTER_CLIENT_ID"] == before["TASKCLUSTER_CLIENT_ID"]
    assert after["TASKCLUSTER_ACCESS_TOKEN"] != before["TASKCLUSTER_ACCESS_TOKEN"]
    assert int(after["TCENV_EXPIRES"]) > int(before["TCENV_EXPIRES"]) + 86400
    assert is_stored_token_valid(tc, env)
    assert tc.clients[after["TASKCLUSTER_CLIENT_ID"]].delete_on_expiration
    assert tc.approvals == 1
