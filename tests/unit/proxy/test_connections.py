"""Bound the open connections, and keep room for the run's own calls."""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
from aiohttp import web

from tcenv.proxy import connections, sockets
from tests.calls import PING, send_plain, send_signed
from tests.proxy import FakeDeployment, RunningProxy, SeenRequest, run_proxy

# A loopback address on which a proxy does not listen by default, so its connections count as from outside.
OUTSIDE = "127.0.0.9"


@pytest.fixture
def outside(upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningProxy]:
    """Run a proxy with `--listen`."""
    monkeypatch.setattr(sockets, "_find_family", lambda address: socket.AF_INET)
    with run_proxy(upstream.root_url, address=OUTSIDE) as proxy:
        yield proxy


def connect(
    stack: ExitStack, proxy: RunningProxy, first: bytes = b"", to: str = "127.0.0.1", source: str = "127.0.0.1"
) -> socket.socket:
    """Open a connection, and send `first`."""
    sock = stack.enter_context(socket.create_connection((to, proxy.port), timeout=60, source_address=(source, 0)))
    sock.sendall(first)
    return sock


def is_open(sock: socket.socket) -> bool:
    """Return whether the other end has not closed a connection yet."""
    return not select.select([sock], [], [], 0)[0]


def is_closed(sock: socket.socket) -> bool:
    """Wait for the other end to close a connection without an answer."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHost: "])
def test_a_connection_without_a_request_is_closed(
    first: bytes, upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_FIRST_HEAD", 0.2)
    with run_proxy(upstream.root_url) as proxy, ExitStack() as stack:
        assert is_closed(connect(stack, proxy, first))


def test_a_slow_call_is_not_ended_by_the_timeout_of_its_head(
    upstream: FakeDeployment, proxy: RunningProxy, made_connections: list[connections.Connection]
) -> None:
    timers: list[asyncio.TimerHandle | None] = []

    async def look(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        timers.extend(each._timer for each in made_connections)
        return web.Response(text="late" if all(timer and timer.cancelled() for timer in timers) else "too late")

    upstream.handlers[PING] = look
    assert send_signed(proxy, "GET", PING).text == "late"
    assert len(timers) == 1


def test_idle_connections_make_room_for_calls(upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 8)
    with run_proxy(upstream.root_url) as proxy, ExitStack() as stack:
        idle = [connect(stack, proxy, b"GET /") for _ in range(30)]
        assert send_signed(proxy, "GET", PING).status_code == 200
        assert all(is_closed(sock) for sock in idle[:20])


@pytest.mark.linux
def test_an_address_from_outside_has_64_connections(outside: RunningProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    # No connection counts as idle, so none is closed for another.
    monkeypatch.setattr(connections, "_IDLE", 3600)
    with ExitStack() as stack:
        first = [connect(stack, outside, b"GET /", OUTSIDE) for _ in range(64)]
        more = [connect(stack, outside, b"GET /", OUTSIDE) for _ in range(6)]
        assert all(is_closed(sock) for sock in more)
        assert all(is_open(sock) for sock in first)
        # Another address has its own 64, and the run's calls have no such bound.
        assert is_open(connect(stack, outside, b"GET /", OUTSIDE, source="127.0.0.8"))
        assert send_signed(outside, "GET", PING, host="127.0.0.1").status_code == 200
        # Once they are idle, the oldest is closed.
        monkeypatch.setattr(connections, "_IDLE", 0)
        connect(stack, outside, b"GET /", OUTSIDE)
        assert is_closed(first[0])
        assert all(is_open(sock) for sock in first[2:])


@pytest.mark.linux
def test_all_other_addresses_leave_room_for_the_runs_calls(
    upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_find_family", lambda address: socket.AF_INET)
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 16)
    with run_proxy(upstream.root_url, address=OUTSIDE) as proxy, ExitStack() as stack:
        others = [
            connect(stack, proxy, b"GET /", OUTSIDE, source=f"127.0.1.{number}")
            for number in range(1, 11)
            for _ in range(4)
        ]
        assert send_signed(proxy, "GET", PING, host="127.0.0.1").status_code == 200
        assert all(is_closed(sock) for sock in others[:20])


@pytest.mark.linux
def test_a_head_from_outside_has_ten_seconds(outside: RunningProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connections._FIRST_HEAD_FROM_OUTSIDE == 10
    monkeypatch.setattr(connections, "_FIRST_HEAD_FROM_OUTSIDE", 0.2)
    with ExitStack() as stack:
        own = connect(stack, outside, b"GET / HTTP/1.1\r\nHost: ")
        for first in (b"", b"GET / HTTP/1.1\r\nHost: "):
            assert is_closed(connect(stack, outside, first, OUTSIDE))
        assert is_open(own)


def test_a_call_waits_while_all_connections_are_busy(upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 4)
    running, most = 0, 0

    async def count(request: web.BaseRequest, seen: SeenRequest) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return web.Response(headers={"Connection": "close"})

    upstream.handlers[PING] = count
    with run_proxy(upstream.root_url) as proxy, ThreadPoolExecutor(16) as pool:
        statuses = list(pool.map(lambda _: send_signed(proxy, "GET", PING).status_code, range(16)))
    assert statuses == [200] * 16
    assert most <= 4


def test_a_reset_connection_disturbs_no_call(proxy: RunningProxy) -> None:
    for _ in range(20):
        sock = socket.create_connection(("127.0.0.1", proxy.port))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        sock.close()
    assert send_signed(proxy, "GET", PING).status_code == 200


def test_without_a_free_descriptor_a_caller_waits(upstream: FakeDeployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """tcenv asks the kernel for the peer's user through a descriptor of its own."""
    real, failing = connections.peer.is_own_peer, [True] * 3  # type: ignore[attr-defined]

    def is_own_peer(*ends: tuple[object, ...]) -> bool:
        if failing:
            raise OSError(24, "too many open files")
        return real(*ends)

    monkeypatch.setattr(connections.peer, "is_own_peer", is_own_peer)  # type: ignore[attr-defined]
    monkeypatch.setattr(connections, "_PAUSE", 0.01)
    with run_proxy(upstream.root_url) as proxy, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(send_plain, proxy, "GET", "/")
        while len(failing) > 1:
            failing.pop()
        failing.clear()
        assert answer.result().status == 302
