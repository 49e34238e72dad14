"""Another user of the machine gets neither the port of a sign-in whose page is still open nor that of a proxy, and keeps no
call out by open connections."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tcenv.sandbox import Sandbox
from tests.calls import PING, run_as_nobody, send_signed
from tests.login_process import LoginProcess
from tests.portholder import exchange, is_free, parse_status, wait_for_holder, wait_until
from tests.privileged.users import make_prefix, make_python_command, start_python
from tests.proxy import run_deployment, run_proxy
from tests.reliability.record import record, scale
from tests.world import NAME, TCENV, sign_in, tcenv

# `make fuzz` runs twenty of each, `make test` two.
TIMES = max(2, scale(20))
ENDINGS = ("SIGKILL", "SIGTERM", "SIGINT", "timeout")
# For each line with a port and the path of a callback: reset some connections that send a well-formed answer, and then try to
# bind the port on both families until the next line. Print the bound addresses and the received bytes.
_COMPETE = """
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
    bound, received = {}, b""
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
            received += connection.recv(65536)
    sys.stdin.readline()
    for one in bound.values():
        one.close()
    print(sorted(bound), received, flush=True)
"""


class Competitor:
    """Another user's process, which tries to bind a port as soon as it is free."""

    def __init__(self) -> None:
        self._process = start_python(_COMPETE)
        assert self._process.stdin and self._process.stdout
        self._input, self._output = self._process.stdin, self._process.stdout

    def start(self, port: int, path: str = "/") -> None:
        """Reset some connections to the port, and then try to bind it."""
        self._input.write(f"{port} {path}\n")
        self._input.flush()
        assert self._output.readline() == "ready\n"

    def stop(self) -> str:
        """Return the addresses that it could bind, and what it received there."""
        self._input.write("\n")
        self._input.flush()
        return self._output.readline().strip()

    def close(self) -> None:
        self._input.close()
        self._process.wait(60)


@pytest.fixture
def competitor() -> Iterator[Competitor]:
    with closing(Competitor()) as running:
        yield running


NOTHING = "[] b''"


@pytest.mark.timeout(900)
def test_a_reset_connection_in_the_wait_frees_no_port(
    deployment: Sandbox, tmp_path: Path, competitor: Competitor
) -> None:
    for number in range(TIMES):
        (tmp_path / str(number)).mkdir()
        waiting = LoginProcess(deployment, tmp_path / str(number))
        callback = urlsplit(waiting.callback)
        competitor.start(callback.port or 0, callback.path)
        assert waiting.process.poll() is None
        waiting.approve()
        status, out, err = waiting.end()
        assert (number, status) == (number, 0), err
        assert f"{deployment.user}/{NAME}" in out
        # From here on the port is free, and the competitor must receive nothing.
        assert competitor.stop().endswith("b''")
        assert tcenv("logout", "--shell", "sh", env=waiting.env).returncode == 0
    record("ports of sign-ins", TIMES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ending", ENDINGS)
def test_after_the_wait_the_port_stays_held_while_the_page_is_open(
    ending: str, deployment: Sandbox, tmp_path: Path, competitor: Competitor
) -> None:
    for number in range(TIMES):
        (tmp_path / str(number)).mkdir()
        limit = ("--timeout", "1s") if ending == "timeout" else ()
        waiting = LoginProcess(deployment, tmp_path / str(number), "--retry", *limit)
        callback = urlsplit(waiting.callback)
        competitor.start(callback.port or 0, callback.path)
        if ending != "timeout":
            waiting.process.send_signal(getattr(signal, ending))
        waiting.end()
        waiting.approve()
        assert competitor.stop() == NOTHING
        assert not deployment.clients
    record("ports of sign-ins", TIMES)


# Call with a secret until an answer says that the run has ended.
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
def run_proxied(env: dict[str, str], tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a run with a program that outlives it. Return the run and the proxy's port. The program ends with the block."""
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
def test_only_tcenv_answers_a_program_that_outlives_its_run(
    ending: str, deployment: Sandbox, tmp_path: Path, competitor: Competitor
) -> None:
    env = sign_in(deployment)
    for _ in range(TIMES):
        with run_proxied(env, tmp_path) as (run, port):
            competitor.start(port)
            assert run.stdin and run.stdout
            if ending == "end":
                run.stdin.write("go\n")
                run.stdin.flush()
            else:
                run.kill()
            run.wait(60)
            # The program has called until the answer.
            assert run.stdout.readline() == "told\n"
            assert parse_status(exchange(port, "GET / HTTP/1.1\r\n\r\n")) == 410
            assert competitor.stop() == NOTHING
            run.stdin.close()
        # The last process of the run has ended.
        wait_until(lambda port=port: is_free(port))  # type: ignore[misc]
    record("ports of proxies", TIMES)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("ending", ["SIGINT", "SIGTERM", "SIGKILL"])
def test_only_tcenv_answers_a_shell_after_the_end_of_its_proxy(
    ending: str, deployment: Sandbox, competitor: Competitor
) -> None:
    env = sign_in(deployment)
    for _ in range(TIMES):
        proxy = subprocess.Popen([TCENV, "proxy", "--shell", "sh"], env=env, stdout=subprocess.PIPE, text=True)
        assert proxy.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)", proxy.stdout.read())
        assert found
        port = int(found[1])
        competitor.start(port)
        proxy.send_signal(getattr(signal, ending))
        proxy.wait(60)
        assert parse_status(exchange(port, "PUT /api HTTP/1.1\r\nContent-Length: 6\r\n\r\nsecret")) == 410
        assert competitor.stop() == NOTHING
    record("ports of proxies", TIMES)


def test_another_users_answer_after_the_wait_is_refused_and_starts_nothing(deployment: Sandbox, tmp_path: Path) -> None:
    waiting = LoginProcess(deployment, tmp_path)
    waiting.process.kill()
    waiting.end()
    theirs = deployment.create_client(f"mozilla-auth0/mallory/{NAME}", ["*"])
    query = f"clientId={theirs.client_id}&accessToken={theirs.access_token}"
    assert waiting.answer(query, *make_prefix()).split()[1] == "403"
    # An answer of this user in a wrong form is refused, too.
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


def test_another_users_process_gets_no_port(deployment: Sandbox, tmp_path: Path) -> None:
    """The process can even reach the socket of the port holder."""
    waiting = LoginProcess(deployment, tmp_path)
    waiting.process.kill()
    waiting.end()
    wait_for_holder()
    runtime = Path(waiting.env["XDG_RUNTIME_DIR"])
    # With workers, pytest's folders are one level deeper.
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
    command = make_python_command(program, f"{runtime}/tcenv/_ports.socket", str(port))
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
    assert done.stdout in ("(b'', [])\n", "[Errno 104] Connection reset by peer\n", "[Errno 32] Broken pipe\n"), done
    assert parse_status(exchange(port or 0, "GET / HTTP/1.1\r\n\r\n")) == 421


# Open 300 connections, half of them with a part of a request, and print the beginnings of the answers.
_LEAVE_OPEN = """
import socket, sys
left = []
for number in range(300):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    if number % 2:
        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: ")
    left.append(sock)
print("open", flush=True)
answers = set()
for sock in left:
    sock.settimeout(60)
    try:
        answers.add(sock.recv(12))
    except ConnectionError:
        answers.add(b"")
print(sorted(answers))
"""


def test_hundreds_of_another_users_connections_keep_no_call_out() -> None:
    with run_deployment() as fake, run_proxy(fake.root_url) as proxy:
        done = run_as_nobody(_LEAVE_OPEN, str(proxy.port))
        assert done.stdout == "open\n[b'', b'HTTP/1.1 403']\n", done.stderr
        assert send_signed(proxy, "GET", PING).status_code == 200
