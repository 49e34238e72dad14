"""Events during the wait for the browser, none of which loses the sign-in."""

from __future__ import annotations

import base64
import re
import socket
import ssl
import subprocess
import sys
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pexpect
import pytest

from tcenv.sandbox import Sandbox
from tests.login_process import LoginProcess
from tests.programs import require
from tests.world import NAME, TCENV, find_session_file, make_env, tcenv


def test_another_users_process_is_refused_and_the_genuine_answer_still_comes(
    deployment: Sandbox, tmp_path: Path
) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    theirs = deployment.create_client("mozilla-auth0/mallory/tcenv", ["*"])
    query = f"clientId={theirs.client_id}&accessToken={theirs.access_token}"
    # The secret stands in an argument list, and is known: what else it takes, another user has not.
    other = (require("setpriv"), "--reuid=65534", "--regid=65534", "--clear-groups")
    assert waiting.answer(query, *other).split()[1] == "403"
    waiting.wait_for("was refused")
    waiting.approve()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "mallory" not in out
    assert "was refused" in err


def test_a_browser_that_insists_on_https_is_told_of_while_waiting(deployment: Sandbox, tmp_path: Path) -> None:
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


def test_an_answer_at_another_host_is_told_of_while_waiting(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    theirs = deployment.create_client("mozilla-auth0/mallory/tcenv", ["*"])
    query = f"clientId={theirs.client_id}&accessToken={theirs.access_token}"
    assert waiting.answer(query, host="rebound.example").split()[1] == "421"
    waiting.wait_for("another host than localhost")
    waiting.approve()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "mallory" not in out


def test_what_the_deployment_rejects_does_not_end_the_wait(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    assert waiting.answer(f"clientId=somebody/else&accessToken={'A' * 44}").split()[1] == "303"
    waiting.wait_for("Still waiting")
    waiting.approve()
    status, out, err = waiting.end()
    assert status == 0, err
    assert "Still waiting" in err
    assert "somebody/else" not in out
    # Nothing of it is remembered: no prefix is taken from what nobody has vouched for.
    remembered = [path.read_text() for path in Path(waiting.env["XDG_STATE_HOME"]).rglob("*.json")]
    assert remembered and not any("somebody" in text for text in remembered)


def test_a_deployment_that_is_out_for_a_while_is_asked_again(deployment: Sandbox, tmp_path: Path) -> None:
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
def test_names_do_not_run_out_by_approvals_that_were_killed(scope: str, deployment: Sandbox, tmp_path: Path) -> None:
    """More often in one day than a series has names: between the callback and the deployment's word, for which it waits."""
    env = make_env(deployment, TCENV_SCOPE=scope)
    remembered = Path(env["XDG_STATE_HOME"])
    # The first sign-in tells the prefix.
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
        done = tcenv("login", "--shell", "sh", "--retry", env=env)
        assert done.returncode == 0, (number, done.stderr)
        assert "which no session uses" in done.stderr
        assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert len(deployment.clients) <= 1


def test_somebody_else_than_the_last_time_is_said_loudly(deployment: Sandbox, tmp_path: Path) -> None:
    env = make_env(deployment)
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
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


def test_with_hardly_any_descriptors(deployment: Sandbox) -> None:
    done = subprocess.run(
        ["bash", "-c", f"ulimit -n 16; exec {TCENV} login --shell sh"],
        env=make_env(deployment),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr
    assert done.stdout == "\\false;\n" if done.returncode else "TASKCLUSTER_ACCESS_TOKEN" in done.stdout


def test_a_clock_that_is_off_is_said_while_waiting(deployment: Sandbox, tmp_path: Path) -> None:
    deployment.clock_offset = 2 * 3600
    waiting = LoginProcess(deployment, tmp_path, "--timeout", "3s")
    status, _, err = waiting.end()
    assert status == 124
    assert "clock is 2 h behind" in err or "clock is 1 h 59 min behind" in err
    assert "Close the sign-in page" in err


def test_a_deployment_that_cannot_be_reached_is_said_while_waiting(tmp_path: Path) -> None:
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


def test_a_refused_answer_and_no_other_is_the_cause_in_the_end(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path, "--timeout", "8s")
    waiting.answer(f"clientId=somebody/else&accessToken={'A' * 44}")
    status, _, err = waiting.end()
    assert status == 1
    assert "no longer exists" in err.splitlines()[-2]
    assert "already exists" not in err


@pytest.mark.parametrize(
    ("fault", "said"),
    [("hang-up", "cannot be reached"), ("bad-gateway", "502"), ("clock", "Set the clock"), ("", "already exists")],
)
def test_the_hint_after_a_timeout_speaks_of_what_was_seen(
    fault: str, said: str, deployment: Sandbox, tmp_path: Path
) -> None:
    if fault:
        deployment.fail(fault, path="/api/")
    status, _, err = LoginProcess(deployment, tmp_path, "--timeout", "3s").end()
    hint = err.splitlines()[-1]
    assert (status, said in hint, "already exists" in hint) == (124, True, not fault), err


@pytest.mark.deployment(public=False)
def test_the_hint_on_a_private_deployment_is_the_whole_client_id(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path, "--timeout", "3s")
    hint = waiting.end()[2].splitlines()[-1]
    assert "Not Found" in hint and f"/{NAME}" in hint
    # Once the user's own clientId is known, the hint names the whole one.
    assert tcenv("login", "--shell", "sh", "--retry", env=make_env(deployment)).returncode == 0
    find_session_file(waiting.env).unlink()
    (tmp_path / "url").unlink()
    hint = LoginProcess(deployment, tmp_path, "--timeout", "3s", "--retry").end()[2].splitlines()[-1]
    assert f"{deployment.user}/{NAME}" in hint


@pytest.mark.parametrize(("variant", "warned"), [("create", True), ("both", False), ("new", False)])
def test_the_older_page_is_warned_of_before_it_opens(variant: str, warned: bool, tmp_path: Path) -> None:
    with Sandbox(variant=variant) as sandbox:
        limit = () if variant == "new" else ("--timeout", "3s")
        waiting = LoginProcess(sandbox, tmp_path, "--flow", "new", *limit)
        # Said when the browser starts, and the page is opened all the same.
        assert ("has no such page" in waiting.said.read_text()) == warned
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
    done = tcenv("login", "--shell", "sh", "--timeout", "1s", *options, env=env)
    assert done.returncode == 124
    assert "nosuchbrowser: not found; lynx: needs this terminal" in done.stderr
    assert "open this address in a browser" in done.stderr


def test_nothing_asks_for_an_address_where_none_can_come(deployment: Sandbox) -> None:
    done = tcenv("login", "--shell", "sh", "--no-browser", "--timeout", "1s", env=make_env(deployment))
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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--scope", "queue:**"], "One * at the end"),
        (["--description", "é" * 2000], "8,000"),
        ([word for n in range(15) for word in ("--scope", f"secrets:get:{'x' * 600}{n}")], "8,000"),
    ],
)
def test_what_the_page_would_not_take_is_refused_before_it_opens(
    arguments: list[str], said: str, deployment: Sandbox
) -> None:
    done = tcenv("login", "--shell", "sh", *arguments, env=make_env(deployment))
    assert done.returncode == 2
    assert said in done.stderr
    assert deployment.approvals == 0


def in_terminal(env: dict[str, str], command: str) -> pexpect.spawn:
    return pexpect.spawn(
        require("bash"), ["--norc", "-i", "-c", command], env=env, encoding="utf-8", timeout=60, dimensions=(30, 200)
    )


def test_enter_asks_for_the_next_name(deployment: Sandbox, tmp_path: Path) -> None:
    """The name is taken by a client that this machine knows nothing of."""
    env = make_env(deployment)
    name = re.search(r"name=([^&]+)", LoginProcess(deployment, tmp_path, "--timeout", "1s").url)
    assert name is not None
    deployment.create_client(f"{deployment.user}/{name[1]}", ["x"])
    seen = tmp_path / "second"
    browser = tmp_path / "second-browser"
    # The first page says that the client exists, and calls nobody back; the second is approved.
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
    """Whether the terminal shows the cursor after what was written to it."""
    return written.rfind("\x1b[?25l") <= written.rfind("\x1b[?25h")


@pytest.mark.signals
def test_the_echo_is_off_after_a_stop_and_back_in_the_end(deployment: Sandbox, tmp_path: Path) -> None:
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


def test_an_endless_line_is_bounded(deployment: Sandbox) -> None:
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


def test_the_browser_is_given_no_token_in_any_form(deployment: Sandbox, tmp_path: Path) -> None:
    seen = tmp_path / "environment"
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nenv >{seen}\n")
    browser.chmod(0o755)
    token = "T" * 44
    env = make_env(
        deployment,
        BROWSER=f"{browser} %s",
        TASKCLUSTER_ACCESS_TOKEN=token,
        TASKCLUSTER_PROXY_URL="http://localhost:1/a-path-that-nobody-guesses",
        DIRENV_DIFF="eJzT0yMAABAIAg==",
        MY_COPY=f"x{token}y",
        PACKED=base64.b64encode(zlib.compress(f"export TASKCLUSTER_ACCESS_TOKEN={token}".encode())).decode(),
        HEADER="Authorization: Basic " + base64.b64encode(f"me:{token}".encode()).decode(),
        KEPT="yes",
    )
    tcenv("login", "--shell", "sh", "--timeout", "1s", env=env)
    given = seen.read_text()
    assert "KEPT=yes" in given
    assert token not in given
    assert not {"TASKCLUSTER_ACCESS_TOKEN", "TASKCLUSTER_PROXY_URL", "DIRENV_DIFF", "PACKED", "HEADER"} & {
        line.partition("=")[0] for line in given.splitlines()
    }
