"""Sign out: tcenv deletes the client if it may, unloads only this profile, and does not wait for the network."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.fake_clock import FakeClock
from tests.programs import require, run_program
from tests.terminal import Terminal
from tests.world import APPROVE, NAME, find_session_file, login, make_env, read_session_fields, sign_in, tcenv

DELETED = "its token no longer works"


def logout(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return tcenv("logout", *arguments, "--shell", "sh", env=env)


def list_sessions(env: dict[str, str]) -> list[str]:
    return sorted(path.name for path in (Path(env["XDG_RUNTIME_DIR"]) / "tcenv").glob("*.session"))


def test_logout_deletes_the_client_and_frees_its_name(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    done = logout(env)
    assert (done.returncode, done.stdout.strip()) == (0, "")
    assert DELETED in done.stderr
    assert not deployment.clients
    sign_in(deployment)
    assert list(deployment.clients) == [f"{deployment.user}/{NAME}"]


def test_a_narrow_session_deletes_its_client_once_the_prefix_is_known(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(env).returncode == 0
    first = logout(env)
    assert first.returncode == 0
    page = f"{deployment.root_url}/auth/clients/mozilla-auth0%2Fad%7CMozilla-LDAP%7Csandbox%2F{NAME}"
    assert page in first.stderr
    assert "works until" in first.stderr
    assert len(deployment.clients) == 1
    second = login(env)
    assert f"auth:delete-client:{deployment.user}/{NAME}" in second.stderr
    assert list(deployment.clients) == [f"{deployment.user}/{NAME}@2"]
    assert logout(env).returncode == 0
    for _ in range(3):
        assert login(env).returncode == 0
        assert logout(env).returncode == 0
        assert not deployment.clients


def test_the_scope_to_delete_itself_is_omitted_on_request_or_without_room(deployment: Sandbox) -> None:
    narrow = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(narrow).returncode == 0
    assert logout(narrow).returncode == 0
    without = login(narrow, "--no-self-delete")
    assert "delete-client" not in without.stderr
    assert logout(narrow, "--keep-client").returncode == 0
    for count, asked in ((18, 2), (19, 1), (20, 0)):
        env = make_env(deployment, TCENV_SCOPE=" ".join(f"queue:x:{n}" for n in range(count)))
        done = login(env)
        assert done.returncode == 0, done.stderr
        assert done.stderr.replace("%3A", ":").count("scope=auth:delete-client:") == asked
        assert ("no room" in done.stderr) == (asked < 2)
        logout(env)


def test_the_scope_to_delete_itself_is_never_passed_on(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(env).returncode == 0
    logout(env)
    assert login(env).returncode == 0
    narrowed = tcenv("env", "--for", "1h", "--format", "json", env={k: v for k, v in env.items() if k != "TCENV_SCOPE"})
    assert narrowed.returncode == 0, narrowed.stderr
    assert "queue:scheduler-id:a" in narrowed.stdout
    assert "delete-client" not in narrowed.stdout
    scope = f"auth:delete-client:{read_session_fields(env)['TASKCLUSTER_CLIENT_ID']}"
    assert tcenv("env", "--scope", scope, "--format", "json", env=env).returncode == 2


def test_a_renamed_client_stays_and_logout_says_so(deployment: Sandbox) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:scheduler-id:a")
    assert login(env).returncode == 0
    logout(env)

    edit = (
        f"{sys.executable} -c 'import sys; from tcenv.sandbox.approve import approve;"
        f' approve(sys.argv[1], rename="{deployment.user}/laptop")\' %s'
    )
    done = login({**env, "BROWSER": edit})
    assert done.returncode == 0
    assert "changed the Client ID on the page" in done.stderr
    out = logout(env)
    assert f"{deployment.user}/laptop" in deployment.clients
    assert "works until" in out.stderr
    # A session with the scope can delete it on request.
    assert login({**env, "TCENV_SCOPE": "auth:delete-client:*"}).returncode == 0
    assert logout(env, "--delete-client").returncode == 0


def test_keep_client_keeps_the_client(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    done = logout(env, "--keep-client")
    assert done.returncode == 0
    assert list(deployment.clients) == [f"{deployment.user}/{NAME}"]
    assert logout(env, "--keep-client", "--delete-client").returncode == 2


def test_logout_accepts_a_client_that_is_gone_or_expired(deployment: Sandbox) -> None:
    for event in ("gone", "disabled", "expired"):
        env = sign_in(deployment)
        client_id = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
        if event == "gone":
            deployment.delete(client_id)
        elif event == "disabled":
            deployment.disable(client_id)
        else:
            deployment.clock_offset = 2 * 86400
        done = logout(env, "--delete-client")
        assert done.returncode == 0, (event, done.stderr)
        assert list_sessions(env) == []
        deployment.clock_offset = 0
        deployment.clients.pop(client_id, None)


@pytest.mark.parametrize("network", ["refused", "silent"])
def test_logout_without_a_network_forgets_the_session(network: str) -> None:
    with Sandbox() as sandbox:
        env = sign_in(sandbox)
        port = sandbox.port
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if network == "silent":
        listener.bind(("127.0.0.1", port))
        listener.listen()
    script = 'eval "$(tcenv env)"; eval "$(tcenv logout)"; echo "$? ${TASKCLUSTER_ACCESS_TOKEN-none}"'
    done = run_program("bash", "-c", script, env=env)
    listener.close()
    assert done.stdout == "0 none\n"
    assert "works until" in done.stderr
    assert list_sessions(env) == []


def test_logout_of_another_profile_does_not_unload_this_one(deployment: Sandbox) -> None:
    with Sandbox() as other:
        env = make_env()
        for name, root_url in (("work", deployment.root_url), ("sb", other.root_url)):
            assert tcenv("profile", "set", name, "--root-url", root_url, env=env).returncode == 0
            assert login(env, name).returncode == 0
        script = (
            'eval "$(tcenv env work)"; eval "$(tcenv logout sb)"; echo "$? $TCENV_PROFILE ${TASKCLUSTER_ACCESS_TOKEN:+yes}"\n'
            'eval "$(tcenv logout)"; echo "$? ${TCENV_PROFILE-none} ${TASKCLUSTER_ROOT_URL-none}"'
        )
        done = run_program("bash", "-c", script, env=env)
        assert done.stdout == "0 work yes\n0 none none\n", done.stderr
    assert list_sessions(env) == []


def test_an_unknown_profile_is_an_error(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    for words in (("nobody",), ("https://never.example.com",)):
        done = logout(env, *words)
        assert (done.returncode, done.stdout) == (2, "\\false;\n")
    assert len(list_sessions(env)) == 1
    # A profile that is configured or loaded is no error, even without a session.
    assert tcenv("profile", "set", "sb", "--root-url", "https://sb.example.com", env=env).returncode == 0
    assert logout(env, "sb").returncode == 0
    assert logout(env).returncode == 0
    assert logout(env).returncode == 0


def test_a_second_logout_unloads_the_shell(deployment: Sandbox) -> None:
    """Another terminal has signed out, and this shell has had no prompt since."""
    env = sign_in(deployment)
    script = (
        'eval "$(tcenv env)"; tcenv logout >/dev/null; [ -n "$TASKCLUSTER_ACCESS_TOKEN" ]\n'
        'eval "$(tcenv logout)"; echo "$? ${TASKCLUSTER_ACCESS_TOKEN-none} $TASKCLUSTER_ROOT_URL"'
    )
    done = run_program("bash", "-c", script, env=env)
    assert done.stdout == f"0 none {deployment.root_url}\n", done.stderr


def test_logout_all_looks_in_every_store(deployment: Sandbox, home: Path) -> None:
    env = sign_in(deployment)
    with Sandbox() as other:
        sign_in(other)
        filed = make_env(other, TCENV_STORE="file")
        assert login(filed).returncode == 0
        assert list((home / ".local/state/tcenv/sessions").glob("*.session"))
        left = home / "run/tcenv/.x.session.999999999.0123456789ab.tmp"
        left.write_text("the token of a writer that was killed")
        assert logout(env, "--all").returncode == 0
        assert not other.clients
    assert not deployment.clients
    assert not list(home.rglob("*.session"))
    assert not left.exists()


def test_logout_all_asks_deployments_at_once() -> None:
    """tcenv waits for twelve silent deployments together."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    stop = threading.Event()
    with Sandbox() as sandbox:
        env = sign_in(sandbox)
        folder = Path(env["XDG_RUNTIME_DIR"]) / "tcenv"
        text = next(folder.glob("*.session")).read_text()
        name = next(folder.glob("*.session")).stem
        for n in range(12):
            root_url = f"http://localhost:{listener.getsockname()[1]}/d{n}"
            key = f"http_localhost_{listener.getsockname()[1]}__d{n}"
            path = folder / f"{key}.session"
            path.write_text(text.replace(name, key).replace(sandbox.root_url, root_url))
            path.chmod(0o600)
        started = time.monotonic()
        done = logout(env, "--all")
        took = time.monotonic() - started
    stop.set()
    listener.close()
    assert done.returncode == 0
    assert list_sessions(env) == []
    # One after the other would take twelve times four seconds.
    assert took < 48
    assert done.stderr.count("Signed out of") == 13


def test_profile_remove_reports_the_end_of_its_session(deployment: Sandbox) -> None:
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, env=env).returncode == 0
    assert login({**env, "BROWSER": APPROVE}, "work").returncode == 0
    done = tcenv("profile", "remove", "work", env=env)
    assert done.returncode == 0
    assert "works until" in done.stderr
    assert list_sessions(env) == []


@pytest.mark.parametrize(
    ("keys", "status", "is_dead"),
    [("y", 0, True), ("", 0, True), ("n", 0, False), ("C-d", 0, False), ("C-c", 130, False)],
    ids=["yes", "enter", "no", "end of file", "interrupt"],
)
def test_profile_remove_offers_to_end_a_live_session(
    keys: str, status: int, is_dead: bool, deployment: Sandbox, home: Path, tmp_path: Path
) -> None:
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, env=env).returncode == 0
    assert login({**env, "BROWSER": APPROVE}, "work").returncode == 0
    with Terminal([require("bash"), "--norc", "--noprofile"], {**env, "PS1": "> "}, tmp_path) as terminal:
        terminal.type("tcenv profile remove work; echo status $?.")
        terminal.wait_for("[Y/n]")
        terminal.press(keys) if keys.startswith("C-") else terminal.type(keys)
        terminal.wait_for(f"status {status}.")
        screen = terminal.read_screen()
    assert (deployment.clients == {}) == is_dead
    # An interruption changes nothing.
    assert (list_sessions(env) == []) == (status == 0)
    assert ("work" in (home / ".config/tcenv/config.toml").read_text()) == (status != 0)
    assert ("works until" in screen) == (status == 0 and not is_dead)


def test_profile_remove_does_not_ask_about_an_expired_session(deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env()
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, env=env).returncode == 0
    assert login({**env, "BROWSER": APPROVE}, "work").returncode == 0
    clock = FakeClock(tmp_path)
    clock.advance(2 * 86400)
    bash = [require("bash"), "--norc", "--noprofile"]
    with Terminal(bash, {**env, **clock.variables, "PS1": "> "}, tmp_path) as terminal:
        terminal.type("tcenv profile remove work; echo status $?.")
        terminal.wait_for("status 0.")
        assert "[Y/n]" not in terminal.read_screen()
    assert list_sessions(env) == []


def test_logout_can_delete_the_client_and_all_sessions(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    done = tcenv("logout", "--delete-client", "--shell", "sh", env=env)
    assert done.returncode == 0
    assert not deployment.clients
    with Sandbox() as other:
        sign_in(deployment)
        sign_in(other)
        assert tcenv("logout", "--all", "--shell", "sh", env=env).returncode == 0
    assert not list(find_session_file(env, "x").parent.glob("*.session"))
