"""Bind the listener's port: on both loopback families, shared with nobody, and named when it is in use."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from tcenv import loopback
from tcenv.errors import TcenvError
from tcenv.signin.listener import Listener
from tests.listener import FAMILIES, WaitingListener, parse_status


def test_the_same_port_on_both_families_and_nowhere_else() -> None:
    with Listener() as listener:
        assert [server.getsockname()[:2] for server in listener._sockets] == [
            ("127.0.0.1", listener.port),
            ("::1", listener.port),
        ]
        assert listener.callback_url.startswith(f"http://localhost:{listener.port}/")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", listener.port))


def test_each_listener_has_a_random_path_of_128_bits() -> None:
    paths = set()
    for _ in range(20):
        with Listener() as listener:
            paths.add(listener.callback_url.rpartition("/")[2])
    assert len(paths) == 20
    assert all(len(bytes.fromhex(path)) * 8 >= 128 for path in paths)


@pytest.mark.parametrize("chosen", [True, False], ids=["--port", "free port"])
@pytest.mark.parametrize(
    ("family", "address"),
    [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET, ""), (socket.AF_INET6, "::1"), (socket.AF_INET6, "::")],
)
def test_nobody_can_share_the_port(chosen: bool, family: socket.AddressFamily, address: str) -> None:
    with Listener() as listener:
        port = listener.port
    with Listener(port if chosen else 0) as listener, socket.socket(family) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

        def share() -> None:
            other.bind((address, listener.port))
            other.listen()

        with pytest.raises(OSError, match="in use"):
            share()


@pytest.mark.parametrize("address", FAMILIES)
def test_a_chosen_port_in_use_on_either_family_is_named(address: str) -> None:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as other:
        port = other.getsockname()[1]
        with pytest.raises(TcenvError, match=rf"{port}.*in use") as failure:
            Listener(port)
        assert "--port" in str(failure.value.hint)


def test_a_port_in_use_on_the_other_family_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    real, tries = loopback._listen, []

    def second_family_taken(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        tries.append((address, port))
        if len(tries) == 2:
            raise OSError(errno.EADDRINUSE, "in use")
        return real(family, address, port)

    monkeypatch.setattr(loopback, "_listen", second_family_taken)
    with Listener() as listener:
        assert len(tries) == 4
        assert listener.port == tries[3][1]


def disable_families(monkeypatch: pytest.MonkeyPatch, error: int, *families: socket.AddressFamily) -> None:
    """Let `bind` fail for these address families."""
    real = loopback._listen

    def listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        if family in families:
            raise OSError(error, os.strerror(error))
        return real(family, address, port)

    monkeypatch.setattr(loopback, "_listen", listening)


@pytest.mark.parametrize("error", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize(("missing", "left"), [(socket.AF_INET6, "127.0.0.1"), (socket.AF_INET, "::1")])
def test_one_address_family_is_enough(
    missing: socket.AddressFamily, left: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    disable_families(monkeypatch, error, missing)
    with WaitingListener() as waiting:
        assert waiting.listener.families == (left,)
        assert parse_status(waiting.exchange(waiting.request(), left)) == 303


@pytest.mark.parametrize("port", [0, 50_123])
def test_without_loopback_the_message_names_both_families(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    disable_families(monkeypatch, errno.EADDRNOTAVAIL, socket.AF_INET, socket.AF_INET6)
    with pytest.raises(TcenvError, match=r"neither IPv4 \(127\.0\.0\.1\) nor IPv6 \(::1\)"):
        Listener(port)


def test_a_chosen_port_can_be_used_again_at_once() -> None:
    with Listener() as listener:
        port = listener.port
    for _ in range(3):
        with WaitingListener(port) as waiting:
            assert parse_status(waiting.exchange(waiting.request())) == 303
