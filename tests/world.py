"""Make a user's world: a deployment (the sandbox), a browser that approves, and the installed command."""

from __future__ import annotations

import os
import shutil
import socket
import socketserver
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import try_to_approve
from tests import command_lines
from tests.command_lines import TCENV

BIN = Path(TCENV).parent
# Has every character of a clientId that a shell or a decoder could change.
HOSTILE_USER = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org"
# The default name of a client, without a configured profile.
NAME = "tcenv-" + socket.gethostname().partition(".")[0]
APPROVE = f"{sys.executable} -m tcenv.sandbox.approve %s"
VARIABLES = (
    "TASKCLUSTER_ROOT_URL",
    "TASKCLUSTER_CLIENT_ID",
    "TASKCLUSTER_ACCESS_TOKEN",
    "TASKCLUSTER_CERTIFICATE",
    "TCENV_PROFILE",
    "TCENV_EXPIRES",
    "TCENV_LOADED",
)


def make_env(sandbox: Sandbox | None = None, /, **more: str) -> dict[str, str]:
    """Return this test's environment, with the command on the PATH, a deployment, and a browser that approves."""
    result = dict(os.environ)
    result["PATH"] = f"{BIN}{os.pathsep}{Path(__file__).parent.parent / '.tools' / 'bin'}{os.pathsep}{result['PATH']}"
    result["BROWSER"] = start_browser()
    result["TCENV_TIMEOUT"] = "20s"
    # PowerShell would call its vendor.
    result |= {"POWERSHELL_TELEMETRY_OPTOUT": "1", "POWERSHELL_UPDATECHECK": "Off"}
    if sandbox is not None:
        result["TASKCLUSTER_ROOT_URL"] = sandbox.root_url
    result.update(more)
    return result


@cache
def start_browser() -> str:
    """Return a BROWSER that approves as APPROVE does. A thread of this process approves, which saves an interpreter."""
    if shutil.which("bash") is None:
        return APPROVE

    class User(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            problem = try_to_approve(self.rfile.readline().decode().strip())
            self.wfile.write(problem.encode())

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), User)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    ask = (
        'exec 3<>/dev/tcp/127.0.0.1/$0; echo "$1" >&3; read -r problem <&3; [ -z "$problem" ] || ! echo "$problem" >&2'
    )
    return f"bash -c '{ask}' {server.server_address[1]} %s"


def tcenv(
    *arguments: str, env: Mapping[str, str], timeout: float = 60, **more: object
) -> subprocess.CompletedProcess[str]:
    """Run the command. Its output is text. Forks a process that has imported tcenv, if no option or variable needs a new one."""
    if not more and command_lines.can_fork(env):
        done = command_lines.run(arguments, env, timeout=timeout)
        done.stdout, done.stderr = (text.replace("\r\n", "\n") for text in (done.stdout, done.stderr))
        return done
    return subprocess.run(  # type: ignore[call-overload]
        [TCENV, *arguments],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=timeout,
        **{"stdin": subprocess.DEVNULL, **more},
    )


def make_init_text(shell: str, *options: str, env: Mapping[str, str]) -> str:
    """Return the start-up text that `tcenv init` prints."""
    done = tcenv("init", shell, *options, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout


def login(env: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run `tcenv login` with statements for sh."""
    return tcenv("login", "--shell", "sh", *words, env=env)


def sign_in(sandbox: Sandbox, **more: str) -> dict[str, str]:
    """Sign in, which stores the session. Return the environment."""
    env = make_env(sandbox, **more)
    done = login(env)
    assert done.returncode == 0, done.stderr
    return env


def find_session_file(env: Mapping[str, str], profile: str | None = None) -> Path:
    """Return the runtime store's file of a profile, or of the only one."""
    folder = Path(env["XDG_RUNTIME_DIR"]) / "tcenv"
    return folder / f"{profile}.session" if profile else next(folder.glob("*.session"))


def make_loaded_value(env: Mapping[str, str], profile: str | None = None, before: str = "-") -> str:
    """Return TCENV_LOADED of a shell that has loaded the stored session. `before` was selected before that."""
    file, fields = find_session_file(env, profile), read_session_fields(env, profile)
    return f"{file.stem} {fields['TASKCLUSTER_ROOT_URL']} {fields['GENERATION']} {file} {before}"


def evaluate(*words: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a shell that has evaluated the output of a command."""
    script = 'eval "$("$@")" && env -0'
    done = subprocess.run(
        ["sh", "-c", script, "sh", TCENV, *words, "--shell", "sh"],
        env=dict(env),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    return dict(entry.partition("=")[::2] for entry in done.stdout.split("\0") if entry)


def read_session_fields(env: Mapping[str, str], profile: str | None = None) -> dict[str, str]:
    """Return the fields of the session's file, with the first scope only."""
    lines = find_session_file(env, profile).read_text().splitlines()
    return dict(line.partition("=")[::2] for line in reversed(lines))


def find_holder_process(runtime: Path) -> int | None:
    """Return the process that holds the ports of this runtime directory, or None."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(str(runtime / "tcenv" / "_ports.socket"))
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])
    except OSError:
        return None


def list_commands(folder: Path) -> list[tuple[list[str], int]]:
    """Return commands, each with the status that a shell reports for it. Writes files into `folder`."""
    plain, broken, script, binary = (folder / name for name in ("plain", "broken", "script", "binary"))
    plain.write_text("no program")
    broken.write_text("#!/no/such/interpreter\n")
    broken.chmod(0o755)
    # Shells and `execvp` run it with sh.
    script.write_text("exit $#\n")
    script.chmod(0o755)
    # A program for another kind of machine.
    binary.write_bytes(b"\x7fELF\0\0\n")
    binary.chmod(0o755)
    return [
        (["true"], 0),
        (["sh", "-c", "exit 42"], 42),
        (["no-such-program-anywhere"], 127),
        ([str(folder / "nothing")], 127),
        ([str(plain)], 126),
        ([str(broken)], 126),
        ([str(folder)], 126),
        ([str(script), "a", "b c"], 2),
        ([str(binary)], 126),
    ]
