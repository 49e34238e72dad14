"""Another user of the machine waits for a port: that of a sign-in whose page is still open, and that of a proxy."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tcenv.sandbox import Sandbox
from tests.login_process import LoginProcess
from tests.portholder import exchange, is_free, parse_status, wait_for_holder, wait_until
from tests.programs import require
from tests.reliability.record import record, scale
from tests.world import NAME, TCENV, sign_in, tcenv

# An account that owns nothing.
SOMEBODY = 4242
# In `make fuzz`; `make test` goes through two of each.
TIMES = max(2, scale(20))
ENDINGS = ("SIGKILL", "SIGTERM", "SIGINT", "timeout")
# For each line with a port and the path of a callback: reset some connections that bring a well-formed answer, then try to
# bind the port on both families until the next line, and tell what was bound and what came.
_THIEF = """
import select, socket, struct, sys
families = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
while line := sys.stdin.readline():
    port, path = int(line.split()[0]), line.split()[1]
    for family, host in families * 3:
        with socket.socket(family) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                one.connect((host, port))
                one.sendall(f"GET {path}?clientId=mallory/x&accessToken={'A' * 44} HTTP/1.1\\r\\n"
                            f"Host: localhost:{port}\\r\\n\\r\\n".encode())
            except OSError:
                pass
    bound, came = {}, b""
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], 0.001)[0]:
        for family, host in families:
            if host not in bound:
                one = socket.socket(family)
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    one.bind((host, port))
                    one.listen()
                    bound[host] = one
                except OSError:
                    one.close()
        for one in select.select(list(bound.values()), [], [], 0)[0]:
            connection, _ = one.accept()
            connection.settimeout(60)
            came += connection.recv(65536)
    sys.stdin.readline()
    for one in bound.values():
        one.close()
    print(sorted(bound), came, flush=True)
"""


class Thief:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin and process.stdout
        self._input, self._output = process.stdin, process.stdout

    def begin(self, port: int, path: str = "/") -> None:
        self._input.write(f"{port} {path}\n")
        self._input.flush()
        assert self._output.readline() == "ready\n"

    def result(self) -> str:
        self._input.write("\n")
        self._input.flush()
        return self._output.readline().strip()


@pytest.fixture
def thief() -> Iterator[Thief]:
    user = [f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"]
    process = subprocess.Popen(
        [require("setpriv"), *user, "/usr/bin/env", "python3", "-I", "-c", _THIEF],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    yield Thief(process)
    assert process.stdin
    process.stdin.close()
    process.wait(60)


NOTHING = "[] b''"


@pytest.mark.timeout(900)
def test_a_reset_connection_in_the_wait_gives_nobody_the_port(
    deployment: Sandbox, tmp_path: Path, thief: Thief
) -> None:
    for number in range(TIMES):
        (tmp_path / str(number)).mkdir()
        waiting = LoginProcess(deployment, tmp_path / str(number))
        callback = urlsplit(waiting.callback)
        thief.begin(callback.port or 0, callback.path)
        assert waiting.process.poll() is None
        waiting.approve()
        status, out, err = waiting.end()
        assert (number, status) == (number, 0), err
        assert f"{deployment.user}/{NAME}" in out
        # From here on the port is free, and nobody must get anything.
        assert thief.result().endswith("b''")
        assert tcenv("logout", "--shell", "sh", env=waiting.env).returncode == 0
    record("ports of sign-ins", TIMES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ending", ENDINGS)
def test_after_the_wait_nobody_gets_the_port_while_the_page_is_open(
    ending: str, deployment: Sandbox, tmp_path: Path, thief: Thief
) -> None:
    for number in range(TIMES):
        (tmp_path / str(number)).mkdir()
        limit = ("--timeout", "1s") if ending == "timeout" else ()
        waiting = LoginProcess(deployment, tmp_path / str(number), "--retry", *limit)
        callback = urlsplit(waiting.callback)
        thief.begin(callback.port or 0, callback.path)
        if ending != "timeout":
            waiting.process.send_signal(getattr(signal, ending))
        waiting.end()
        waiting.approve()
        assert thief.result() == NOTHING
        assert not deployment.clients
    record("ports of sign-ins", TIMES)


# It calls with a secret every now and then, until it is told that the run has ended.
_PROGRAM = """
import http.client, os, sys, time, urllib.parse
place = urllib.parse.urlsplit(os.environ["TASKCLUSTER_ROOT_URL"])
print(place.port, flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
        connection.request("PUT", "/api/secrets/v1/secret/mine", body=b"a secret's body", headers={"Connection": "close"})
        if connection.getresponse().status == 410:
            break
    except OSError:
        pass
print("told", flush=True)
sys.stdin.read()
"""


@contextmanager
def proxied(env: dict[str, str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A run, a program that outlives it (its input is ours to close), and the proxy's port."""
    program = tmp_path / "program.py"
    program.write_text(_PROGRAM)
    hold = tmp_path / "fifo"
    hold.unlink(missing_ok=True)
    subprocess.run(["mkfifo", hold], check=True)
    command = f"{sys.executable} {program} <{hold} & read go"
    run = subprocess.Popen(
        [TCENV, "exec", "--proxy", "--", "bash", "-c", command],
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with hold.open("w"):
        assert run.stdout
        yield run, int(run.stdout.readline())


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ending", ["end", "SIGKILL"])
def test_a_program_that_outlives_its_run_tells_nobody_else(
    ending: str, deployment: Sandbox, tmp_path: Path, thief: Thief
) -> None:
    env = sign_in(deployment)
    for _ in range(TIMES):
        with proxied(env, tmp_path) as (run, port):
            thief.begin(port)
            assert run.stdin and run.stdout
            if ending == "end":
                run.stdin.write("go\n")
                run.stdin.flush()
            else:
                run.kill()
            run.wait(60)
            # It has called on and on, and was told.
            assert run.stdout.readline() == "told\n"
            assert parse_status(exchange(port, "GET / HTTP/1.1\r\n\r\n")) == 410
            assert thief.result() == NOTHING
            run.stdin.close()
        # The last process of the run has ended.
        wait_until(lambda port=port: is_free(port))  # type: ignore[misc]
    record("ports of proxies", TIMES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_a_shell_that_has_sourced_the_statements_tells_nobody_else(
    ending: str, deployment: Sandbox, thief: Thief
) -> None:
    env = sign_in(deployment)
    for _ in range(TIMES):
        proxy = subprocess.Popen([TCENV, "proxy", "--shell", "sh"], env=env, stdout=subprocess.PIPE, text=True)
        assert proxy.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)", proxy.stdout.read())
        assert found
        port = int(found[1])
        thief.begin(port)
        proxy.send_signal(getattr(signal, ending))
        proxy.wait(60)
        assert parse_status(exchange(port, "PUT /api HTTP/1.1\r\nContent-Length: 6\r\n\r\nsecret")) == 410
        assert thief.result() == NOTHING
    record("ports of proxies", TIMES)


def test_another_users_answer_after_the_wait_is_refused_and_starts_nothing(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    waiting.process.kill()
    waiting.end()
    theirs = deployment.create_client(f"mozilla-auth0/mallory/{NAME}", ["*"])
    query = f"clientId={theirs.client_id}&accessToken={theirs.access_token}"
    user = (f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups")
    assert waiting.answer(query, require("setpriv"), *user).split()[1] == "403"
    # Nor does one of this user's own that is not of the form.
    for wrong in (
        "",
        "clientId=x",
        f"{query}&more=x",
        query.replace("accessToken", "token"),
        f"clientId=a&accessToken={'A' * 5}",
    ):
        assert waiting.answer(wrong).split()[1] == "400"
    waiting.approve()
    assert list(deployment.clients) == [theirs.client_id]


def test_another_users_process_is_given_no_port(deployment: Sandbox, tmp_path: Path) -> None:
    """Not even where it can reach the holder's socket."""
    waiting = LoginProcess(deployment, tmp_path)
    waiting.process.kill()
    waiting.end()
    wait_for_holder()
    runtime = Path(waiting.env["XDG_RUNTIME_DIR"])
    # With workers, pytest's folders are one deeper.
    above = [folder for folder in runtime.parents if Path(tempfile.gettempdir()) in folder.parents]
    for folder in (*above, runtime, runtime / "tcenv"):
        folder.chmod(0o755)
    (runtime / "tcenv/_ports.socket").chmod(0o666)
    program = (
        "import os, socket, sys\n"
        "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n"
        "s.connect(sys.argv[1])\n"
        "reader, writer = os.pipe()\n"
        "body = f'ask=take\\0port={sys.argv[2]}\\0kind=sign-in'.encode()\n"
        "try:\n"
        "    socket.send_fds(s, [len(body).to_bytes(4, 'big') + body], [reader])\n"
        "    print(socket.recv_fds(s, 1000, 10)[:2])\n"
        "except OSError as error:\n"
        "    print(error)\n"
    )
    port = urlsplit(waiting.callback).port
    user = [f"--reuid={SOMEBODY}", f"--regid={SOMEBODY}", "--clear-groups"]
    command = [require("setpriv"), *user, "/usr/bin/env", "python3", "-I", "-c", program]
    done = subprocess.run(
        [*command, runtime / "tcenv/_ports.socket", str(port)], capture_output=True, text=True, cwd="/", timeout=60
    )
    assert done.stdout in ("(b'', [])\n", "[Errno 104] Connection reset by peer\n", "[Errno 32] Broken pipe\n"), done
    assert parse_status(exchange(port or 0, "GET / HTTP/1.1\r\n\r\n")) == 421
