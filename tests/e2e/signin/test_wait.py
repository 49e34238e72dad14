"""Check events during the wait for the browser. None of them loses the sign-in."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pexpect
import pytest

from tcenv.sandbox import Sandbox
from tests.login_process import LoginProcess
from tests.programs import require, run_program
from tests.world import NAME, TCENV, find_session_file, login, make_env, tcenv


def test_another_users_process_is_refused_and_the_wait_goes_on(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    theirs = deployment.create_client("mozilla-auth0/mallory/tcenv", ["*"])
    query = f"clientId={theirs.client_id}&accessToken={theirs.access_token}"
    # The other user knows the secret path from an argument list.
    other = (require("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups")
    assert waiting.answer(query, *other).split()[1] == "403"
    waiting.wait_for("was refused")
    waiting.approve()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "mallory" not in out
    assert "was refused" in err


def test_https_to_the_listener_is_reported(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    context = ssl.create_default_context()
    port = urlsplit(waiting.callback).port
    with socket.create_connection(("127.0.0.1", port or 0), timeout=60) as connection, pytest.raises(ssl.SSLError):
        context.wrap_socket(connection, server_hostname="localhost")
    waiting.wait_for("insists on https")
    waiting.approve()
    status, _, err = waiting.end()
    assert status == 0, err
    assert err.count("insists on https") == 1


def test_an_answer_to_another_host_is_refused(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    theirs = deployment.create_client("mozilla-auth0/mallory/tcenv", ["*"])
    query = f"clientId={theirs.client_id}&accessToken={theirs.access_token}"
    assert waiting.answer(query, host="rebound.example").split()[1] == "421"
    waiting.wait_for("another host than localhost")
    waiting.approve()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "mallory" not in out


def test_rejected_credentials_do_not_end_the_wait(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    assert waiting.answer(f"clientId=somebody/else&accessToken={'A' * 44}").split()[1] == "303"
    waiting.wait_for("Still waiting")
    waiting.approve()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "Still waiting" in err
    assert "somebody/else" not in out
    # tcenv remembers no prefix of credentials that were not verified.
    remembered = [path.read_text() for path in Path(waiting.env["XDG_STATE_HOME"]).rglob("*.json")]
    assert remembered and not any("somebody" in text for text in remembered)


def test_verification_is_retried_after_an_outage(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    deployment.fail("unavailable", path="/api/auth/v1/scopes")
    deployment.fail("unavailable", path="/api/auth/v1/clients", method="GET")
    with ThreadPoolExecutor() as pool:
        approved = pool.submit(waiting.approve)
        waiting.wait_for("asks again")
        deployment.heal()
        approved.result()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "asks again" in err
    assert "TASKCLUSTER_ACCESS_TOKEN" in out


@pytest.mark.parametrize("scope", ["*", "queue:scheduler-id:a"])
def test_killed_approvals_do_not_use_up_the_names(scope: str, deployment: Sandbox, tmp_path: Path) -> None:
    """A day has more killed sign-ins than names. Each dies between the callback and its verification."""
    env = make_env(deployment, TCENV_SCOPE=scope)
    remembered = Path(env["XDG_STATE_HOME"])
    # The first sign-in shows the user's prefix.
    for command in ("login", "logout"):
        assert tcenv(command, "--shell", "sh", env=env).returncode == 0
    for number in range(6):
        deployment.fail("unavailable", path="/api/auth/v1/clients", method="GET")
        folder = tmp_path / str(number)
        folder.mkdir()
        waiting = LoginProcess(deployment, folder, "--retry", TCENV_SCOPE=scope)
        clients = len(deployment.clients)
        browser = subprocess.Popen(
            [sys.executable, "-m", "tcenv.sandbox.approve", waiting.url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while not any('"confirmed": false' in path.read_text() for path in remembered.rglob("*.json")):
            assert waiting.process.poll() is None
            time.sleep(0.02)
        waiting.process.kill()
        waiting.end()
        browser.wait(60)
        assert len(deployment.clients) == clients + 1
        deployment.heal()
        done = login(env, "--retry")
        assert done.returncode == 0, (number, done.stderr)
        assert "which no session uses" in done.stderr
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert len(deployment.clients) <= 1


def test_another_user_than_last_time_is_reported(deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    assert login(env).returncode == 0
    find_session_file(env).unlink()
    waiting = LoginProcess(deployment, tmp_path)
    other = deployment.create_client("mozilla-auth0/mallory/tcenv", ["queue:*"])
    waiting.answer(f"clientId={other.client_id}&accessToken={other.access_token}")
    status, _, err = waiting.end()
    assert status == 0
    assert "but the last sign-in here was" in err


@pytest.mark.parametrize("fault", ["full", "closed"])
def test_a_session_that_cannot_be_stored_reaches_the_shell(fault: str, deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    runtime = Path(waiting.env["XDG_RUNTIME_DIR"])
    (runtime / "tcenv").mkdir(exist_ok=True, mode=0o700)
    if fault == "full":
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=4k,nr_inodes=2,mode=0700", "none", runtime / "tcenv"], check=True
        )
        # The sign-in may have taken the room before.
        with suppress(OSError):
            (runtime / "tcenv/filling").write_bytes(b"x" * 4096)
    else:
        (runtime / "tcenv").chmod(0o755)
    try:
        waiting.approve()
        status, out, err = waiting.end()
    finally:
        if fault == "full":
            subprocess.run(["umount", runtime / "tcenv"], check=True)
    assert status == 0, err
    assert "TASKCLUSTER_ACCESS_TOKEN" in out
    assert "could not be stored" in err


def test_a_sign_in_with_few_descriptors_works_or_fails_cleanly(deployment: Sandbox) -> None:
    done = run_program("bash", "-c", f"ulimit -n 16; exec {TCENV} login --shell sh", env=make_env(deployment))
    assert "Traceback" not in done.stderr
    assert done.stdout == "\\false;\n" if done.returncode else "TASKCLUSTER_ACCESS_TOKEN" in done.stdout


def test_a_wrong_clock_is_reported_during_the_wait(deployment: Sandbox, tmp_path: Path) -> None:
    deployment.clock_offset = 2 * 3600
    waiting = LoginProcess(deployment, tmp_path, "--timeout", "3s")
    status, _, err = waiting.end()
    assert status == 124
    assert "clock is 2 h behind" in err or "clock is 1 h 59 min behind" in err
    assert "Close the sign-in page" in err


def test_an_unreachable_deployment_is_reported_during_the_wait(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with Sandbox() as sandbox:
            waiting = LoginProcess(
                sandbox, tmp_path, "--timeout", "3s", TCENV_ROOT_URL=f"http://127.0.0.1:{taken.getsockname()[1]}"
            )
        assert "cannot be reached" in waiting.end()[2]


def test_the_page_and_the_terminal_say_that_the_wait_goes_on(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    page = waiting.answer_and_follow(f"clientId=somebody/else&accessToken={'A' * 44}")
    waiting.wait_for("Still waiting")
    assert "still waits" in page
    assert "run tcenv login" not in page
    waiting.approve()
    assert waiting.end()[0] == 0


def test_the_page_and_the_terminal_say_that_a_wrong_clock_ends_the_wait(deployment: Sandbox, tmp_path: Path) -> None:
    deployment.clock_offset = 2 * 3600
    waiting = LoginProcess(deployment, tmp_path)
    client = deployment.create_client("somebody/else")
    page = waiting.answer_and_follow(f"clientId={client.client_id}&accessToken={client.access_token}")
    status, _, err = waiting.end()
    assert (status, "still waits" in page, "Still waiting" in err) == (1, False, False)
    assert re.search("clock.*tcenv login", re.sub("<[^>]*>", "", page))


def test_the_timeout_names_the_refused_answer_as_the_cause(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path, "--timeout", "8s")
    waiting.answer(f"clientId=somebody/else&accessToken={'A' * 44}")
    status, _, err = waiting.end()
    assert status == 1
    assert "no longer exists" in err.splitlines()[-2]
    assert "already exists" not in err


@pytest.mark.parametrize(
    ("fault", "message"),
    [("hang-up", "cannot be reached"), ("bad-gateway", "502"), ("clock", "Set the clock"), ("", "already exists")],
)
def test_the_hint_after_a_timeout_names_the_fault(
    fault: str, message: str, deployment: Sandbox, tmp_path: Path
) -> None:
    if fault:
        deployment.fail(fault, path="/api/")
    status, _, err = LoginProcess(deployment, tmp_path, "--timeout", "3s").end()
    hint = err.splitlines()[-1]
    assert (status, message in hint, "already exists" in hint) == (124, True, not fault), err


@pytest.mark.deployment(public=False)
def test_the_hint_on_a_private_deployment_has_the_whole_client_id(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path, "--timeout", "3s")
    hint = waiting.end()[2].splitlines()[-1]
    assert "Not Found" in hint and f"/{NAME}" in hint
    # Once the user's own clientId is known, the hint names the whole one.
    assert login(make_env(deployment), "--retry").returncode == 0
    find_session_file(waiting.env).unlink()
    (tmp_path / "url").unlink()
    hint = LoginProcess(deployment, tmp_path, "--timeout", "3s", "--retry").end()[2].splitlines()[-1]
    assert f"{deployment.user}/{NAME}" in hint


@pytest.mark.parametrize(("variant", "warned"), [("create", True), ("both", False), ("new", False)])
def test_a_missing_older_page_causes_a_warning(variant: str, warned: bool, tmp_path: Path) -> None:
    with Sandbox(variant=variant) as sandbox:
        limit = () if variant == "new" else ("--timeout", "3s")
        waiting = LoginProcess(sandbox, tmp_path, "--flow", "new", *limit)
        # tcenv warns when the browser starts, and still opens the page.
        assert ("has no such page" in waiting.read_errors()) == warned
        assert "/auth/clients/new?" in waiting.url
        if variant == "new":
            waiting.approve()
            assert waiting.end()[0] == 0
        else:
            assert "has no such page" in waiting.end()[2] or not warned


@pytest.mark.parametrize("by", ["--browser", "BROWSER"])
def test_a_browser_that_does_not_start_is_named(by: str, deployment: Sandbox) -> None:
    browser = "nosuchbrowser:lynx"
    env = make_env(deployment, BROWSER=browser if by == "BROWSER" else "")
    options = ["--browser", browser] if by == "--browser" else []
    done = login(env, "--timeout", "1s", *options)
    assert done.returncode == 124
    assert "nosuchbrowser: not found; lynx: needs this terminal" in done.stderr
    assert "open this address in a browser" in done.stderr


def test_without_a_terminal_no_address_is_requested(deployment: Sandbox) -> None:
    done = login(make_env(deployment), "--no-browser", "--timeout", "1s")
    assert done.returncode == 124
    assert "paste" not in done.stderr


def test_a_browser_that_fails_later_is_named(deployment: Sandbox, tmp_path: Path) -> None:
    go = tmp_path / "go"
    waiting = LoginProcess(deployment, tmp_path, work=f"until [ -e {go} ]; do :; done; exit 3")
    waiting.wait_for("has opened")
    go.touch()
    waiting.wait_for("exit status 3")
    waiting.approve()
    assert waiting.end()[0] == 0


def in_terminal(env: dict[str, str], command: str) -> pexpect.spawn:
    return pexpect.spawn(
        require("bash"), ["--norc", "-i", "-c", command], env=env, encoding="utf-8", timeout=60, dimensions=(30, 200)
    )


def test_enter_asks_for_the_next_name(deployment: Sandbox, tmp_path: Path) -> None:
    """A client that this machine does not know has the name."""
    env = make_env(deployment)
    name = re.search(r"name=([^&]+)", LoginProcess(deployment, tmp_path, "--timeout", "1s").url)
    assert name is not None
    deployment.create_client(f"{deployment.user}/{name[1]}", ["x"])
    seen = tmp_path / "second"
    browser = tmp_path / "second-browser"
    # The first page says that the client exists and does not call back. The browser approves the second.
    browser.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$1" >>{seen}\n'
        f'[ "$(wc -l <{seen})" = 1 ] || exec {sys.executable} -m tcenv.sandbox.approve "$1"\n'
    )
    browser.chmod(0o755)
    child = in_terminal(
        {**env, "BROWSER": f"{browser} %s", "TERM": "xterm"},
        f"{TCENV} login --shell sh --retry >{tmp_path}/out; echo status $?",
    )
    child.expect("Press Enter to ask for ")
    child.send("\r")
    child.expect("status 0")
    names = re.findall(r"[?&]name=([^&]+)", seen.read_text())
    assert len(names) == 2 and names[0] != names[1]
    assert "TASKCLUSTER_ACCESS_TOKEN" in (tmp_path / "out").read_text()


def _shows_cursor(written: str) -> bool:
    """Return whether the terminal shows the cursor after this output."""
    return written.rfind("\x1b[?25l") <= written.rfind("\x1b[?25h")


@pytest.mark.signals
def test_the_echo_is_off_during_the_wait_and_back_afterwards(deployment: Sandbox, tmp_path: Path) -> None:
    env = {**make_env(deployment), "TERM": "xterm"}
    child = pexpect.spawn(require("bash"), ["--norc", "-i"], env={**env, "PS1": "$ "}, encoding="utf-8", timeout=60)
    child.expect(r"\$ ")
    child.sendline(f"{TCENV} login --no-browser --shell sh >{tmp_path}/out; echo ended $?")
    child.expect("paste the address")
    assert not child.getecho()
    child.expect("Ctrl-C to give up")
    written = child.before
    child.sendcontrol("z")
    child.expect("Stopped")
    assert _shows_cursor(written + child.before)
    child.sendline("stty -a")
    child.expect(r" echo ")
    child.sendline("fg")
    assert child.waitnoecho(timeout=60)
    child.send("http://localhost:1/typed?clientId=secretly-typed&accessToken=nothing\r")
    child.expect("not the address")
    assert "secretly-typed" not in (child.before or "")
    child.sendcontrol("c")
    child.expect("Interrupted")
    child.sendline("stty -a")
    child.expect(r" echo ")


def test_an_endless_line_uses_bounded_memory(deployment: Sandbox) -> None:
    process = subprocess.Popen(
        [TCENV, "login", "--shell", "sh", "--no-browser", "--timeout", "4s"],
        env=make_env(deployment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    for _ in range(200):
        process.stdin.write(b"x" * 65536)
    process.stdin.flush()
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    process.stdin.close()
    process.stdin = None
    _, err = process.communicate(timeout=60)
    assert peak is not None and int(peak[1]) < 120_000
    assert err.count(b"not the address") == 1


@pytest.mark.parametrize(("fault", "hint"), [("stale", "Set the clock"), ("unauthorized", "To approve again, run: ")])
def test_a_rejected_answer_ends_with_a_hint(fault: str, hint: str, deployment: Sandbox) -> None:
    deployment.fail(fault)
    done = login(make_env(deployment), "--timeout", "6s")
    assert done.returncode != 0 and "TASKCLUSTER_ACCESS_TOKEN" not in done.stdout
    assert hint in done.stderr
