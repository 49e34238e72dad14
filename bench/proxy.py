"""Measure the signing proxy against the same calls made directly, in one run."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.common import make_runtime_directory
from bench.measure import Row, measure_ratio, measure_seconds
from bench.upstream import BIG
from bench.world import World, find_program
from tcenv.deployment import hawk
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.hawk import Endpoint, PayloadHash
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.profile_names import get_profile_name
from tcenv.sessions.session import Session

_CALL = "/api/queue/v1/task/dSlITZ4yQgmvxxAi4A8fHQ"
_CHUNK = b"x" * 2**20


@dataclass(frozen=True)
class _Run:
    """A running `exec --proxy`: the deployment's port, the proxy's port, and what its programs sign with."""

    direct: int
    port: int
    client_id: str
    token: str
    process: int

    def header(self, method: str, path: str, payload_hash: str = "") -> str:
        endpoint = Endpoint("127.0.0.1", self.port, path)
        return hawk.make_header(
            self.client_id, self.token, method, endpoint, now=time.time(), payload_hash=payload_hash
        )

    def memory(self, what: str) -> float:
        """Return a figure of the process's memory from /proc, in MiB."""
        found = re.search(rf"{what}:\s*(\d+) kB", Path(f"/proc/{self.process}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024


def _make_session(root_url: str) -> Session:
    now = int(time.time())
    return Session(
        profile=get_profile_name(root_url),
        root_url=root_url,
        credentials=Credentials("bench/tcenv", "BenchTokenBenchTokenBenchTokenBenchTokenBenc"),
        created=now,
        expires=now + 86400,
        name="tcenv",
        scopes=("*",),
        asked=("*",),
    )


@contextlib.contextmanager
def _run_proxy(world: World) -> Iterator[_Run]:
    upstream = subprocess.Popen([sys.executable, "-m", "bench.upstream"], stdout=subprocess.PIPE)
    assert upstream.stdout is not None
    direct = int(upstream.stdout.readline())
    env = {
        **world.env,
        "XDG_RUNTIME_DIR": str(make_runtime_directory(world)),
        "TASKCLUSTER_ROOT_URL": f"http://127.0.0.1:{direct}",
    }
    store = Path(env["XDG_RUNTIME_DIR"]) / "tcenv"
    store.mkdir(mode=0o700)
    DirectoryStore("runtime", str(store)).save(_make_session(env["TASKCLUSTER_ROOT_URL"]))
    look = 'echo "$TASKCLUSTER_ROOT_URL $TASKCLUSTER_CLIENT_ID $TASKCLUSTER_ACCESS_TOKEN"; exec sleep 600'
    program = subprocess.Popen(
        [world.tcenv, "exec", "--proxy", "--", "sh", "-c", look], env=env, stdout=subprocess.PIPE
    )
    assert program.stdout is not None
    try:
        root_url, client_id, token = program.stdout.readline().decode().split()
        run = _Run(direct, int(root_url.rpartition(":")[2]), client_id, token, program.pid)
        _measure_call(run, run.port, 50)
        yield run
    finally:
        for process in (program, upstream):
            process.terminate()
            process.wait()


def measure_proxy(world: World) -> Iterator[Row]:
    """Measure a call's cost, the rate of calls, the memory that a big body takes, and the start of the command."""
    with _run_proxy(world) as run:
        pairs = [(_measure_call(run, run.port, 300), _measure_call(run, run.direct, 300)) for _ in range(9)]
        through, direct = (statistics.median(side) for side in zip(*pairs, strict=True))
        note = f"{through * 1000:.2f} ms through the proxy, {direct * 1000:.2f} ms directly"
        yield Row("a call over one connection, added", (through - direct) * 1000, 1.0, "ms", "", note)
        yield _measure_many(run)
        yield from _measure_big_bodies(run)
    yield _measure_start(world)


def _measure_call(run: _Run, port: int, count: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    header = run.header("GET", _CALL)
    took = []
    for _ in range(count):
        start = time.perf_counter()
        connection.request("GET", _CALL, headers={"Authorization": header})
        answer = connection.getresponse()
        answer.read()
        took.append(time.perf_counter() - start)
        assert answer.status == 200
    connection.close()
    return statistics.median(took)


def _measure_many(run: _Run) -> Row:
    name = "16 connections, time a call"
    wrk = find_program("wrk")
    if wrk is None:
        return Row(name, None, None, "µs", "", "not measured: wrk is not there")
    rates = {}
    for port in (run.direct, run.port):
        command = [wrk, "-c16", "-t1", "-d5s", "-H", f"Authorization: {run.header('GET', _CALL)}"]
        done = subprocess.run([*command, f"http://127.0.0.1:{port}{_CALL}"], capture_output=True, text=True, check=True)
        assert "Non-2xx" not in done.stdout
        found = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
        assert found is not None
        rates[port] = float(found[1])
    through, direct = rates[run.port], rates[run.direct]
    note = f"{through:,.0f} calls a second (at least 3,000), directly {direct:,.0f}, client and deployment on the same cores"
    return Row(name, 1e6 / through, 1e6 / 3000, "µs", "", note)


def _measure_big_bodies(run: _Run) -> Iterator[Row]:
    idle = run.memory("VmRSS")
    for name, method, slow, chunked in (
        ("a GiB to the program", "GET", False, False),
        ("a GiB to a program that reads slowly", "GET", True, False),
        ("a GiB to the deployment", "PUT", False, False),
        ("a GiB to a deployment that reads slowly", "PUT", True, False),
        ("a GiB in chunks to the deployment", "PUT", False, True),
    ):
        Path(f"/proc/{run.process}/clear_refs").write_text("5")
        start = time.perf_counter()
        _transfer(run, method, slow=slow, chunked=chunked)
        note = f"in {time.perf_counter() - start:.1f} s; {idle:.0f} MiB when idle"
        if chunked:
            note += "; beside that its first 16 MiB, in memory of the kernel's"
        yield Row(f"{name}, memory above idle", max(0.0, run.memory("VmHWM") - idle), 16.0, "MiB", "", note)


def _transfer(run: _Run, method: str, *, slow: bool, chunked: bool) -> None:
    path = f"{_CALL}/big{'-slow' if slow else ''}"
    payload_hash = ""
    if method == "PUT":
        payload = PayloadHash()
        for _ in range(BIG // len(_CHUNK)):
            payload.update(_CHUNK)
        payload_hash = payload.digest()
    told = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {BIG}"
    length = f"{told}\r\n" if method == "PUT" else ""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{run.port}\r\n{length}"
    with socket.create_connection(("127.0.0.1", run.port)) as connection:
        connection.sendall(f"{head}Authorization: {run.header(method, path, payload_hash)}\r\n\r\n".encode())
        if method == "PUT":
            for _ in range(BIG // len(_CHUNK)):
                connection.sendall(b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK) if chunked else _CHUNK)
            connection.sendall(b"0\r\n\r\n" if chunked else b"")
        taken, wanted = 0, BIG if method == "GET" else 500
        while taken < wanted:
            piece = connection.recv(2**16 if slow else 2**20)
            assert piece
            taken += len(piece)
            if slow and taken % 2**22 < len(piece):
                time.sleep(0.01)


def _measure_start(world: World) -> Row:
    root_url = "https://tc.example.com"
    env = {**world.env, "XDG_RUNTIME_DIR": str(make_runtime_directory(world)), "TASKCLUSTER_ROOT_URL": root_url}
    store = Path(env["XDG_RUNTIME_DIR"]) / "tcenv"
    store.mkdir(mode=0o700)
    DirectoryStore("runtime", str(store)).save(_make_session(root_url))

    def time_start() -> float:
        start = time.time()
        command = [world.tcenv, "exec", "--proxy", "--", "date", "+%s.%N"]
        return float(subprocess.run(command, env=env, capture_output=True, check=True).stdout) - start

    bare = measure_ratio(time_start, lambda: measure_seconds([world.python, "-c", "pass"], world.env))
    return Row("exec --proxy, start of its command", bare, 5.0, note="to the command's first output")
