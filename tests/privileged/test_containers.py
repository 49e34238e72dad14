"""`--container` with real networks: one that bubblewrap makes, and a bridge to a network namespace, in which a stub of docker
starts the command with only the variables that its arguments name."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.containers import listen_inside
from tcenv.sandbox import Sandbox
from tests.privileged.users import make_prefix
from tests.programs import require
from tests.world import read_session_fields, sign_in, tcenv

PROGRAM = """
import json, os, sys, urllib.request, taskcluster
def reach(url):
    try:
        return urllib.request.urlopen(url, timeout=60).status
    except Exception as error:
        return type(error).__name__
auth = taskcluster.Auth(taskcluster.optionsFromEnvironment())
print(json.dumps({"scopes": len(auth.currentScopes()["scopes"]), "outside": reach(sys.argv[1]), "environ": dict(os.environ)}))
"""
# A stub of docker: the environment of its container has only the variables that the arguments name.
DOCKER = f"""#!{sys.executable} -I
import os, sys
words, variables = sys.argv[1:], {{}}
open(os.environ["SEEN"], "w").write("\\n".join(words))
assert words.pop(0) == "run"
while words[0].startswith("--"):
    if words.pop(0) == "--env":
        name = words.pop(0)
        variables[name] = os.environ[name]
words.pop(0)
variables["PATH"] = os.environ["PATH"]
os.execve("/usr/sbin/ip" if os.path.exists("/usr/sbin/ip") else "/sbin/ip", ["ip", "netns", "exec", "INSIDE", *words], variables)
"""


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    return sign_in(deployment)


def make_bwrap_command(*options: str) -> list[str]:
    """Return the words before a command that run it in bubblewrap."""
    return [require("bwrap"), "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *options, "--"]


@pytest.mark.parametrize(
    ("options", "is_closed"),
    [
        (["--unshare-net"], True),
        (["--unshare-all", "--die-with-parent"], True),
        (["--unshare-all", "--unshare-user", "--uid", "1234"], True),
        (["--unshare-all", "--share-net"], False),
    ],
)
def test_a_sandbox_with_a_network_of_its_own(
    options: list[str], is_closed: bool, deployment: Sandbox, env: dict[str, str]
) -> None:
    command = [*make_bwrap_command(*options), sys.executable, "-c", PROGRAM, deployment.root_url]
    done = tcenv("exec", "--container", "--agent", "--", *command, env=env)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["scopes"] > 5
    # In a closed network, the program reaches only the proxy.
    assert told["outside"] == ("URLError" if is_closed else 200)
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in done.stdout


# Start bubblewrap as `Gate` does, let listen_inside.py listen in its network, and answer one call from there.
_WITHOUT_RIGHTS = """
import json, os, socket, subprocess, sys
information, told = os.pipe()
os.set_inheritable(told, True)
call = "import socket; s = socket.create_connection(('127.0.0.1', 8086)); print(s.recv(9).decode(), flush=True)"
words = ["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
words += ["sh", "-c", "read go && exec python3 -c \\"$0\\"", call]
sandbox = subprocess.Popen(["bwrap", "--info-fd", str(told), *words], stdin=subprocess.PIPE, close_fds=False)
os.close(told)
process = json.load(os.fdopen(information))["child-pid"]
ours, theirs = socket.socketpair()
subprocess.run([sys.executable, "-I", sys.argv[1], str(process), "8086"], stdin=theirs, check=True)
_, descriptors, _, _ = socket.recv_fds(ours, 9, 2)
sandbox.stdin.write(b"go\\n")
sandbox.stdin.close()
connection, _ = socket.socket(fileno=descriptors[0]).accept()
connection.sendall(b"reached")
connection.close()
sys.exit(sandbox.wait())
"""


def test_an_account_without_rights_has_such_a_sandbox_too() -> None:
    """bubblewrap then makes a user namespace, which owns the network. tcenv must enter both."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        script = shutil.copy(listen_inside.__file__, folder)
        user = [*make_prefix(), "--bounding-set=-all", "--inh-caps=-all"]
        done = subprocess.run(
            [*user, "/usr/bin/env", "python3", "-I", "-c", _WITHOUT_RIGHTS, script],
            capture_output=True,
            text=True,
            cwd="/",
            timeout=120,
            env={"PATH": "/usr/bin:/bin"},
        )
    assert (done.returncode, done.stdout) == (0, "reached\n"), done.stderr


def test_the_status_of_a_sandbox_that_does_not_start(env: dict[str, str]) -> None:
    done = tcenv(
        "exec", "--container", "--", *make_bwrap_command("--unshare-net", "--bind", "/no/such", "/x"), "true", env=env
    )
    assert done.returncode == 1
    assert "/no/such" in done.stderr
    done = tcenv("exec", "--container", "--", *make_bwrap_command("--unshare-net"), "sh", "-c", "exit 9", env=env)
    assert done.returncode == 9


@pytest.fixture
def networks() -> Iterator[tuple[str, str]]:
    """Make two network namespaces, of a host and of a container, with a pair of interfaces. The host has docker0."""
    ip = require("ip")
    host, inside = f"tcenv-host-{os.getpid()}", f"tcenv-in-{os.getpid()}"
    commands = [
        f"netns add {host}",
        f"netns add {inside}",
        f"-n {host} link set lo up",
        f"-n {host} link add docker0 type veth peer name eth0 netns {inside}",
        f"-n {host} address add 172.17.0.1/16 dev docker0",
        f"-n {host} link set docker0 up",
        f"-n {inside} address add 172.17.0.2/16 dev eth0",
        f"-n {inside} link set eth0 up",
    ]
    try:
        for command in commands:
            subprocess.run([ip, *command.split()], check=True, capture_output=True)
        yield host, inside
    finally:
        for name in (host, inside):
            subprocess.run([ip, "netns", "delete", name], capture_output=True)


def test_a_container_on_dockers_bridge(networks: tuple[str, str], tmp_path: Path) -> None:
    host, inside = networks
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.replace("INSIDE", inside))
    docker.chmod(0o755)
    script = (
        "import json, os, subprocess, sys\n"
        "from tcenv.sandbox import Sandbox\n"
        "from tests.world import TCENV, read_session_fields, sign_in\n"
        "with Sandbox() as deployment:\n"
        "    env = sign_in(deployment)\n"
        "    env.update(SEEN=sys.argv[3])\n"
        "    command = [sys.argv[1], 'run', '--rm', 'image', sys.executable, '-c', sys.argv[2], deployment.root_url]\n"
        "    done = subprocess.run([TCENV, 'exec', '--container', '--', *command], env=env, capture_output=True, text=True)\n"
        "    token = read_session_fields(env)['TASKCLUSTER_ACCESS_TOKEN']\n"
        "    print(json.dumps([done.returncode, done.stdout, done.stderr, token]))\n"
    )
    seen = tmp_path / "seen"
    checkout = Path(__file__).parents[2]
    done = subprocess.run(
        [require("ip"), "netns", "exec", host, sys.executable, "-c", script, docker, PROGRAM, seen],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(checkout)},
    )
    assert done.returncode == 0, done.stderr
    status, out, err, session = json.loads(done.stdout)
    assert status == 0, err
    told = json.loads(out)
    assert told["scopes"] > 5
    assert told["environ"]["TASKCLUSTER_ROOT_URL"].startswith("http://172.17.0.1:")
    assert session not in out
    # The arguments name the variables, and hold no value of them.
    arguments = seen.read_text()
    assert "--env\nTASKCLUSTER_ACCESS_TOKEN\n" in arguments
    for name in ("ROOT_URL", "CLIENT_ID", "ACCESS_TOKEN"):
        assert told["environ"][f"TASKCLUSTER_{name}"] not in arguments
