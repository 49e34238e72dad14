"""Connect to the listener badly: slowly, silently, too often, or on a connection that fails. The wait goes on."""

from __future__ import annotations

import errno
import selectors
import socket
import time
from typing import Any

import pytest

from tcenv.portholder.callback_request import Refused, is_complete
from tcenv.signin import listener as module
from tcenv.signin.listener import Listener, _Connection
from tests.listener import CREDENTIALS, FAMILIES, QUERY, WaitingListener, parse_status, receive_all


@pytest.fixture
def short_timeouts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_TIMEOUT", 0.2)


@pytest.mark.usefixtures("short_timeouts")
@pytest.mark.parametrize("data", [b"G", b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_an_incomplete_request_is_dropped(data: bytes) -> None:
    with WaitingListener() as waiting:
        assert waiting.exchange(data) == b""
        assert waiting.is_waiting
        waiting.exchange(waiting.request())


@pytest.mark.usefixtures("short_timeouts")
def test_a_dripping_connection_gets_no_more_time() -> None:
    with WaitingListener() as waiting:

        def drip(slow: socket.socket) -> None:
            while True:
                slow.sendall(b"G")
                time.sleep(0.05)

        with waiting.connect() as slow, pytest.raises((BrokenPipeError, ConnectionResetError)):
            drip(slow)
        waiting.exchange(waiting.request())


@pytest.mark.usefixtures("short_timeouts")
def test_a_silent_connection_is_kept_for_the_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    with WaitingListener() as waiting, waiting.connect("::1") as early:
        # The listener drops a later connection that has sent something.
        assert waiting.exchange(b"G") == b""
        monkeypatch.setattr(module, "_TIMEOUT", 60)
        early.sendall(waiting.request()[:20])
        waiting.wait_until_read(waiting.request()[:20])
        early.sendall(waiting.request()[20:])
        assert parse_status(receive_all(early)) == 303


def test_silent_connections_delay_no_answer() -> None:
    with WaitingListener() as waiting:
        silent = [waiting.connect(address) for address in FAMILIES * 100]
        assert parse_status(waiting.exchange(waiting.request())) == 303
        assert waiting.result() == CREDENTIALS
        for connection in silent:
            connection.close()


def test_the_number_of_connections_is_bounded_and_the_oldest_goes_first() -> None:
    with WaitingListener() as waiting:
        many = [waiting.connect() for _ in range(80)]
        for connection in many[:16]:
            assert connection.recv(1) == b""
        many[-1].sendall(waiting.request("/"))
        assert parse_status(receive_all(many[-1])) == 404
        assert len(waiting.listener._connections) <= 64
        waiting.exchange(waiting.request())
        for connection in many:
            connection.close()


def test_reset_connections_do_not_end_the_wait() -> None:
    with WaitingListener() as waiting:
        for data in (b"", b"GET ", waiting.request("/")):
            connection = waiting.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(data)
            connection.close()
        waiting.exchange(waiting.request())
        assert waiting.result() == CREDENTIALS


def test_a_wait_without_an_answer_ends_in_time() -> None:
    ticks: list[float] = []
    with Listener() as listener:
        assert listener.wait(time.monotonic() + 0.2, lambda: ticks.append(time.monotonic())) is None
    assert len(ticks) == 1


def test_a_busy_wait_ends_in_time() -> None:
    with WaitingListener(seconds=0.5) as waiting:
        while waiting.is_waiting:
            with waiting.connect() as connection:
                connection.sendall(waiting.request("/"))
        assert waiting.result() is None


class Faulty(socket.socket):
    """A connection of which one call fails."""

    fault = ""

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "fault"):

            def fail(*_: object) -> None:
                if name == "close":
                    super(Faulty, self).close()
                raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

            return fail
        return super().__getattribute__(name)


def make_faulty(monkeypatch: pytest.MonkeyPatch, faults: list[str]) -> None:
    """Have each connection that is accepted take the last of `faults` as its failing call."""

    def accept(server: socket.socket) -> tuple[socket.socket, object]:
        descriptor, address = server._accept()  # type: ignore[attr-defined]
        made = Faulty(fileno=descriptor)
        made.fault = faults.pop() if faults else ""
        return made, address

    monkeypatch.setattr(socket.socket, "accept", accept)


@pytest.mark.parametrize(
    "call", ["setblocking", "fileno", "recv", "getsockname", "getpeername", "send", "shutdown", "close"]
)
def test_no_failing_call_on_a_connection_ends_the_wait(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [call]
    make_faulty(monkeypatch, faults)
    with WaitingListener() as waiting:
        # The listener asks for both ends of a connection only if the answer comes on it.
        query = "no=answer" if call in ("send", "shutdown", "close", "recv") else QUERY
        response = waiting.exchange(waiting.request(query=query))
        assert not faults
        if call in ("getsockname", "getpeername"):
            assert parse_status(response) == 403
            assert waiting.listener.refusals == {module.STRANGER}
        assert waiting.is_waiting
        assert parse_status(waiting.exchange(waiting.request())) == 303
        assert waiting.result() == CREDENTIALS


def test_an_answer_is_taken_though_its_connection_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    make_faulty(monkeypatch, ["send"])
    with WaitingListener() as waiting:
        waiting.exchange(waiting.request())
        assert waiting.result() == CREDENTIALS


def test_a_request_has_a_maximum_length() -> None:
    """A line has at most 8 KiB with its end, and a head 64 KiB."""
    line = b"GET /" + b"a" * (8192 - 7) + b"\r\n"
    assert not is_complete(line)
    assert not is_complete(line[:8191])
    for longer in (b"G" * 8192, b"G" + line):
        with pytest.raises(Refused):
            is_complete(longer)
    head = b"GET / HTTP/1.1\r\n".ljust(65_536, b"a")
    assert not is_complete(head)
    with pytest.raises(Refused):
        is_complete(head + b"a")


def test_no_socket_of_the_listener_is_blocking() -> None:
    """A connection that is gone before the listener accepts it would block the wait and Ctrl-C."""
    with Listener() as listener:
        assert [server.getblocking() for server in listener._sockets] == [False] * len(listener._sockets)


def test_a_closed_connection_is_dropped() -> None:
    """Otherwise the wait would spin on a socket that nobody reads."""
    with Listener() as listener:
        ours, theirs = socket.socketpair()
        theirs.sendall(b"nonsense")
        theirs.close()
        connection = _Connection(ours)
        listener._connections[connection] = None
        listener._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
        listener._handle_safely(connection)
        assert not listener._connections
        assert ours.fileno() == -1


def test_an_answered_connection_is_closed() -> None:
    """The caller may keep its end open as long as it likes."""
    with Listener() as listener:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        theirs.settimeout(60)
        theirs.sendall(b"nonsense\r\n\r\n")
        connection = _Connection(ours)
        listener._connections[connection] = None
        listener._selector.register(connection.descriptor, selectors.EVENT_READ, connection)
        listener._handle_safely(connection)
        assert theirs.recv(100).startswith(b"HTTP/1.1 400 ")
        assert not listener._connections
        assert ours.fileno() == -1
        theirs.close()


def test_the_listener_reports_its_address_families() -> None:
    with Listener() as listener:
        assert set(listener.families) <= {"127.0.0.1", "::1"} and listener.families
