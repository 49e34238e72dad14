"""Whose connection it is, by the kernel's word: this user's, another user's, and of nobody that can be named."""

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
from tests.programs import require

PROJECT = Path(__file__).parents[2]
Address = tuple[bytes, int]
HOSTS = ("127.0.0.1", "::1")
# The account that every system has, and that owns nothing.
NOBODY = 65534
_STAY = (
    "import socket, sys\n"
    "connection = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
    "print('connected', flush=True)\n"
    "sys.stdin.read()\n"
)


@contextmanager
def listening(host: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen()
        server.settimeout(60)
        yield server


@contextmanager
def somebody_elses(host: str, port: int) -> Iterator[None]:
    """A connection of another user's process."""
    # Their Python: this one's may lie where they cannot read.
    command = ["sudo", "-n", "-u", f"#{NOBODY}", "/usr/bin/env", "python3", "-I", "-c", _STAY, host, str(port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    assert process.stdin
    assert process.stdout
    try:
        assert process.stdout.readline() == b"connected\n"
        yield
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(60)


def ends(connection: socket.socket) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return connection.getsockname(), connection.getpeername()


@pytest.fixture(params=["netlink", "proc"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of asking say the same."""
    if request.param == "proc":

        def refused(here: Address, there: Address) -> int | None:
            raise OSError("no netlink here")

        monkeypatch.setattr(peer, "_ask_netlink", refused)
    else:
        monkeypatch.setattr(peer, "_search_tables", lambda here, there: pytest.fail("netlink answers on this machine"))


@pytest.mark.parametrize("host", HOSTS)
def test_a_connection_of_this_user(host: str) -> None:
    with listening(host) as server, socket.create_connection(server.getsockname()[:2]):
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*ends(accepted)) == os.geteuid()
            assert peer.is_own_peer(*ends(accepted))


@pytest.mark.parametrize("host", HOSTS)
def test_a_connection_of_another_user(host: str) -> None:
    with listening(host) as server, somebody_elses(host, server.getsockname()[1]):
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*ends(accepted)) == NOBODY
            assert not peer.is_own_peer(*ends(accepted))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("bye", ["close", "process"])
def test_a_socket_that_was_closed_is_nobodys(host: str, bye: str) -> None:
    """The kernel shows it as root's, and root is let in."""
    with listening(host) as server:
        if bye == "close":
            socket.create_connection(server.getsockname()[:2]).close()
        else:
            with somebody_elses(host, server.getsockname()[1]):
                pass
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*ends(accepted)) is None
            assert not peer.is_own_peer(*ends(accepted))


@pytest.mark.parametrize("host", HOSTS)
def test_half_closed_is_still_held(host: str) -> None:
    with listening(host) as server, socket.create_connection(server.getsockname()[:2]) as client:
        accepted, _ = server.accept()
        with accepted:
            client.shutdown(socket.SHUT_WR)
            assert peer.find_owner_of_peer(*ends(accepted)) == os.geteuid()


@pytest.mark.parametrize("host", HOSTS)
def test_who_listens_at_that_port_is_not_who_called(host: str) -> None:
    """Of this user a server takes the port from which another user's connection came, and which is closed by now."""
    with listening(host) as server, listening(host) as other:
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
                assert peer.find_owner_of_peer(*ends(accepted)) == os.geteuid()
    with listening("127.0.0.1") as server, socket.socket(socket.AF_INET6) as client:
        client.connect((f"::ffff:{server.getsockname()[0]}", server.getsockname()[1]))
        accepted, _ = server.accept()
        with accepted:
            assert peer.find_owner_of_peer(*ends(accepted)) == os.geteuid()


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
def test_what_is_no_connection_is_nobodys(local: tuple[object, ...], remote: tuple[object, ...]) -> None:
    assert peer.find_owner_of_peer(local, remote) is None
    assert not peer.is_own_peer(local, remote)


def test_which_program_it_is() -> None:
    with listening("127.0.0.1") as server:
        command = [sys.executable, "-I", "-c", _STAY, "127.0.0.1", str(server.getsockname()[1])]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        accepted, _ = server.accept()
        with accepted:
            name = Path(f"/proc/{process.pid}/comm").read_text().strip()
            assert peer.is_program_of_peer(*ends(accepted), {"ssh", name})
            assert not peer.is_program_of_peer(*ends(accepted), {"ssh", "sshd"})
            process.stdin.close()
            process.stdout.close()
            process.wait(60)
            assert not peer.is_program_of_peer(*ends(accepted), {name})


def test_where_no_kernel_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer, "KERNEL_TELLS", False)
    assert peer.find_owner_of_peer(("127.0.0.1", 1), ("127.0.0.1", 2)) is None
    assert peer.is_own_peer(("127.0.0.1", 1), ("127.0.0.1", 2))


def test_it_is_importable_for_next_to_nothing() -> None:
    program = "import sys; before = set(sys.modules); import tcenv.peer; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.stdout.split() == ["__future__", "tcenv", "tcenv.peer"]


_UNMAPPED = """
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
def test_in_a_namespace_that_maps_no_user_nobody_is_the_same_user(mapped: bool, tmp_path: Path) -> None:
    """There every user of the machine has the number 65534, and so does the process itself."""
    command = [require("unshare"), "--user", *(["--map-root-user"] if mapped else [])]
    done = subprocess.run(
        [*command, sys.executable, "-I", "-c", _UNMAPPED, str(PROJECT)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ("0 0 True True\n" if mapped else "65534 65534 False False\n"), done.stderr
