"""If `tcenv ssh` cannot keep its promises, it says so in one sentence and starts no remote command."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.portholder import wait_until
from tests.privileged.users import make_python_command
from tests.remote_machine import RemoteMachine
from tests.world import TCENV, make_env, tcenv

MARK = "over-there"


def run(env: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run a remote command that prints a line when it starts."""
    return tcenv("ssh", *words, "far", "--", f"echo {MARK}", env=env)


@pytest.fixture
def configured(remote: RemoteMachine) -> Iterator[RemoteMachine]:
    """Return the remote machine, and restore its settings after the test."""
    remote.use_shell("bash")
    yield remote
    (remote.home / ".bashrc").unlink(missing_ok=True)
    for path in remote.folder.glob("authorized*"):
        path.write_text((remote.folder / "near/key.pub").read_text())
    remote.start()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("AllowTcpForwarding no", "forwards no port"),
        ("DisableForwarding yes", "forwards no port"),
        ("PermitListen localhost:*", "forwards no port"),
        ("GatewayPorts yes", "opens forwarded ports to the network"),
        ("MaxSessions 1", "opens no second session"),
        ("ForceCommand internal-sftp", "did not start a POSIX sh"),
        ("ForceCommand echo only this", "says 'only this'"),
    ],
)
def test_a_server_that_forbids_what_a_run_needs(
    settings: str, sentence: str, configured: RemoteMachine, env: dict[str, str]
) -> None:
    configured.start(settings)
    done = run(env)
    assert done.returncode == 1, done.stderr
    assert (done.stdout, done.stderr.count("tcenv: error:")) == ("", 1)
    assert sentence in done.stderr
    wait_until(configured.is_clean)


@pytest.mark.parametrize(
    "settings",
    [
        ("AllowTcpForwarding remote", "MaxSessions 2"),
        ("PermitListen 127.0.0.1:*", "GatewayPorts clientspecified", "PermitOpen none"),
    ],
)
def test_a_server_that_allows_just_what_a_run_needs(
    settings: tuple[str, ...], configured: RemoteMachine, env: dict[str, str]
) -> None:
    configured.start(*settings)
    done = run(env)
    assert (done.returncode, done.stdout) == (0, f"{MARK}\n"), done.stderr


def test_slow_start_up_files_with_output(configured: RemoteMachine, env: dict[str, str]) -> None:
    configured.write(".bashrc", "printf 'no end of line'; head -c 3000 /dev/urandom; echo talk >&2; sleep 2; set -x\n")
    done = subprocess.run([TCENV, "ssh", "far", "--", f"echo {MARK}"], env=env, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"{MARK}\n".encode())
    token = re.search(rb"(?<![\w-])[\w-]{44}(?![\w-])", done.stderr)
    assert token is None, token


def test_a_signal_ends_the_wait_for_a_slow_server(configured: RemoteMachine, env: dict[str, str]) -> None:
    configured.start("ForceCommand echo waiting >&2; exec cat >/dev/null")
    run = subprocess.Popen([TCENV, "ssh", "far"], env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stderr
    assert run.stderr.readline() == "waiting\n"
    run.terminate()
    assert run.wait(60) == 143
    wait_until(configured.is_clean)


@pytest.mark.parametrize(
    "lines",
    [
        # Options that a run overrules.
        ["RemoteCommand echo wrong", "ClearAllForwardings yes", "ForkAfterAuthentication yes", "SessionType none"],
        ["ControlMaster yes", "ControlPersist yes", "ExitOnForwardFailure yes", "RequestTTY force", "LogLevel QUIET"],
        ["StdinNull yes", "LocalForward {free} localhost:1", "RemoteForward 0 localhost:1", "ProxyCommand {relay}"],
        ["ProxyJump jump", "SendEnv *", "PermitLocalCommand yes", "LocalCommand true", "ForwardAgent yes"],
    ],
)
def test_a_run_works_with_any_configuration_of_the_user(
    lines: list[str], configured: RemoteMachine, env: dict[str, str]
) -> None:
    text = configured.config.read_text()
    relay = configured.folder / "near/relay.py"
    relay.write_text(RELAY)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        named = {"free": f"127.0.0.1:{free.getsockname()[1]}", "relay": f"{sys.executable} {relay} %p"}
    configured.config.write_text(
        "\n".join(
            [text.rstrip(), *(f"  {line.format(**named)}" for line in lines), text.replace("Host far", "Host jump")]
        )
    )
    try:
        done = run(env)
        assert (done.returncode, done.stdout.replace("\r", "")) == (0, f"{MARK}\n"), done.stderr
        wait_until(configured.is_clean)
    finally:
        configured.config.write_text(text)


RELAY = """
import os, select, socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
while True:
    for ready in select.select([0, peer], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else peer.recv(65536)
        if not data:
            sys.exit()
        peer.sendall(data) if ready == 0 else os.write(1, data)
"""


def test_the_users_own_master_connection_stays(configured: RemoteMachine, env: dict[str, str], tmp_path: Path) -> None:
    path = configured.folder / "near/master"
    subprocess.run(["ssh", "-MNf", "-S", str(path), "far"], env=env, check=True, timeout=60, stdin=subprocess.DEVNULL)
    text = configured.config.read_text()
    configured.config.write_text(f"{text}  ControlMaster auto\n  ControlPath {path}\n")
    try:
        done = run(env)
        assert (done.returncode, done.stdout) == (0, f"{MARK}\n"), done.stderr
        # No forwarded port stays on that connection.
        wait_until(lambda: configured.ports() == [])
        subprocess.run(["ssh", "-S", str(path), "-O", "check", "far"], env=env, check=True, capture_output=True)
    finally:
        configured.config.write_text(text)
        subprocess.run(["ssh", "-S", str(path), "-O", "exit", "far"], env=env, check=True, capture_output=True)
    wait_until(configured.is_clean)


def test_a_port_of_another_program_is_an_error(configured: RemoteMachine, env: dict[str, str]) -> None:
    """A stub of ssh reports a port at which another program listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        threading.Thread(target=answer_all, args=(taken,), daemon=True).start()
        port = taken.getsockname()[1]
        (configured.bin / "real").write_text((configured.bin / "ssh").read_text())
        (configured.bin / "real").chmod(0o755)
        text = (configured.bin / "ssh").read_text()
        (configured.bin / "ssh").write_text(
            f'#!/bin/sh\ncase " $* " in *" forward "*) echo {port}; exit ;; esac\nexec {configured.bin}/real "$@"\n'
        )
        done = run(env)
        (configured.bin / "ssh").write_text(text)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "another program has taken it" in done.stderr


def answer_all(taken: socket.socket) -> None:
    while True:
        try:
            connection, _ = taken.accept()
        except OSError:
            return
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        connection.close()


@pytest.mark.parametrize(
    ("words", "status", "sentence"),
    [
        (["--", "-oProxyCommand=false"], 2, "HOST [-- CMD...]"),
        (["-oProxyCommand=false"], 2, "HOST is missing"),
        ([""], 2, "is not a valid host"),
        (["--unsigned", "far"], 2, "hides who calls"),
        (["-o", "NoSuchOption=1", "far"], 255, "Bad configuration option"),
        (["--as", "nobody", "far"], 2, "nobody"),
        (["-o", "Port=1", "far"], 255, "could not be made"),
    ],
)
def test_wrong_words_are_an_error(
    words: list[str], status: int, sentence: str, configured: RemoteMachine, env: dict[str, str]
) -> None:
    done = tcenv("ssh", *words, env=env)
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert sentence in done.stderr


def test_without_ssh_on_the_path(deployment: Sandbox, tmp_path: Path) -> None:
    for name in ("tcenv", "python3", "sh"):
        (tmp_path / name).symlink_to(Path(TCENV).parent / "tcenv" if name == "tcenv" else f"/usr/bin/{name}")
    done = tcenv("ssh", "far", env={**make_env(deployment), "PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (127, "")
    assert "ssh is not on the PATH" in done.stderr


def test_without_a_session_nothing_is_connected(configured: RemoteMachine, env: dict[str, str]) -> None:
    assert tcenv("logout", "--shell", "sh", env=env).returncode == 0
    done = tcenv("ssh", "--no-login", "far", "--", f"echo {MARK}", env=env)
    assert (done.returncode, done.stdout) == (3, ""), done.stderr


def test_another_remote_user_gets_an_empty_refusal(configured: RemoteMachine, env: dict[str, str]) -> None:
    look = (
        "import http.client, sys\nc = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1]))\n"
        "c.request('GET', sys.argv[2])\nr = c.getresponse()\nprint(r.status, r.read(), r.getheader('Location'))\n"
    )
    started = subprocess.Popen(
        [TCENV, "ssh", "far", "--", "echo $TASKCLUSTER_ROOT_URL; cat"],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert started.stdout and started.stdin
    port = started.stdout.readline().strip().rpartition(":")[2]
    for target in ("/", "/tasks/x", "/api/queue/v1/ping", "/api/auth/v1/scopes/current"):
        command = make_python_command(look, port, target)
        done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
        assert done.stdout == "401 b'' None\n", done.stderr
    started.stdin.close()
    assert started.wait(60) == 0
