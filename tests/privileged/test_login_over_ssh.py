"""A sign-in over ssh: the connection ends with the command, although the port holder stays."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.portholder import wait_for_holder, wait_until
from tests.programs import require
from tests.world import TCENV, make_env


@pytest.fixture
def ssh(tmp_path: Path) -> Iterator[list[str]]:
    """Run an sshd. Return the words before a command that run it over ssh."""
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    tmp_path.chmod(0o700)
    for name in ("host", "user"):
        subprocess.run([require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        "PermitRootLogin prohibit-password\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nAcceptEnv *\n"
        f"PidFile {tmp_path}/pid\n"
    )
    server = subprocess.Popen([require("sshd"), "-D", "-e", "-f", config], stderr=subprocess.DEVNULL)
    options = ["StrictHostKeyChecking=no", f"UserKnownHostsFile={tmp_path}/known", "SendEnv=*", "LogLevel=ERROR"]
    yield [
        require("ssh"),
        *(word for option in options for word in ("-o", option)),
        *("-o", "ConnectionAttempts=30", "-i", str(tmp_path / "user"), "-p", str(port), "127.0.0.1"),
    ]
    server.terminate()
    server.wait(60)


@pytest.mark.parametrize("fails", [False, True])
def test_a_login_over_ssh_ends_the_connection_at_once(fails: bool, ssh: list[str], tmp_path: Path) -> None:
    with Sandbox() as deployment:
        env = make_env(deployment, **({"BROWSER": "true"} if fails else {}))
        limit = "--timeout 1s" if fails else ""
        began = time.monotonic()
        done = subprocess.run(
            [*ssh, f"{TCENV} login --shell sh {limit}"],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
        )
        assert done.returncode == (124 if fails else 0), done.stderr
        assert ("TASKCLUSTER_ACCESS_TOKEN" in done.stdout) is not fails
        if fails:
            # The port holder stays for 15 minutes, and ssh has not waited for it.
            process = wait_for_holder()
            assert time.monotonic() - began < 100
            assert os.readlink(f"/proc/{process}/fd/1") == "/dev/null"
            wait_until(lambda: os.getsid(process) == process)
