"""The process that holds ports: what it keeps, what it answers, and when it lets go."""

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
from tcenv.portholder.leftovers import Leftovers
from tests.portholder import (
    PATH,
    exchange,
    find_holder,
    get_runtime_directory,
    hold_port,
    is_free,
    list_descriptors,
    make_request,
    measure_memory,
    parse_status,
    wait_until,
)
from tests.world import find_holder_process

PROJECT = Path(__file__).parents[3]
TWELVE_MIB = 12 * 1024 * 1024


def test_a_port_is_held_on_both_families_from_the_end_of_its_owner_on() -> None:
    made, port = hold_port()
    assert not is_free(port)
    made.leave()
    for address in ("127.0.0.1", "::1"):
        assert parse_status(exchange(port, make_request(port, "/"), address)) == 404
        for host in ("127.0.0.1", "[::1]", "LocalHost"):
            assert parse_status(exchange(port, make_request(port, "/").replace("localhost", host), address)) == 404
        assert (
            parse_status(exchange(port, make_request(port, "/").replace("localhost", "evil.example"), address)) == 421
        )
        assert parse_status(exchange(port, "POST / HTTP/1.1\r\n\r\n", address)) == 405
    assert not is_free(port)


def test_nothing_is_accepted_while_the_owner_lives() -> None:
    made, port = hold_port()
    find_holder()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(make_request(port, "/").encode())
        # It has looked at everything that happened when it answers this.
        assert client.take(1, "sign-in") is None
        assert not _is_accepted(port)
        made.leave()
        connection.settimeout(60)
        assert connection.recv(100).startswith(b"HTTP/1.1 404")


def test_a_port_that_is_released_is_free_at_once() -> None:
    for _ in range(5):
        made, port = hold_port()
        made.release()
        assert is_free(port)
    wait_until(lambda: find_holder_process(get_runtime_directory()) is None)


def test_it_leaves_nothing_where_all_else_has_been_removed() -> None:
    """`logout --all --forget` removes all but what the holder uses."""
    made, _ = hold_port(seconds="1")
    made.leave()
    wait_until(lambda: not (get_runtime_directory() / "tcenv").exists())
    (get_runtime_directory() / "tcenv").mkdir(mode=0o700)
    (get_runtime_directory() / "tcenv" / "work.lock").touch()
    made, _ = hold_port(seconds="1")
    find_holder()
    made.leave()
    wait_until(lambda: find_holder_process(get_runtime_directory()) is None)
    assert {path.name for path in (get_runtime_directory() / "tcenv").iterdir()} >= {"work.lock", "_ports.lock"}


def _is_accepted(port: int) -> bool:
    """Whether a process has the one connection to a port: until then, the kernel tells no inode of it."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    (inode,) = [row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]
    return inode != "0"


@pytest.mark.parametrize("begun", [False, True])
def test_a_holder_that_is_the_owners_child_lets_go_as_well(begun: bool) -> None:
    """It is not waited for where it has not begun; and where it has, it keeps what others have handed over."""
    sockets, port = loopback.bind(0)
    made = client.hold(sockets, {"kind": "run", "address": "http://127.0.0.1:1"}, as_child=True)
    assert made is not None and made.process is not None
    process = made.process
    other = None
    if begun:
        assert find_holder() == process
        other, other_port = hold_port()
        other.leave()
    for each in sockets:
        each.close()
    made.release()
    assert is_free(port)
    if other is None:
        # If it had begun all the same, it ends by itself, since it has nothing left to hold.
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process, 0)
    else:
        assert parse_status(exchange(other_port, make_request(other_port, "/"))) == 404
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


def test_one_process_holds_all_ports_of_a_user() -> None:
    """Those of sign-ins that begin in the same moment too, when there is none yet."""
    made: list[tuple[client.Hold, int]] = []
    threads = [threading.Thread(target=lambda: made.append(hold_port())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process = find_holder()
    for owner, _ in made:
        owner.leave()
    for _, port in made:
        assert parse_status(exchange(port, make_request(port, "/"))) == 404
    wait_until(lambda: _holders_of_this_test() == [process])
    assert measure_memory(process) < TWELVE_MIB


def _holders_of_this_test() -> list[int]:
    return [
        int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _holds_for_this_test(entry)
    ]


def _holds_for_this_test(process: Path) -> bool:
    try:
        return (
            str(get_runtime_directory()) in (process / "cmdline").read_text()
            and "hold_ports" in (process / "cmdline").read_text()
        )
    except OSError:
        return False


def test_it_keeps_nothing_of_the_process_that_started_it(tmp_path: Path) -> None:
    """No descriptor but the sockets and the pipe, no working directory, no token, and a session of its own."""
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
    found = find_holder()
    # The door and the lock are its own.
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
    # Nor does what the owner was started with have it for a child.
    assert Path(f"/proc/{found}/status").read_text().partition("PPid:\t")[2].split()[0] != str(process.pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        os.kill(found, number)
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
    wait_until(lambda: not [target for target in list_descriptors(found).values() if target.startswith("pipe")])


def test_a_child_of_the_owner_does_not_keep_it_waiting() -> None:
    made, port = hold_port()
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    sleeper = subprocess.Popen(["sleep", "600"], close_fds=False)
    made.leave()
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
    os.write(write, b"x")
    os.waitpid(child, 0)
    sleeper.kill()
    sleeper.wait()


@pytest.mark.parametrize(("told", "seconds"), [({"kind": "sign-in", "seconds": "900"}, 900), (None, 24 * 3600)])
def test_how_long_it_is_held(told: dict[str, str] | None, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.SIGN_IN_SECONDS == 900
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)
    # A session of a week.
    claim = Claim(told or {"kind": "proxy", "until": str(time.time() + 7 * 86400)})
    for passed, over in ((0, False), (seconds - 1, False), (seconds + 1, True)):
        monkeypatch.setattr(time, "monotonic", lambda passed=passed: 1000.0 + passed)
        assert claim.is_over() is over


def test_a_proxys_port_is_held_until_the_end_of_its_session() -> None:
    made, port = hold_port(kind="proxy", until=str(time.time() + 1))
    other, other_port = hold_port(kind="proxy", until=str(time.time() + 600))
    made.leave()
    other.leave()
    assert parse_status(exchange(other_port, make_request(other_port, "/"))) == 410
    wait_until(lambda: is_free(port))
    assert not is_free(other_port)
    for request in (
        make_request(other_port, "/api"),
        "POST /x HTTP/1.1\r\nContent-Length: 9\r\n\r\nsecretive",
        "nonsense\r\n\r\n",
    ):
        assert parse_status(exchange(other_port, request)) == 410


def test_a_port_is_taken_back_and_goes_on_being_held() -> None:
    """The next sign-in on the same port does not end the wait for the page of the one before, whichever way it ends."""
    made, port = hold_port()
    made.leave()
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
    for end in ("release", "leave"):
        taken = client.take(port, "sign-in")
        assert taken is not None
        sockets = [socket.socket(fileno=descriptor) for descriptor in taken[0]]
        assert {each.getsockname()[1] for each in sockets} == {port}
        assert client.take(port, "sign-in") is None
        with socket.create_connection(("127.0.0.1", port)) as connection:
            accepted = wait_until(lambda sockets=sockets: _accepted(sockets))  # type: ignore[misc]
            connection.sendall(make_request(port, "/earlier").encode())
            received = accepted.recv(1000)  # type: ignore[union-attr]
            # The holder answers what this process does not take.
            assert client.hand_over(port, accepted, received)  # type: ignore[arg-type]
            accepted.close()  # type: ignore[union-attr]
            connection.settimeout(60)
            assert connection.recv(100).startswith(b"HTTP/1.1 404")
        for each in sockets:
            each.close()
        getattr(taken[1], end)()
        assert parse_status(exchange(port, make_request(port, "/"))) == 404
    assert client.take(port, "proxy") is None


def _accepted(sockets: list[socket.socket]) -> socket.socket | None:
    for each in sockets:
        try:
            return each.accept()[0]
        except BlockingIOError:
            continue
    return None


def test_below_a_path_that_is_too_long_for_a_socket(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    deep = home / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    deep.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))
    first, port = hold_port()
    second, other = hold_port()
    for each in (first, second):
        each.leave()
    for number in (port, other):
        assert parse_status(exchange(number, make_request(number, "/"))) == 404
    connection = messages.connect(str(deep / "tcenv"), 10)
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    connection.close()
    process = int.from_bytes(told[:4], sys.byteorder)
    assert measure_memory(process) < TWELVE_MIB
    os.kill(process, signal.SIGKILL)


def process_at(port: int) -> int:
    """The process of this user that listens on a port of 127.0.0.1."""
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    (inode,) = [line[9] for line in table if line[1] == f"0100007F:{port:04X}" and line[3] == "0A"]
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"socket:[{inode}]" in list_descriptors(int(each.name)).values():
                return int(each.name)
    raise AssertionError("nobody listens")


def test_without_a_runtime_directory_each_port_is_held_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_find_directory", lambda: None)
    made, port = hold_port()
    short, other_port = hold_port(seconds="1")
    for each in (made, short):
        each.leave()
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
    assert client.take(port, "sign-in") is None
    wait_until(lambda: is_free(other_port))
    assert not is_free(port)
    os.kill(process_at(port), signal.SIGKILL)
    wait_until(lambda: is_free(port))


def test_where_ports_cannot_be_held_the_sign_in_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_IS_SUPPORTED", False)
    assert client.hold([], {}) is None
    assert client.take(1, "sign-in") is None


def test_nobody_who_talks_nonsense_ends_it() -> None:
    made, port = hold_port()
    made.leave()
    process = find_holder()
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
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
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
    assert parse_status(exchange(port, make_request(port, "/"))) == 404
    assert find_holder() == process


def test_processes_that_are_left_are_known_by_descent_and_by_environment() -> None:
    address = "http://127.0.0.1:34567"
    program = "sleep 600 & echo $!; wait"
    parent = subprocess.Popen(["env", "-i", "/bin/sh", "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    grandchild = int(parent.stdout.readline())
    marked = subprocess.Popen(["sleep", "600"], env={"TASKCLUSTER_ROOT_URL": address})
    other = subprocess.Popen(["sleep", "600"], env={"TASKCLUSTER_ROOT_URL": address + "8"})
    try:
        left = Leftovers(address, str(parent.pid))
        assert left.is_any_alive()
        parent.kill()
        parent.wait()
        left._checked = 0
        assert left.is_any_alive() and set(left._known) == {grandchild, marked.pid}
        marked.kill()
        marked.wait()
        os.kill(grandchild, signal.SIGKILL)

        def gone() -> bool:
            left._checked = 0
            return not left.is_any_alive()

        wait_until(gone)
    finally:
        for each in (marked, other):
            each.kill()
            each.wait()


def test_the_holder_imports_neither_expressions_nor_dataclasses() -> None:
    program = "import sys; sys.path.insert(0, sys.argv[1]); import tcenv.portholder.holder; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, str(PROJECT)], capture_output=True, text=True, check=True
    )
    assert {"tcenv.portholder.answers"} <= set(done.stdout.split())
    assert not {"re", "dataclasses", "enum", "socket"} & set(done.stdout.split())
