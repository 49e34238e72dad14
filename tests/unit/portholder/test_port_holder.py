"""Hold a port after the end of its owner: what the holder keeps, what it answers, and when it releases the port."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tcenv import loopback
from tcenv.portholder import client, messages
from tcenv.portholder.claims import Claim
from tests.portholder import (
    PATH,
    exchange,
    fetch_status,
    get_runtime_directory,
    hold_port,
    is_free,
    list_descriptors,
    make_request,
    measure_memory,
    parse_status,
    wait_for_holder,
    wait_until,
)
from tests.world import find_holder_process

PROJECT = Path(__file__).parents[3]
TWELVE_MIB = 12 * 1024 * 1024


def test_a_port_is_held_on_both_families_after_the_end_of_its_owner() -> None:
    held, port = hold_port()
    assert not is_free(port)
    held.leave()
    for address in ("127.0.0.1", "::1"):
        assert fetch_status(port, address=address) == 404
        for host in ("127.0.0.1", "[::1]", "LocalHost"):
            assert parse_status(exchange(port, make_request(port, "/").replace("localhost", host), address)) == 404
        assert (
            parse_status(exchange(port, make_request(port, "/").replace("localhost", "evil.example"), address)) == 421
        )
        assert parse_status(exchange(port, "POST / HTTP/1.1\r\n\r\n", address)) == 405
    assert not is_free(port)


def test_the_holder_accepts_nothing_while_the_owner_lives() -> None:
    held, port = hold_port()
    wait_for_holder()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(make_request(port, "/").encode())
        # The holder handles earlier events before it answers this.
        assert client.take(1, "sign-in") is None
        assert not is_accepted(port)
        held.leave()
        connection.settimeout(60)
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_a_released_port_is_free_at_once() -> None:
    for _ in range(5):
        held, port = hold_port()
        held.release()
        assert is_free(port)
    wait_until(lambda: find_holder_process(get_runtime_directory()) is None)


def test_the_holder_removes_its_directory_if_it_is_empty() -> None:
    """`logout --all --forget` removes everything that the holder does not use."""
    held, _ = hold_port(seconds="1")
    held.leave()
    wait_until(lambda: not (get_runtime_directory() / "tcenv").exists())
    (get_runtime_directory() / "tcenv").mkdir(mode=0o700)
    (get_runtime_directory() / "tcenv" / "work.lock").touch()
    held, _ = hold_port(seconds="1")
    wait_for_holder()
    held.leave()
    wait_until(lambda: find_holder_process(get_runtime_directory()) is None)
    assert {path.name for path in (get_runtime_directory() / "tcenv").iterdir()} >= {"work.lock", "_ports.lock"}


def is_accepted(port: int) -> bool:
    """Return whether a process has accepted the one connection to a port. Before that, the kernel shows no inode."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = [row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return inode != "0"


@pytest.mark.parametrize("begun", [False, True])
def test_a_holder_that_is_the_owners_child_releases_the_port(begun: bool) -> None:
    """The owner does not wait for a child that has not begun. One that has begun keeps the ports of others."""
    sockets, port = loopback.bind(0)
    held = client.hold(sockets, {"kind": "run", "address": "http://127.0.0.1:1"}, as_child=True)
    assert held is not None and held.process is not None
    process = held.process
    other = None
    if begun:
        assert wait_for_holder() == process
        other, other_port = hold_port()
        other.leave()
    for each in sockets:
        each.close()
    held.release()
    assert is_free(port)
    if other is None:
        # If it had begun, it ends by itself, because it holds nothing.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
    else:
        assert fetch_status(other_port) == 404
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def test_one_process_holds_all_ports_of_a_user() -> None:
    """Eight sign-ins begin at the same moment, and each finds no holder."""
    held: list[tuple[client.Hold, int]] = []
    threads = [threading.Thread(target=lambda: held.append(hold_port())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process = wait_for_holder()
    for owner, _ in held:
        owner.leave()
    for _, port in held:
        assert fetch_status(port) == 404
    wait_until(lambda: list_holders() == [process])
    assert measure_memory(process) < TWELVE_MIB


def list_holders() -> list[int]:
    """Return the holders of this test's runtime directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command_line = (process / "cmdline").read_text()
            if "hold_ports" in command_line and str(get_runtime_directory()) in command_line:
                found.append(int(process.name))
    return found


def test_the_holder_inherits_nothing_of_its_owner(tmp_path: Path) -> None:
    """It has only the sockets and the pipe, no working directory, no token, and a session of its own."""
    program = (
        "import os, sys, time\n"
        "from tcenv import loopback\n"
        "from tcenv.portholder import client\n"
        "sockets, port = loopback.bind(0)\n"
        "made = client.hold(sockets, {'kind': 'sign-in', 'path': '/x', 'seconds': '900'})\n"
        "print(port, os.getsid(0), flush=True)\n"
        "sys.stdin.read()\n"
    )
    token = "T" * 44
    with (tmp_path / "inherited").open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=tmp_path,
            pass_fds=[file.fileno()],
            env={**os.environ, "TASKCLUSTER_ACCESS_TOKEN": token, "LC_COPY": f"x{token}", "OTHER": "x"},
            text=True,
        )
    assert process.stdin and process.stdout
    port, session = map(int, process.stdout.readline().split())
    found = wait_for_holder()
    # The third socket and the lock are its own.
    wanted = sorted(
        ["/dev/null"] * 3 + ["pipe"] + ["socket"] * 3 + [str(get_runtime_directory() / "tcenv" / messages.LOCK)]
    )
    wait_until(lambda: sorted(target.partition(":")[0] for target in list_descriptors(found).values()) == wanted)
    assert os.readlink(f"/proc/{found}/cwd") == "/"
    assert os.getsid(found) == found != session
    environment = Path(f"/proc/{found}/environ").read_text()
    assert token not in environment and "OTHER" not in environment
    assert Path(f"/proc/{found}/comm").read_text() == "tcenv-ports\n"
    assert "portholder/hold_ports.py" in Path(f"/proc/{found}/cmdline").read_text()
    assert {"-I", "-S"} <= set(Path(f"/proc/{found}/cmdline").read_text().split("\0"))
    assert Path(f"/proc/{found}/limits").read_text().partition("Max core file size")[2].split()[0] == "0"
    assert measure_memory(found) < TWELVE_MIB
    # It is no child of its owner.
    assert Path(f"/proc/{found}/status").read_text().partition("PPid:\t")[2].split()[0] != str(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert fetch_status(port) == 404
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(found, number)
    assert fetch_status(port) == 404
    wait_until(lambda: not [target for target in list_descriptors(found).values() if target.startswith("pipe")])


def test_the_holder_does_not_wait_for_children_of_the_owner() -> None:
    held, port = hold_port()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    sleeper = subprocess.Popen(["sleep", "600"], close_fds=False)
    held.leave()
    assert fetch_status(port) == 404
    os.write(write, b"x")
    os.waitpid(child, 0)
    sleeper.kill()
    sleeper.wait()


@pytest.mark.parametrize(("fields", "seconds"), [({"kind": "sign-in", "seconds": "900"}, 900), (None, 24 * 3600)])
def test_a_port_is_held_for_a_bounded_time(
    fields: dict[str, str] | None, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.SIGN_IN_SECONDS == 900
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    # The session lasts a week.
    claim = Claim(fields or {"kind": "proxy", "until": str(time.time() + 7 * 86400)})
    for passed, over in ((0, False), (seconds - 1, False), (seconds + 1, True)):
        monkeypatch.setattr(time, "monotonic", lambda passed=passed: 1000.0 + passed)
        assert claim.is_over() is over


def test_a_proxys_port_is_held_until_the_end_of_its_session() -> None:
    held, port = hold_port(kind="proxy", until=str(time.time() + 1))
    other, other_port = hold_port(kind="proxy", until=str(time.time() + 600))
    held.leave()
    other.leave()
    assert fetch_status(other_port) == 410
    wait_until(lambda: is_free(port))
    assert not is_free(other_port)
    for request in (
        make_request(other_port, "/api"),
        "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nsecretive",
        "nonsense\r\n\r\n",
    ):
        assert parse_status(exchange(other_port, request)) == 410


def test_a_port_can_be_taken_back_and_stays_held() -> None:
    """The page of an earlier sign-in may still be open when the next one on the same port ends."""
    held, port = hold_port()
    held.leave()
    assert fetch_status(port) == 404
    for end in ("release", "leave"):
        taken = client.take(port, "sign-in")
        assert taken is not None
        sockets = [socket.socket(fileno=descriptor) for descriptor in taken[0]]
        assert {each.getsockname()[1] for each in sockets} == {port}
        assert client.take(port, "sign-in") is None
        with socket.create_connection(("127.0.0.1", port)) as connection:
            accepted = wait_until(lambda sockets=sockets: accept(sockets))  # type: ignore[misc]
            connection.sendall(make_request(port, "/earlier").encode())
            received = accepted.recv(1000)  # type: ignore[union-attr]
            # The holder answers a connection that this process hands over.
            assert client.hand_over(port, accepted, received)  # type: ignore[arg-type]
            accepted.close()  # type: ignore[union-attr]
            connection.settimeout(60)
            assert connection.recv(100).startswith(b"HTTP/1.1 404")
        for each in sockets:
            each.close()
        getattr(taken[1], end)()
        assert fetch_status(port) == 404
    assert client.take(port, "proxy") is None


def accept(sockets: list[socket.socket]) -> socket.socket | None:
    for each in sockets:
        try:
            return each.accept()[0]
        except BlockingIOError:
            continue
    return None


def test_the_runtime_directory_may_have_a_long_path(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    deep = home / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    deep.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    first, port = hold_port()
    second, other = hold_port()
    for each in (first, second):
        each.leave()
    for number in (port, other):
        assert fetch_status(number) == 404
    connection = messages.connect(str(deep / "tcenv"), 10)
    fields = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    connection.close()
    process = int.from_bytes(fields[:4], sys.byteorder)
    assert measure_memory(process) < TWELVE_MIB
    os.kill(process, signal.SIGKILL)


def find_listener(port: int) -> int:
    """Return this user's process that listens on a port of 127.0.0.1."""
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    (inode,) = [line[9] for line in table if line[1] == f"0100007F:{port:04X}" and line[3] == "0A"]
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"socket:[{inode}]" in list_descriptors(int(each.name)).values():
                return int(each.name)
    raise AssertionError("no process listens")


def test_without_a_runtime_directory_each_port_has_its_holder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_find_directory", lambda: None)
    held, port = hold_port()
    short, other_port = hold_port(seconds="1")
    for each in (held, short):
        each.leave()
    assert fetch_status(port) == 404
    assert client.take(port, "sign-in") is None
    wait_until(lambda: is_free(other_port))
    assert not is_free(port)
    os.kill(find_listener(port), signal.SIGKILL)
    wait_until(lambda: is_free(port))


def test_hold_returns_none_on_an_unsupported_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_IS_SUPPORTED", False)
    assert client.hold([], {}) is None
    assert client.take(1, "sign-in") is None


def test_malformed_requests_and_messages_do_not_end_the_holder() -> None:
    held, port = hold_port()
    held.leave()
    process = wait_for_holder()
    for request in (
        "\0" * 5000,
        "GET / HTTP/1.1",
        "x" * 70_000,
        make_request(port, PATH),
        make_request(port, PATH + "?clientId=x"),
    ):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request.encode())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    crowd = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
    assert fetch_status(port) == 404
    for connection in crowd:
        connection.close()
    for message in (
        b"",
        b"\xff" * 100,
        messages.encode({"ask": "hold"}),
        messages.encode({"ask": "take", "port": "x"}),
    ):
        door = messages.connect(str(get_runtime_directory() / "tcenv"), 10)
        door.send(message)
        door.close()
    assert fetch_status(port) == 404
    assert wait_for_holder() == process


def test_the_holder_imports_neither_expressions_nor_dataclasses() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import tcenv.portholder.holder; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(PROJECT)], capture_output=True, text=True, check=True
    )
    assert {"tcenv.portholder.answers"} <= set(done.stdout.split())
    assert not {"re", "dataclasses", "enum", "socket"} & set(done.stdout.split())
