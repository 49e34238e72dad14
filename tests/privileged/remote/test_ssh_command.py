"""`tcenv ssh` behaves as ssh does: in each login shell, with a terminal and without, for any bytes and any end."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.portholder import wait_until
from tests.programs import require
from tests.remote_machine import RemoteMachine
from tests.terminal import Terminal
from tests.world import TCENV, read_session_fields, tcenv

SHELLS = ("bash", "dash", "zsh", "fish", "tcsh")
# Characters that no shell may change: quotes, blanks, a backslash, a newline, non-ASCII.
ODD = """a  'b' "c" \\ $d `e` !f %s {g,h} *\nsecond ümläut 日本 ~ # ; & | < >"""


def quote(text: str, shell: str) -> str:
    """Quote `text` for a shell. In tcsh, a newline in quotes is an error, with ssh too."""
    if shell == "tcsh":
        return "'" + text.replace("\n", " ").replace("'", "'\\''").replace("!", "'\\!'") + "'"
    if shell == "fish":
        return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "'" + text.replace("'", "'\\''") + "'"


def assert_terminal_is_restored(terminal: Terminal) -> None:
    """Check that the terminal reads lines again."""
    terminal.type("stty -a | tr ' ' '\\n' | grep -c '^-icanon'; echo w | tr w W | cat")
    terminal.wait_for("W\n")
    assert "\n0\n" in terminal.read_screen()


@pytest.mark.parametrize("shell", SHELLS)
def test_a_command_in_each_login_shell(
    shell: str, remote: RemoteMachine, env: dict[str, str], deployment: Sandbox
) -> None:
    remote.use_shell(shell)
    env = {**env, "TASKCLUSTER_CERTIFICATE": "stale"}
    shown = tcenv("ssh", "far", "--", "env;", "exit", "7", env=env)
    assert shown.returncode == 7, shown.stderr
    found = dict(line.partition("=")[::2] for line in shown.stdout.splitlines())
    assert found["TASKCLUSTER_ROOT_URL"].startswith("http://127.0.0.1:")
    assert found["TASKCLUSTER_CLIENT_ID"].startswith("mozilla-auth0/")
    session = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    assert found["TASKCLUSTER_ACCESS_TOKEN"] not in (session, "")
    assert not {"TASKCLUSTER_CERTIFICATE", "TASKCLUSTER_PROXY_URL", "TCENV_LOADED"} & set(found)
    assert session not in shown.stdout
    text = tcenv("ssh", "far", "--", "printf %s", quote(ODD, shell), env=env)
    assert text.stdout == (ODD if shell != "tcsh" else ODD.replace("\n", " ")), text.stderr
    wait_until(remote.is_clean)


@pytest.mark.parametrize(
    "words", [["sh", "-c", "'exit 255'"], ["no-such-command"], ["echo", "-n", "--help"], ["kill -9 $$"]]
)
def test_a_command_ends_as_with_ssh(words: list[str], remote: RemoteMachine, env: dict[str, str]) -> None:
    remote.use_shell("bash")
    plain = subprocess.run(["ssh", "far", *words], env=env, capture_output=True, text=True, timeout=60)
    ours = tcenv("ssh", "far", *words, env=env)
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout)
    # sshd gives a shell its bare name.
    assert ours.stderr.removeprefix("/usr/bin/") == plain.stderr


@pytest.mark.parametrize("shell", SHELLS)
def test_a_terminal_in_each_login_shell(shell: str, remote: RemoteMachine, env: dict[str, str], tmp_path: Path) -> None:
    remote.use_shell(shell)
    for name in (".zshrc", ".bashrc", ".profile"):
        remote.write(name, "")
    with Terminal(["sh"], env, tmp_path) as terminal:
        terminal.type(f"{TCENV} ssh far; echo ended=$?.")
        terminal.wait(lambda: shell in remote.processes().get(find_leader(remote), ""), shell)
        terminal.type("tty; stty size; echo $TASKCLUSTER_ROOT_URL | cut -c 1-16; echo x | tr x Y | cat")
        terminal.wait_for("Y\n")
        assert "/dev/pts/" in terminal.read_screen()
        assert "50 180" in terminal.read_screen()
        assert "http://127.0.0.1" in terminal.read_screen()
        terminal.resize(120, 40)
        terminal.type("stty size; echo z | tr z Z | cat")
        terminal.wait_for("Z\n")
        terminal.wait_for("40 120")
        # Ctrl-C reaches only the remote program.
        terminal.type("sleep 1000")
        terminal.wait(lambda: "sleep 1000" in remote.processes().values(), "sleep")
        terminal.press("C-c")
        terminal.wait(lambda: "sleep 1000" not in remote.processes().values(), "its end")
        terminal.type("exit 5")
        terminal.wait_for("ended=5.")
        assert_terminal_is_restored(terminal)
    wait_until(remote.is_clean)


def find_leader(remote: RemoteMachine) -> int:
    """Return the process of the user's session, or 0 if there is none yet."""
    for folder in remote.files():
        path = Path(folder) / "pid"
        if path.exists():
            return int((path.read_text().split() or ["0"])[0])
    return 0


def test_any_bytes_both_ways(remote: RemoteMachine, env: dict[str, str], tmp_path: Path) -> None:
    remote.use_shell("bash")
    data = random.Random(27).randbytes(5_000_000)
    done = subprocess.run([TCENV, "ssh", "far", "--", "cat"], env=env, input=data, capture_output=True, timeout=120)
    assert (done.returncode, hashlib.sha256(done.stdout).digest()) == (0, hashlib.sha256(data).digest()), done.stderr
    (tmp_path / "x").write_bytes(data)
    for source, target in ((str(tmp_path / "x"), "far:y"), ("far:y", str(tmp_path / "back"))):
        copied = subprocess.run(
            [require("rsync"), "-e", f"{TCENV} ssh -o Compression=yes", source, target],
            env=env,
            capture_output=True,
            timeout=120,
        )
        assert copied.returncode == 0, copied.stderr
    assert (tmp_path / "back").read_bytes() == data
    for words in (["init", "-q", "--bare", "r.git"], ["-C", "r.git", "symbolic-ref", "HEAD", "refs/heads/main"]):
        subprocess.run(["ssh", "far", "git", *words], env=env, check=True, timeout=60)
    cloned = subprocess.run(
        [require("git"), "clone", "-q", "far:r.git", str(tmp_path / "clone")],
        env={**env, "GIT_SSH_COMMAND": f"{TCENV} ssh"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert cloned.returncode == 0, cloned.stderr
    # No input at all, and a login shell that reads its commands.
    closed = subprocess.run(["sh", "-c", f"{TCENV} ssh far echo there <&-"], env=env, capture_output=True, timeout=60)
    assert (closed.returncode, closed.stdout) == (0, b"there\n"), closed.stderr
    typed = subprocess.run([TCENV, "ssh", "far"], env=env, input=b"echo $-; exit 3\n", capture_output=True, timeout=60)
    assert typed.returncode == 3
    assert b"i" not in typed.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_both_sides(number: int, remote: RemoteMachine, env: dict[str, str]) -> None:
    remote.use_shell("bash")
    statuses = []
    for command in (["ssh"], [TCENV, "ssh"]):
        run = subprocess.Popen(
            [*command, "far", "--", "trap '' HUP; sleep 1000 & echo begun; wait"],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert run.stdout
        assert run.stdout.readline() == b"begun\n"
        # Ctrl-C sends its signal to the group, and `kill` to the process.
        os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
        statuses.append(run.wait(60))
        if command == ["ssh"]:
            for process in remote.processes():
                os.kill(process, signal.SIGKILL)
    assert statuses[1] == (128 - statuses[0] if statuses[0] < 0 else statuses[0])
    wait_until(remote.is_clean)


def test_options_limit_the_run(remote: RemoteMachine, env: dict[str, str], tmp_path: Path) -> None:
    remote.use_shell("bash")
    remote.write("calls.py", CALLS)
    log = tmp_path / "log"
    words = ["--scope", "secrets:get:project/sandbox/*", "--for", "20m", "--read-only", "--log", str(log)]
    done = tcenv("ssh", *words, "far", "python3 calls.py", env=env)
    assert (done.returncode, done.stdout.split()) == (0, ["200", "403"]), done.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(line["method"], line["status"]) for line in lines] == [("GET", 200), ("PUT", 403)]
    assert lines[0]["scopes"] == ["secrets:get:project/sandbox/*"]


def test_a_stopped_run_goes_on_and_a_killed_ssh_leaves_the_terminal_as_it_was(
    remote: RemoteMachine, env: dict[str, str], tmp_path: Path
) -> None:
    remote.use_shell("bash")
    with Terminal(["bash", "--norc"], env, tmp_path) as terminal:
        # ssh can ask a question.
        asking = f"-o StrictHostKeyChecking=ask -o UserKnownHostsFile={tmp_path}/known"
        terminal.type(f"{TCENV} ssh {asking} far -- 'echo asked | tr a A'")
        terminal.wait_for("continue connecting")
        terminal.type("yes")
        terminal.wait_for("Asked")
        terminal.type(f"{TCENV} ssh far -- 'echo be''gun; sleep 2; echo do''ne'")
        terminal.wait_for("begun")
        terminal.press("C-z")
        terminal.wait_for("Stopped")
        terminal.type("fg")
        terminal.wait_for("done")
        terminal.type(f"{TCENV} ssh far; echo ended=$?.")
        terminal.wait(lambda: "bash" in remote.processes().get(find_leader(remote), ""), "the shell over there")
        words = (b"ProxyCommand=false\0", str(remote.config).encode())
        (process,) = (
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if all(word in read(folder / "cmdline") for word in words)
        )
        os.kill(process, signal.SIGKILL)
        terminal.wait_for("ended=137.")
        assert_terminal_is_restored(terminal)
    wait_until(remote.is_clean)


def read(path: Path) -> bytes:
    """Return the bytes of a file, or none if it has gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_a_background_program_outlives_its_command_as_with_ssh(remote: RemoteMachine, env: dict[str, str]) -> None:
    remote.use_shell("bash")
    done = tcenv("ssh", "far", "--", "sleep 333 </dev/null >/dev/null 2>&1 &", env=env)
    assert done.returncode == 0, done.stderr
    assert list(remote.processes().values()) == ["sleep 333"]
    assert remote.list_leftovers()[1:] == ([], [])
    os.kill(next(iter(remote.processes())), signal.SIGKILL)


def test_a_reset_here_reaches_a_remote_loop(remote: RemoteMachine, env: dict[str, str], deployment: Sandbox) -> None:
    remote.use_shell("dash")
    remote.write("loop.py", SIGNED_LOOP)
    run = subprocess.Popen(
        [TCENV, "ssh", "far", "--", "python3 loop.py"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert run.stdin and run.stdout
    assert run.stdout.readline() == "200\n"
    before = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    for _ in range(2):
        assert tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        after = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
        assert after != before
        before = after
        assert [run.stdout.readline() for _ in range(5)] == ["200\n"] * 5
    # The session ends. The next one may have another client.
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    while run.stdout.readline() != "401\n":
        pass
    assert tcenv("login", "--shell", "sh", env=env).returncode == 0
    while run.stdout.readline() != "200\n":
        pass
    run.stdin.close()
    rest = run.stdout.read()
    assert run.wait(60) == 0
    assert set(rest.split()) <= {"200"}


# Sign calls by Hawk, and call until the input ends.
SIGNED_LOOP = """
import base64, hashlib, hmac, http.client, os, secrets, select, sys, time
host, _, port = os.environ["TASKCLUSTER_ROOT_URL"].removeprefix("http://").partition(":")
def call(resource):
    now, nonce = int(time.time()), secrets.token_urlsafe(6)
    text = f"hawk.1.header\\n{now}\\n{nonce}\\nGET\\n{resource}\\n{host}\\n{port}\\n\\n\\n"
    mac = hmac.digest(os.environ["TASKCLUSTER_ACCESS_TOKEN"].encode(), text.encode(), "sha256")
    header = 'Hawk id="%s", ts="%d", nonce="%s", mac="%s"' % (
        os.environ["TASKCLUSTER_CLIENT_ID"], now, nonce, base64.b64encode(mac).decode())
    connection = http.client.HTTPConnection(host, int(port), timeout=60)
    connection.request("GET", resource, headers={"Authorization": header})
    return connection.getresponse().status
while not select.select([sys.stdin], [], [], 0.05)[0]:
    print(call("/api/auth/v1/scopes/current"), flush=True)
"""
CALLS = (
    SIGNED_LOOP.partition("while not")[0]
    .replace("def call(resource):", "def call(resource, method='GET'):")
    .replace("GET\\n", "{method}\\n")
    .replace('"GET"', "method")
    + 'print(call("/api/auth/v1/scopes/current"), call("/api/secrets/v1/secret/project%2Fsandbox%2Fx", "PUT"))\n'
)
