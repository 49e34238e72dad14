"""tcenv asks the kernel who owns the other end of a connection: this user, another user, or an unknown one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tcenv import peer
from tests.privileged.users import STRANGER, start_python
from tests.programs import require

PROJECT = Path(__file__).parents[2]
Address = tuple[bytes, int]
HOSTS = ("127.0.0.1", "::1")
# Connect, and stay until the input ends.
_CONNECT = (
    "import socket, sys\n"
    "connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
    "print('connected', flush=True)\n"
    "sys.stdin.read()\n"
)


@contextmanager
def listen(host: str) -> Iterator[socket.socket]:
    """Listen at a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen()
        server.settimeout(60)
        yield server


@contextmanager
def connect_as_stranger(host: str, port: int) -> Iterator[None]:
    """Connect from another user's process."""
    process = start_python(_CONNECT, host, str(port))
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == "connected\n"
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def get_ends(connection: socket.socket) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return connection.getsockname(), connection.getpeername()


@pytest.fixture(params=["netlink", "proc"], autouse=True)
def method(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask by netlink and by the tables in /proc, with the same results."""
    if request.param == "proc":

        def refused(here: Address, there: Address) -> int | None:
            raise OSError("no netlink here")

        monkeypatch.setattr(peer, "_ask_netlink", refused)
    else:
        monkeypatch.setattr(peer, "_search_tables", lambda here, there: pytest.fail("netlink answers on this machine"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_connection_of_this_user(host: str) -> None:
    with listen(host) as server, socket.create_connection(server.getsockname()[:2]):
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*get_ends(accepted)) == os.geteuid()
            assert peer.is_own_peer(*get_ends(accepted))


@pytest.mark.parametrize("host", HOSTS)
def test_a_connection_of_another_user(host: str) -> None:
    with listen(host) as server, connect_as_stranger(host, server.getsockname()[1]):
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*get_ends(accepted)) == STRANGER
            assert not peer.is_own_peer(*get_ends(accepted))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("end", ["close", "process"])
def test_a_closed_socket_has_no_owner(host: str, end: str) -> None:
    """The kernel shows it as a socket of root, whom tcenv accepts."""
    with listen(host) as server:
        if end == "close":
            socket.create_connection(server.getsockname()[:2]).close()
        else:
            with connect_as_stranger(host, server.getsockname()[1]):
                pass
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*get_ends(accepted)) is None
            assert not peer.is_own_peer(*get_ends(accepted))


@pytest.mark.parametrize("host", HOSTS)
def test_a_half_closed_connection_has_an_owner(host: str) -> None:
    with listen(host) as server, socket.create_connection(server.getsockname()[:2]) as client:
        accepted, _ = server.accept()
        with accepted:
            client.shutdown(socket.SHUT_WR)
            assert peer.find_owner_of_peer(*get_ends(accepted)) == os.geteuid()


@pytest.mark.parametrize("host", HOSTS)
def test_a_server_at_that_port_is_not_the_caller(host: str) -> None:
    """After another user's connection has closed, a server of this user may take its port."""
    with listen(host) as server, listen(host) as other:
        assert peer.find_owner_of_peer(server.getsockname(), other.getsockname()) is None
        assert not peer.is_own_peer(server.getsockname(), other.getsockname())


def test_an_ipv4_connection_between_sockets_of_both_families() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        with socket.create_connection(("127.0.0.1", server.getsockname()[1])):
            accepted, _ = server.accept()
            with accepted:
                assert accepted.getpeername()[0].startswith("::ffff:")
                assert peer.find_owner_of_peer(*get_ends(accepted)) == os.geteuid()
    with listen("127.0.0.1") as server, socket.socket(socket.AF_INET6) as client:
        client.connect((f"::ffff:{server.getsockname()[0]}", server.getsockname()[1]))
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*get_ends(accepted)) == os.geteuid()


@pytest.mark.parametrize(
    ("local", "remote"),
    [
        (("", 0), ("", 0)),
        (("127.0.0.1", 1), ("::1", 1)),
        ((), ()),
        (("127.0.0.1",), ("127.0.0.1",)),
        (("127.0.0.1", "80"), ("127.0.0.1", "80")),
        (("127.0.0.1", 70000), ("127.0.0.1", -1)),
        (("/run/socket", 1), ("", 1)),
        (("192.0.2.1", 443), ("192.0.2.2", 50000)),
    ],
)
def test_no_connection_has_no_owner(local: tuple[object, ...], remote: tuple[object, ...]) -> None:
    assert peer.find_owner_of_peer(local, remote) is None
    assert not peer.is_own_peer(local, remote)


def test_the_program_of_a_peer() -> None:
    with listen("127.0.0.1") as server:
        command = [sys.executable, "-I", "-c", _CONNECT, "127.0.0.1", str(server.getsockname()[1])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        accepted, _ = server.accept()
        with accepted:
            name = Path(f"/proc/{process.pid}/comm").read_text().strip()
            assert peer.is_program_of_peer(*get_ends(accepted), {"ssh", name})
            assert not peer.is_program_of_peer(*get_ends(accepted), {"ssh", "sshd"})
            process.stdin.close()
            process.stdout.close()
            process.wait(60)
            assert not peer.is_program_of_peer(*get_ends(accepted), {name})


def test_without_such_a_kernel_every_peer_counts_as_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "KERNEL_TELLS", False)
    assert peer.find_owner_of_peer(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert peer.is_own_peer(("127.0.0.1", 1), ("127.0.0.1", 2))


def test_its_import_needs_no_other_module() -> None:
    program = "import sys; before = set(sys.modules); import tcenv.peer; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.stdout.split() == ["__future__", "tcenv", "tcenv.peer"]


# Ask in a new process for the owner of its own connections.
_ASK = """
import os, socket, sys
sys.path.insert(0, sys.argv[1])
from tcenv import peer
from tcenv.portholder import messages
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
connection, _ = server.accept()
ends = connection.getsockname(), connection.getpeername()
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
print(os.geteuid(), peer.find_owner_of_peer(*ends), peer.is_own(connection), messages.is_own(pair[0]))
"""


@pytest.mark.parametrize("mapped", [True, False], ids=["mapped", "unmapped"])
def test_a_namespace_that_maps_no_user_has_no_own_peer(mapped: bool) -> None:
    """There, each user of the machine has the number 65534, and so does the process itself."""
    command = [require("unshare"), "--user", *(["--map-root-user"] if mapped else [])]
    done = subprocess.run(
        [*command, sys.executable, "-I", "-c", _ASK, str(PROJECT)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ("0 0 True True\n" if mapped else "65534 65534 False False\n"), done.stderr
