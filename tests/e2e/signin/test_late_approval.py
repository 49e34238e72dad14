"""Approve after a sign-in has ended: nobody gets the token, the client is deleted, and the page says so."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import _approve
from tests.login_process import LoginProcess
from tests.portholder import exchange, is_free, measure_memory, wait_for_holder, wait_until
from tests.programs import require, run_program
from tests.world import NAME, TCENV, login, make_env, read_session_fields

ENDINGS = ("SIGKILL", "SIGTERM", "SIGINT", "timeout")


def end_sign_in(sandbox: Sandbox, folder: Path, ending: str, *arguments: str, **more: str) -> LoginProcess:
    """Start a sign-in, and end it before its page is approved."""
    folder.mkdir(exist_ok=True)
    timeout = ("--timeout", "1s") if ending == "timeout" else ()
    waiting = LoginProcess(sandbox, folder, "--retry", *timeout, *arguments, **more)
    if ending != "timeout":
        waiting.process.send_signal(getattr(signal, ending))
    status, out, _ = waiting.end()
    assert status == {"SIGKILL": -9, "SIGTERM": 143, "SIGINT": 130, "timeout": 124}[ending]
    assert "TASKCLUSTER" not in out
    return waiting


def press_save(url: str, **more: str) -> str:
    """Press Save on the page that is still open. Return the text on which the browser ends."""
    answer = _approve(url, more.get("rename"), 0.0, None, False)
    assert answer.status == 200
    return unescape(answer.text.replace("<i>", "").replace("</i>", ""))


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_client_is_deleted_and_the_page_says_so(ending: str, deployment: Sandbox, tmp_path: Path) -> None:
    waiting = end_sign_in(deployment, tmp_path, ending)
    port = urlsplit(waiting.callback).port or 0
    assert not is_free(port)
    text = press_save(waiting.url)
    assert "This sign-in has ended" in text
    assert f"{deployment.user}/{NAME}" in text
    assert "It was deleted" in text
    assert "terminal" not in text
    assert not deployment.clients
    assert not is_free(port)
    # The name is free again.
    done = login(make_env(deployment), "--retry")
    assert done.returncode == 0, done.stderr
    assert read_session_fields(waiting.env)["TASKCLUSTER_CLIENT_ID"] == f"{deployment.user}/{NAME}"


def test_a_client_that_cannot_delete_itself_is_deleted_by_the_profiles_session(
    deployment: Sandbox, tmp_path: Path
) -> None:
    env = make_env(deployment, TCENV_SCOPE="queue:x auth:delete-client:*")
    assert login(env).returncode == 0
    own = read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]
    waiting = end_sign_in(deployment, tmp_path, "SIGTERM", "--reset", "--no-self-delete", TCENV_SCOPE="queue:y")
    assert "It was deleted" in press_save(waiting.url)
    assert list(deployment.clients) == [own]


def test_the_page_links_to_a_client_that_tcenv_cannot_delete(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = end_sign_in(deployment, tmp_path, "SIGKILL", "--no-self-delete", TCENV_SCOPE="queue:y")
    text = press_save(waiting.url)
    assert "It was not deleted: neither its token nor your session has the scope for that." in text
    (client_id,) = deployment.clients
    assert f'<a href="{deployment.root_url}/auth/clients/{client_id.replace("|", "%7C").replace("/", "%2F")}">' in text
    # The next sign-in may delete it, so no name is used up.
    done = login(make_env(deployment), "--retry")
    assert done.returncode == 0, done.stderr
    assert "which no session uses" in done.stderr


def test_no_other_client_is_deleted(deployment: Sandbox, tmp_path: Path) -> None:
    """These are a renamed client, one of another user, one of a session, and one with a wrong token."""
    env = make_env(deployment, TCENV_SCOPE="auth:delete-client:*")
    assert login(env).returncode == 0
    own = read_session_fields(env)
    waiting = end_sign_in(deployment, tmp_path, "SIGTERM", "--reset", "--name", "other", TCENV_SCOPE="queue:y")
    assert own["TASKCLUSTER_CLIENT_ID"] in deployment.clients
    assert "It was not deleted: it does not have the name" in press_save(
        waiting.url, rename=f"{deployment.user}/changed"
    )
    theirs = deployment.create_client("mozilla-auth0/mallory/other", ["*"])
    assert "it is not your client" in send_answer(waiting, theirs.client_id, theirs.access_token)
    waiting = end_sign_in(deployment, tmp_path / "2", "SIGTERM", "--reset", "--name", NAME, TCENV_SCOPE="queue:y")
    assert "was not deleted" in send_answer(waiting, own["TASKCLUSTER_CLIENT_ID"], "A" * 44)
    assert "one of your sessions uses it" in send_answer(
        waiting, own["TASKCLUSTER_CLIENT_ID"], own["TASKCLUSTER_ACCESS_TOKEN"]
    )
    assert {f"{deployment.user}/changed", theirs.client_id, own["TASKCLUSTER_CLIENT_ID"]} <= set(deployment.clients)


def send_answer(waiting: LoginProcess, client_id: str, access_token: str) -> str:
    """Send these credentials to the callback. Return the final page."""
    import urllib.request

    url = f"{waiting.callback}?clientId={client_id.replace('|', '%7C')}&accessToken={access_token}"
    with urllib.request.urlopen(url, timeout=60) as answer:
        return unescape(answer.read().decode().replace("<i>", "").replace("</i>", ""))


def test_redirects_hide_the_address_with_the_token(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = end_sign_in(deployment, tmp_path, "SIGKILL")
    url = urlsplit(waiting.callback)
    port = url.port or 0
    made = deployment.create_client(f"{deployment.user}/{NAME}", ["*"])

    def visit(path: str) -> str:
        head = (
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: Chrome/156\r\nAccept-Encoding: gzip\r\n\r\n"
        )
        return exchange(port, head).decode()

    redirect = visit(f"{url.path}?clientId={made.client_id}&accessToken={made.access_token}")
    detour = visit(redirect.partition("Location: ")[2].split()[0])
    last = visit(detour.partition("; url=")[2].split()[0])
    assert (redirect.split()[1], detour.split()[1], last.split()[1]) == ("303", "404", "200")
    assert "It was deleted" in last
    assert made.access_token not in redirect + detour + last
    for text in (redirect, detour, last):
        assert "Cache-Control: no-store" in text and "Referrer-Policy: no-referrer" in text


def test_the_port_is_free_after_a_success(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    port = urlsplit(waiting.callback).port or 0
    held_by = wait_for_holder()
    waiting.approve()
    status, _, err = waiting.end()
    assert status == 0, err
    assert is_free(port)
    wait_until(lambda: not Path(f"/proc/{held_by}").exists())


def test_one_process_holds_the_ports_of_all_sign_ins(deployment: Sandbox, tmp_path: Path) -> None:
    given_up = [
        end_sign_in(deployment, tmp_path / str(number), "SIGKILL", "--name", f"n{number}") for number in range(3)
    ]
    held_by = wait_for_holder()
    assert login(make_env(deployment), "--retry").returncode == 0
    assert wait_for_holder() == held_by
    assert measure_memory(held_by) < 12 * 1024 * 1024
    for waiting in given_up:
        assert "It was deleted" in press_save(waiting.url)
    # The port is held for 15 minutes, even after an answer.
    assert "It was deleted" in press_save(given_up[0].url)
    assert [client_id.rpartition("/")[2] for client_id in deployment.clients] == [NAME]
    assert wait_for_holder() == held_by


def test_a_chosen_port_is_taken_back_from_the_holder(deployment: Sandbox, tmp_path: Path) -> None:
    first = end_sign_in(deployment, tmp_path / "1", "SIGINT", "--name", "first")
    port = urlsplit(first.callback).port
    second = LoginProcess(deployment, tmp_path, "--retry", "--port", str(port), "--name", "second")
    assert urlsplit(second.callback).port == port
    answer = subprocess.Popen([sys.executable, "-m", "tcenv.sandbox.approve", first.url], stdout=subprocess.DEVNULL)
    # The late answer waits for the current sign-in and does not disturb it.
    wait_until(lambda: len(deployment.clients) == 1)
    second.approve()
    status, out, err = second.end()
    assert status == 0, err
    assert "second" in out and "first" not in out
    assert answer.wait(60) == 0
    wait_until(lambda: [each.rpartition("/")[2] for each in deployment.clients] == ["second"])
    # The holder still answers the former page.
    assert "It was deleted" in press_save(first.url)
    assert [each.rpartition("/")[2] for each in deployment.clients] == ["second"]


def test_a_changed_name_is_kept_and_the_requested_name_is_deleted(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = end_sign_in(deployment, tmp_path, "SIGTERM")
    assert "It was not deleted" in press_save(waiting.url, rename=f"{deployment.user}/{NAME}-2")
    assert "It was deleted" in press_save(waiting.url)


def test_an_outage_leaves_the_client_to_the_next_sign_in(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = end_sign_in(deployment, tmp_path, "SIGKILL")
    deployment.fail("unavailable", path="/api/auth/v1/clients", method="GET")
    text = press_save(waiting.url)
    assert "It was not deleted" in text and "/auth/clients/" in text
    deployment.heal()
    # The next session deletes the client.
    done = login(make_env(deployment), "--retry")
    assert done.returncode == 0, done.stderr
    assert "which no session uses" in done.stderr


def test_the_holder_answers_after_tcenv_was_uninstalled(deployment: Sandbox, tmp_path: Path) -> None:
    """tcenv was uninstalled meanwhile."""
    late_answer = Path(sys.modules["tcenv.portholder.client"].__file__ or "").parent
    copy = tmp_path / "copy" / "tcenv"
    shutil.copytree(late_answer.parent, copy)
    waiting = end_sign_in(deployment, tmp_path, "SIGKILL", PYTHONPATH=str(copy.parent))
    command = Path(f"/proc/{wait_for_holder()}/cmdline").read_text()
    assert str(copy) in command
    (copy / "signin" / "late_approval.py").unlink()
    text = press_save(waiting.url)
    assert "This sign-in has ended" in text and "delete it there" in text


@pytest.mark.parametrize("timeout", [("--timeout", "1s"), ()])
def test_the_holder_does_not_delay_a_command_substitution(
    timeout: tuple[str, ...], deployment: Sandbox, tmp_path: Path
) -> None:
    """The holder inherits no descriptor, whether the login succeeds or ends by a timeout."""
    browser = {"BROWSER": "true"} if timeout else {}
    script = f"x=$({TCENV} login --shell sh --retry {' '.join(timeout)} 2>&1); echo status $?"
    done = run_program(require("bash"), "-c", script, env={**make_env(deployment), **browser})
    assert done.stdout == f"status {124 if timeout else 0}\n"
    if timeout:
        # The substitution has returned while the holder still runs.
        assert wait_for_holder()


def test_a_browser_that_stays_open_inherits_no_descriptor(deployment: Sandbox, tmp_path: Path) -> None:
    """The holder does not wait for a browser that stays open."""
    seen = tmp_path / "seen"
    browser = tmp_path / "stays"
    browser.write_text(
        f'#!/bin/sh\nls -l /proc/$$/fd >{seen}.new\necho $$ "$1" >>{seen}.new\nmv {seen}.new {seen}\nexec sleep 600\n'
    )
    browser.chmod(0o755)
    login = subprocess.Popen(
        [TCENV, "login", "--shell", "sh"],
        env=make_env(deployment, BROWSER=f"{browser} %s"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(seen.exists)
    *listed, last = seen.read_text().splitlines()
    assert not [line for line in listed if "socket:" in line or "pipe:" in line]
    login.kill()
    login.wait()
    process, url = last.split()
    answer = press_save(url)
    assert "It was deleted" in answer, answer
    os.kill(int(process), signal.SIGKILL)


def test_no_argument_environment_or_file_holds_the_token(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = end_sign_in(deployment, tmp_path, "SIGKILL")
    process = wait_for_holder()
    deployment.fail("silent", path="/api/auth/v1/clients", method="GET")
    answering = subprocess.Popen([sys.executable, "-m", "tcenv.sandbox.approve", waiting.url])
    wait_until(lambda: deployment.clients)
    (made,) = deployment.clients.values()
    child = wait_until(lambda: find_child(process))
    for kind in ("cmdline", "environ"):
        assert made.access_token.encode() not in Path(f"/proc/{child}/{kind}").read_bytes()
        assert made.access_token.encode() not in Path(f"/proc/{process}/{kind}").read_bytes()
    command = Path(f"/proc/{child}/cmdline").read_text().split("\0")
    assert os.path.isabs(command[0]) and command[1] == "-I" and os.path.isabs(command[2])
    for folder in (tmp_path, Path(waiting.env["HOME"])):
        for path in folder.rglob("*"):
            assert not path.is_file() or made.access_token.encode() not in path.read_bytes()
    os.kill(child, signal.SIGKILL)  # type: ignore[arg-type]
    # The browser still gets an answer.
    assert answering.wait(60) == 0


def find_child(parent: int) -> int | None:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[1] == str(parent):
                return int(entry.name)
    return None
