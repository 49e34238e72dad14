"""The callback listener, over real sockets on both loopback families: the one answer is taken, all else gets nothing and
changes nothing."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcenv import loopback
from tcenv.deployment.credentials import Credentials
from tcenv.errors import TcenvError
from tcenv.portholder.callback_request import Navigation, Refused, is_own_host, parse_query
from tcenv.signin import listener as module
from tcenv.signin.approval_request import advise_after_timeout, describe_seen
from tcenv.signin.listener import Listener
from tests.listener import (
    CLIENT_ID,
    FAMILIES,
    QUERY,
    SIGNED_IN,
    TOKEN,
    WaitingListener,
    find_header,
    parse_status,
    receive_all,
)

CREDENTIALS = Credentials(CLIENT_ID, TOKEN)
NAVIGATION = (
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
)


# The answer


@pytest.mark.parametrize("address", FAMILIES)
@pytest.mark.parametrize(
    ("query", "more"),
    [
        (QUERY, NAVIGATION),
        (QUERY, ()),
        (f"accessToken={TOKEN}&clientId={CLIENT_ID}", ("Sec-Fetch-Site: same-site", *NAVIGATION[1:])),
        (f"clientId={quote(CLIENT_ID, safe='')}&accessToken={quote(TOKEN, safe='')}", NAVIGATION),
        (f"clientId={quote(CLIENT_ID, safe='').lower()}&accessToken={TOKEN}".replace("ldap", "LDAP"), NAVIGATION),
    ],
    ids=["raw", "older browser", "other order", "encoded", "encoded in small letters"],
)
def test_the_answer_is_taken(address: str, query: str, more: tuple[str, ...]) -> None:
    with WaitingListener(outcome=SIGNED_IN) as waiting:
        redirect = waiting.exchange(waiting.request(None, *more, query=query), address)
        assert parse_status(redirect) == 303
        clean = find_header(redirect, "location")
        assert clean.startswith("/") and clean != waiting.secret
        page = waiting.exchange(waiting.request(clean, *more), address)
        assert parse_status(page) == 200
        assert b"You are signed in" in page
        assert TOKEN.encode() not in redirect + page
        taken = waiting.result()
        assert taken is not None
        assert (taken.client_id.lower(), taken.access_token) == (CLIENT_ID.lower(), TOKEN)
        if query == QUERY:
            assert taken == CREDENTIALS


@pytest.mark.parametrize("address", FAMILIES)
@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost", "127.0.0.1", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]"]
)
def test_the_answer_is_taken_at_every_name_of_this_machine(host: str, address: str) -> None:
    with WaitingListener(outcome=SIGNED_IN) as waiting:
        host = f"{host}:{waiting.port}"
        redirect = waiting.exchange(waiting.request(None, *NAVIGATION, host=host), address)
        assert parse_status(redirect) == 303, redirect
        page = waiting.exchange(waiting.request(find_header(redirect, "location"), *NAVIGATION, host=host), address)
        assert b"You are signed in" in page
        assert waiting.result() == CREDENTIALS


def test_browsers_leave_out_the_default_port() -> None:
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert is_own_host(name, 80) and is_own_host(f"{name}:80", 80)
        assert not is_own_host(name, 443)


def test_a_browser_is_led_away_from_the_address_with_the_token() -> None:
    with WaitingListener(outcome=SIGNED_IN) as waiting:
        accepted = "Accept-Encoding: gzip, deflate, br, zstd"
        redirect = waiting.exchange(waiting.request(None, accepted, *NAVIGATION))
        detour = waiting.exchange(waiting.request(find_header(redirect, "location"), accepted, *NAVIGATION))
        seconds, _, onward = find_header(detour, "refresh").partition("; url=")
        page = waiting.exchange(waiting.request(onward, accepted, *NAVIGATION))
    assert seconds == "0"
    assert b"You are signed in" in page
    assert len({waiting.secret, find_header(redirect, "location"), onward}) == 3
    assert TOKEN.encode() not in redirect + detour + page


def test_a_program_that_is_no_browser_is_sent_to_the_page_itself() -> None:
    """A client that follows redirects and knows no `Refresh` sees the page, whatever it accepts."""
    import urllib.request

    with WaitingListener(outcome=SIGNED_IN) as waiting:
        url = f"http://localhost:{waiting.port}{waiting.secret}?{QUERY}"
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip, deflate"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            assert b"You are signed in" in answer.read()
            assert TOKEN not in answer.url


def test_what_is_taken_does_not_show_its_token() -> None:
    assert TOKEN not in f"{CREDENTIALS} {CREDENTIALS!r}"


@pytest.mark.parametrize("times", [1, 7])
def test_a_request_in_pieces(times: int) -> None:
    with WaitingListener() as waiting, waiting.connect("::1") as connection:
        request = waiting.request()
        for start in range(0, len(request), len(request) // times):
            connection.sendall(request[start : start + len(request) // times])
            waiting.wait_until_read(request[: start + len(request) // times])
        assert parse_status(receive_all(connection)) == 303
        assert waiting.result() == CREDENTIALS


def test_a_lot_of_other_programs_cookies_come_along() -> None:
    with WaitingListener() as waiting:
        assert parse_status(waiting.exchange(waiting.request(None, *[f"Cookie: c={'x' * 4000}"] * 12))) == 303
        assert waiting.result() == CREDENTIALS


def test_every_response_says_what_a_browser_may_not_do() -> None:
    with WaitingListener(outcome=SIGNED_IN) as waiting:
        refusal = waiting.exchange(waiting.request("/"))
        redirect = waiting.exchange(waiting.request())
        page = waiting.exchange(waiting.request(find_header(redirect, "location")))
    for response in (refusal, redirect, page):
        head, _, body = response.partition(b"\r\n\r\n")
        assert find_header(response, "cache-control") == "no-store"
        assert find_header(response, "referrer-policy") == "no-referrer"
        assert find_header(response, "x-content-type-options") == "nosniff"
        assert find_header(response, "x-frame-options") == "DENY"
        assert find_header(response, "cross-origin-resource-policy") == "same-origin"
        assert find_header(response, "connection") == "close"
        assert int(find_header(response, "content-length")) == len(body)
        policy = dict(
            part.strip().partition(" ")[::2] for part in find_header(response, "content-security-policy").split(";")
        )
        style = policy.pop("style-src")
        assert style.startswith("'sha256-") and " " not in style
        assert policy == dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors"), "'none'")
        for leak in (TOKEN, waiting.secret, "Python", "tcenv/"):
            assert leak.encode() not in head
        assert TOKEN.encode() not in response
    assert find_header(page, "cross-origin-opener-policy") == "same-origin"
    assert refusal.endswith(b"\r\n\r\n")


# What the user has to know


def test_the_hint_after_a_timeout_speaks_of_what_was_seen() -> None:
    assert "insists on https" in str(advise_after_timeout({module.TLS}, "community", "tcenv"))
    assert "already exists" in str(advise_after_timeout(set(), "community", "tcenv"))


def test_nothing_asks_for_a_paste_where_none_is_read() -> None:
    for seen in (module.STRANGER, module.TLS):
        assert "aste" in describe_seen(seen, can_paste=True)
        assert "aste" not in describe_seen(seen, can_paste=False)


# What is not the answer

BAD_QUERIES = [
    "",
    "clientId=me",
    f"accessToken={TOKEN}",
    f"clientId=&accessToken={TOKEN}",
    "clientId=me&accessToken=",
    "clientId=me&accessToken=undefined",
    f"clientId=me&accessToken={'a' * 21}",
    f"clientId=me&accessToken={'a' * 67}",
    f"clientId={'a' * 1025}&accessToken={TOKEN}",
    f"clientId=me&accessToken={TOKEN}&accessToken={TOKEN}",
    f"clientId=me&clientId=you&accessToken={TOKEN}",
    f"clientId=me&accessToken={TOKEN}&state=x",
    f"clientId=me&accessToken={TOKEN}&",
    f"&clientId=me&accessToken={TOKEN}",
    f"clientId=me;accessToken={TOKEN}",
    f"clientid=me&accesstoken={TOKEN}",
    f"client%49d=me&accessToken={TOKEN}",
    f"clientId=a%20b&accessToken={TOKEN}",
    f"clientId=%&accessToken={TOKEN}",
    f"clientId=a%4&accessToken={TOKEN}",
    f"clientId=a%zz&accessToken={TOKEN}",
    f"clientId=a%+1&accessToken={TOKEN}",
    f"clientId=a%0d%0a&accessToken={TOKEN}",
    f"clientId=a%0a&accessToken={TOKEN}",
    f"clientId=a%00&accessToken={TOKEN}",
    f"clientId=%C3%BC&accessToken={TOKEN}",
    f"clientId=a%2525b&accessToken={TOKEN}",
    f"clientId=me&accessToken={TOKEN}%0A",
    f"clientId=<script>&accessToken={TOKEN}",
    f"clientId=$(id)&accessToken={TOKEN}",
    f"clientId=me?clientId=you&accessToken={TOKEN}",
    f"clientId=me&accessToken={TOKEN}#fragment",
    f"clientId[]=me&accessToken={TOKEN}",
]

Hostile = Callable[[WaitingListener], bytes]


def with_line(old: str, new: str) -> Hostile:
    return lambda waiting: waiting.request(None, *NAVIGATION).replace(old.encode(), new.encode("latin-1"), 1)


HOSTILE: dict[str, Hostile] = {
    # methods
    **{method: with_line("GET ", f"{method} ") for method in ("HEAD", "POST", "OPTIONS", "PUT", "CONNECT", "get", "GETX")},
    "POST with a body": lambda waiting: (
        b"POST "
        + waiting.request(None, "Content-Length: 11")[4:]
        + b"clientId=me"
    ),
    "preflight": lambda waiting: (
        b"OPTIONS "
        + waiting.request(
            None,
            "Origin: https://evil.example",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Private-Network: true",
        )[4:]
    ),
    # other paths
    "scanner": lambda waiting: waiting.request("/"),
    "favicon": lambda waiting: waiting.request("/favicon.ico"),
    "robots": lambda waiting: waiting.request("/robots.txt"),
    "guess": lambda waiting: waiting.request(f"/{'0' * 40}?{QUERY}"),
    "shorter": lambda waiting: waiting.request(f"{waiting.secret[:-1]}?{QUERY}"),
    "longer": lambda waiting: waiting.request(f"{waiting.secret}0?{QUERY}"),
    "below": lambda waiting: waiting.request(f"{waiting.secret}/?{QUERY}"),
    "doubled": lambda waiting: waiting.request(f"/{waiting.secret}?{QUERY}"),
    "dots": lambda waiting: waiting.request(f"/x/..{waiting.secret}?{QUERY}"),
    "capitals": lambda waiting: waiting.request(f"{waiting.secret.upper()}?{QUERY}"),
    "escaped path": lambda waiting: waiting.request(f"/%{ord(waiting.secret[1]):x}{waiting.secret[2:]}?{QUERY}"),
    "absolute form": lambda waiting: waiting.request(f"http://localhost:{waiting.port}{waiting.secret}?{QUERY}"),
    "asterisk": lambda waiting: waiting.request("*"),
    "no path": lambda waiting: waiting.request(f"?{QUERY}"),
    "query alone": lambda waiting: waiting.request(waiting.secret),
    "high bytes": lambda waiting: waiting.request(f"{waiting.secret}\xff?{QUERY}"),
    # hosts
    "rebinding": lambda waiting: waiting.request(host=f"evil.example:{waiting.port}"),
    "another address": lambda waiting: waiting.request(host=f"128.0.0.1:{waiting.port}"),
    "another IPv6 address": lambda waiting: waiting.request(host=f"[::2]:{waiting.port}"),
    "any address": lambda waiting: waiting.request(host=f"0.0.0.0:{waiting.port}"),
    "address without brackets": lambda waiting: waiting.request(host=f"::1:{waiting.port}"),
    "address and words": lambda waiting: waiting.request(host=f"127.0.0.1 x:{waiting.port}"),
    "address without port": lambda waiting: waiting.request(host="127.0.0.1"),
    "address with another port": lambda waiting: waiting.request(host="127.0.0.1:1"),
    "port with a zero": lambda waiting: waiting.request(host=f"localhost:0{waiting.port}"),
    "without port": lambda waiting: waiting.request(host="localhost"),
    "other port": lambda waiting: waiting.request(host="localhost:1"),
    "subdomain": lambda waiting: waiting.request(host=f"x.localhost:{waiting.port}"),
    "dot": lambda waiting: waiting.request(host=f"localhost.:{waiting.port}"),
    "userinfo": lambda waiting: waiting.request(host=f"me@localhost:{waiting.port}"),
    "empty host": lambda waiting: waiting.request(host=""),
    "two hosts": lambda waiting: waiting.request(None, f"Host: localhost:{waiting.port}"),
    "second host": lambda waiting: waiting.request(None, "host: evil.example"),
    "no host": lambda waiting: f"GET {waiting.secret}?{QUERY} HTTP/1.1\r\nAccept: */*\r\n\r\n".encode(),
    # fetches that are no navigation
    **{
        line: (lambda waiting, line=line: waiting.request(None, line))  # type: ignore[misc]
        for line in (
            "Sec-Fetch-Mode: no-cors",
            "Sec-Fetch-Mode: cors",
            "Sec-Fetch-Mode: websocket",
            "Sec-Fetch-Mode: nested-navigate",
            "Sec-Fetch-Dest: image",
            "Sec-Fetch-Dest: iframe",
            "Sec-Fetch-Dest: empty",
            "Sec-Fetch-Site: elsewhere",
            "Sec-Fetch-Mode:",
            "Origin: https://evil.example",
            "Origin: null",
            "Upgrade: websocket",
        )
    },
    "two modes": lambda waiting: waiting.request(None, *NAVIGATION, "Sec-Fetch-Mode: cors"),
    # bodies and smuggling
    "content length": lambda waiting: waiting.request(None, "Content-Length: 5") + b"hello",
    "no content": lambda waiting: waiting.request(None, "Content-Length: 0"),
    "chunked": lambda waiting: waiting.request(None, "Transfer-Encoding: chunked") + b"0\r\n\r\n",
    "pipelined": lambda waiting: waiting.request() * 2,
    "body without length": lambda waiting: waiting.request() + b"x",
    # lines
    "bare LF": lambda waiting: waiting.request().replace(b"\r\n", b"\n"),
    "one bare LF": lambda waiting: waiting.request().replace(b"\r\n", b"\n", 1),
    "bare LF in a value": lambda waiting: waiting.request(None, f"X: a\nHost: localhost:{waiting.port}"),
    "bare CR": lambda waiting: waiting.request(None, f"X: a\rHost: localhost:{waiting.port}"),
    "NUL": lambda waiting: waiting.request(None, "X: a\0b"),
    "folded": lambda waiting: waiting.request(None, "X: a", " folded: b"),
    "folded by a tab": lambda waiting: waiting.request(None, "X: a", "\tfolded: b"),
    "space before the colon": with_line("Host:", "Host :"),
    "no colon": lambda waiting: waiting.request(None, "Nonsense"),
    "no name": lambda waiting: waiting.request(None, ": value"),
    "spaces without end": lambda waiting: waiting.request(None, "X:" + " " * 8000 + "\1"),
    "HTTP/1.0": with_line("HTTP/1.1", "HTTP/1.0"),
    "HTTP/0.9": lambda waiting: f"GET {waiting.secret}?{QUERY}\r\n\r\n".encode(),
    "HTTP/2": lambda waiting: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.10": with_line("HTTP/1.1", "HTTP/1.10"),
    "two spaces": with_line("GET ", "GET  "),
    "tab": with_line("GET ", "GET\t"),
    "leading line": lambda waiting: b"\r\n" + waiting.request(),
    "TLS": lambda waiting: bytes.fromhex("1603010200010001fc0303") + os.urandom(500),
    "SSH": lambda waiting: b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
    "redis": lambda waiting: b"*1\r\n$4\r\nINFO\r\n\r\n",
    "noise": lambda waiting: b"\x00\xff" + os.urandom(2000),
    "long line": lambda waiting: waiting.request(f"/{'a' * 9000}"),
    "line without end": lambda waiting: b"GET /" + b"a" * 9000,
    "large head": lambda waiting: waiting.request(None, *["X: " + "a" * 4000] * 20),
    "many fields": lambda waiting: waiting.request(None, *["X: a"] * 12_000),
    # queries
    **{
        f"query {number}": (lambda waiting, query=query: waiting.request(query=query))  # type: ignore[misc]
        for number, query in enumerate(BAD_QUERIES)
    },
}  # fmt: skip


@pytest.mark.parametrize("address", FAMILIES)
@pytest.mark.parametrize("name", HOSTILE)
def test_all_else_gets_a_refusal_without_a_word_and_the_wait_goes_on(name: str, address: str) -> None:
    with WaitingListener() as waiting:
        response = waiting.exchange(HOSTILE[name](waiting), address)
        # One that goes on sending after it has been refused may find the connection reset.
        assert 400 <= parse_status(response) < 500 or (not response and "large" in name + "many fields"), response
        head, _, body = response.partition(b"\r\n\r\n")
        assert not body
        assert not any(
            text in head for text in (b"Location", TOKEN.encode(), waiting.secret.encode(), b"Access-Control")
        )
        assert waiting.is_waiting
        assert parse_status(waiting.exchange(waiting.request(), address)) == 303
        assert waiting.result() == CREDENTIALS


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


CALLS = ("setblocking", "fileno", "recv", "getsockname", "getpeername", "send", "shutdown", "close")


@pytest.mark.parametrize("call", CALLS)
def test_no_failing_call_on_a_connection_ends_the_wait(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    faults = [call]

    def accept(server: socket.socket) -> tuple[socket.socket, object]:
        descriptor, address = server._accept()  # type: ignore[attr-defined]
        made = Faulty(fileno=descriptor)
        made.fault = faults.pop() if faults else ""
        return made, address

    monkeypatch.setattr(socket.socket, "accept", accept)
    with WaitingListener() as waiting:
        # A refused connection meets every call but those that tell its ends; the answer meets these.
        query = "no=answer" if call in ("send", "shutdown", "close", "recv") else QUERY
        response = waiting.exchange(waiting.request(query=query))
        assert not faults
        if call in ("getsockname", "getpeername"):
            assert parse_status(response) == 403
            assert waiting.listener.seen == {module.STRANGER}
        assert waiting.is_waiting
        assert parse_status(waiting.exchange(waiting.request())) == 303
        assert waiting.result() == CREDENTIALS


def test_an_answer_is_taken_though_its_connection_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(server: socket.socket) -> tuple[socket.socket, object]:
        descriptor, address = server._accept()  # type: ignore[attr-defined]
        made = Faulty(fileno=descriptor)
        made.fault = "send"
        return made, address

    monkeypatch.setattr(socket.socket, "accept", accept)
    with WaitingListener() as waiting:
        waiting.exchange(waiting.request())
        assert waiting.result() == CREDENTIALS


def test_a_replay_gets_nothing() -> None:
    with WaitingListener(outcome=SIGNED_IN) as waiting:
        redirect = waiting.exchange(waiting.request())
        replay = waiting.exchange(waiting.request(query=f"clientId=you&accessToken={TOKEN}"))
        assert parse_status(replay) == 404
        assert waiting.answer == CREDENTIALS
        assert parse_status(waiting.exchange(waiting.request(find_header(redirect, "location")))) == 200


def test_the_clean_address_is_nothing_before_the_outcome() -> None:
    with WaitingListener() as waiting:
        clean = waiting.listener._clean
        for early in (waiting.listener._detour, clean):
            response = waiting.exchange(waiting.request(early))
            assert parse_status(response) == 404
            assert b"Refresh" not in response
        assert parse_status(waiting.exchange(waiting.request(f"{clean}?{QUERY}"))) == 404
        waiting.exchange(waiting.request())


# Time and number


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("said", [b"G", b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_connection_that_does_not_get_to_the_end_is_dropped(said: bytes) -> None:
    with WaitingListener() as waiting:
        assert waiting.exchange(said) == b""
        assert waiting.is_waiting
        waiting.exchange(waiting.request())


@pytest.mark.usefixtures("impatient")
def test_a_byte_now_and_then_buys_no_time() -> None:
    with WaitingListener() as waiting:

        def drip(slow: socket.socket) -> None:
            while True:
                slow.sendall(b"G")
                time.sleep(0.05)

        with waiting.connect() as slow, pytest.raises((BrokenPipeError, ConnectionResetError)):
            drip(slow)
        waiting.exchange(waiting.request())


@pytest.mark.usefixtures("impatient")
def test_a_silent_connection_may_be_the_browsers(monkeypatch: pytest.MonkeyPatch) -> None:
    with WaitingListener() as waiting, waiting.connect("::1") as early:
        # One that came later and has said something is dropped in the meantime.
        assert waiting.exchange(b"G") == b""
        monkeypatch.setattr(module, "_PATIENCE", 60)
        early.sendall(waiting.request()[:20])
        waiting.wait_until_read(waiting.request()[:20])
        early.sendall(waiting.request()[20:])
        assert parse_status(receive_all(early)) == 303


def test_connections_that_say_nothing_hold_nobody_up() -> None:
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


def test_connections_that_are_torn_off() -> None:
    with WaitingListener() as waiting:
        for said in (b"", b"GET ", waiting.request("/")):
            connection = waiting.connect()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(said)
            connection.close()
        waiting.exchange(waiting.request())
        assert waiting.result() == CREDENTIALS


def test_nobody_comes() -> None:
    ticks: list[float] = []
    with Listener() as listener:
        assert listener.wait(time.monotonic() + 0.2, lambda: ticks.append(time.monotonic())) is None
    assert len(ticks) == 1


def test_the_time_goes_by_however_much_is_going_on() -> None:
    with WaitingListener(seconds=0.5) as waiting:
        while waiting.is_waiting:
            with waiting.connect() as connection:
                connection.sendall(waiting.request("/"))
        assert waiting.result() is None


# Ending


def test_nobody_follows_to_the_page() -> None:
    with Listener() as listener:
        with socket.create_connection(("127.0.0.1", listener.port)) as browser:
            browser.sendall(
                f"GET {listener._secret}?{QUERY} HTTP/1.1\r\nHost: localhost:{listener.port}\r\n\r\n".encode()
            )
            assert listener.wait(time.monotonic() + 60) == CREDENTIALS
            # The redirect is on its way before anything else happens.
            assert parse_status(receive_all(browser)) == 303
        listener.finish(SIGNED_IN, linger=0.1)


def test_the_browser_follows_before_the_outcome_is_known() -> None:
    with WaitingListener() as waiting:
        redirect = waiting.exchange(waiting.request())
        assert waiting.result() == CREDENTIALS
        with waiting.connect("::1") as browser:
            browser.sendall(waiting.request(find_header(redirect, "location")))
            waiting.listener.finish(SIGNED_IN, linger=10)
            assert b"You are signed in" in receive_all(browser)


def test_all_sockets_are_closed_at_the_end_and_none_is_inherited() -> None:
    before = set(os.listdir("/proc/self/fd"))
    with Listener() as listener:
        assert all(not server.get_inheritable() for server in listener._sockets)
        with socket.create_connection(("::1", listener.port)):
            listener.wait(time.monotonic() + 0.1)
            assert all(not connection.socket.get_inheritable() for connection in listener._connections)
    assert set(os.listdir("/proc/self/fd")) == before
    for address in FAMILIES:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, listener.port))


# The port


def test_the_same_port_on_both_families_and_nowhere_else() -> None:
    with Listener() as listener:
        assert [server.getsockname()[:2] for server in listener._sockets] == [
            ("127.0.0.1", listener.port),
            ("::1", listener.port),
        ]
        assert listener.callback_url.startswith(f"http://localhost:{listener.port}/")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", listener.port))


def test_the_path_is_another_one_each_time_and_long() -> None:
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
def test_a_chosen_port_that_is_taken_on_either_family_is_said(address: str) -> None:
    with socket.create_server((address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET) as other:
        port = other.getsockname()[1]
        with pytest.raises(TcenvError, match=rf"{port}.*in use") as failure:
            Listener(port)
        assert "--port" in str(failure.value.hint)


def test_a_free_port_that_is_taken_on_the_other_family_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
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


def without(monkeypatch: pytest.MonkeyPatch, error: int, *families: socket.AddressFamily) -> None:
    """Have no address of these families on loopback."""
    real = loopback._listen

    def listening(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        if family in families:
            raise OSError(error, os.strerror(error))
        return real(family, address, port)

    monkeypatch.setattr(loopback, "_listen", listening)


@pytest.mark.parametrize("error", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
@pytest.mark.parametrize(("missing", "left"), [(socket.AF_INET6, "127.0.0.1"), (socket.AF_INET, "::1")])
def test_a_machine_with_one_family_alone(
    missing: socket.AddressFamily, left: str, error: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, error, missing)
    with WaitingListener() as waiting:
        assert waiting.listener.families == (left,)
        assert parse_status(waiting.exchange(waiting.request(), left)) == 303


@pytest.mark.parametrize("port", [0, 50_123])
def test_a_machine_without_loopback_says_what_is_missing(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, errno.EADDRNOTAVAIL, socket.AF_INET, socket.AF_INET6)
    with pytest.raises(TcenvError, match=r"neither IPv4 \(127\.0\.0\.1\) nor IPv6 \(::1\)"):
        Listener(port)


def test_a_chosen_port_can_be_used_again_at_once() -> None:
    with Listener() as listener:
        port = listener.port
    for _ in range(3):
        with WaitingListener(port) as waiting:
            assert parse_status(waiting.exchange(waiting.request())) == 303


# A pasted address


def test_the_address_that_the_browser_ended_on_can_be_pasted() -> None:
    with Listener() as listener:
        url = listener.callback_url
        for text in (
            f"{url}?{QUERY}",
            f"  {url}?{QUERY}\n",
            f"{url}?clientId={quote(CLIENT_ID)}&accessToken={TOKEN}",
            f"{url}?{QUERY}#",
            f"{url.removeprefix('http://')}?{QUERY}",
            f"https{url.removeprefix('http')}?{QUERY}",
            f"HTTP{url.removeprefix('http')}?{QUERY}",
            f"{url.replace('localhost', 'LocalHost')}?{QUERY}",
            f"{url.replace('localhost', '127.0.0.1')}?{QUERY}",
            f"{url.replace('localhost', '[::1]')}?{QUERY}",
            f"https{url.replace('localhost', '127.0.0.1')[4:]}?{QUERY} \t",
            *(f" {quotes[0]}{url}?{QUERY}{quotes[-1]} " for quotes in ("'", '"', "`", "<>", "“”", "‘’")),
        ):
            assert listener.parse_pasted(text) == CREDENTIALS


def test_another_address_cannot_be_pasted() -> None:
    with Listener() as listener:
        url = listener.callback_url
        for text in (
            "",
            url,
            QUERY,
            f"{url}x?{QUERY}",
            f"{url[:-1]}?{QUERY}",
            f"{url}#{QUERY}",
            f"ftp{url[4:]}?{QUERY}",
            f"http:{url}?{QUERY}",
            f"{url.replace('localhost', 'evil.example')}?{QUERY}",
            f"{url.replace('localhost', 'me@localhost')}?{QUERY}",
            f"{url.replace(f':{listener.port}', ':1')}?{QUERY}",
            f"{url}?{QUERY}é",
            *(f"{url}?{query}" for query in BAD_QUERIES if "#" not in query),
        ):
            with pytest.raises(Refused) as refusal:
                listener.parse_pasted(text)
            assert TOKEN not in f"{refusal.value} {refusal.value!r}"


@pytest.mark.parametrize("pipe", [True, False], ids=["pipe", "file"])
def test_a_pasted_address_ends_the_wait_and_no_browser_is_waited_for(
    pipe: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with Listener() as listener:
        line = f"{listener.callback_url}?{QUERY}\n".encode()
        if pipe:
            reading, writing = os.pipe()
            os.write(writing, line)
            os.close(writing)
        else:
            file = tmp_path_factory.mktemp("pasted") / "file"
            file.write_bytes(line)
            reading = os.open(file, os.O_RDONLY)

        def read() -> Credentials:
            return listener.parse_pasted(os.read(reading, 4096).decode())

        ticks: list[None] = []
        assert listener.wait(time.monotonic() + 60, lambda: ticks.append(None), (reading, read)) == CREDENTIALS
        os.close(reading)
        listener.finish(SIGNED_IN, linger=3600)
        with pytest.raises(Refused):
            listener.parse_pasted(line.decode())


# Any text


@given(st.text("abz019!@/:.+|_-", min_size=1, max_size=30), st.text("abz019_-", min_size=22, max_size=66), st.data())
def test_whatever_is_encoded_comes_out_as_it_was(client_id: str, token: str, data: st.DataObject) -> None:
    def spelled(text: str) -> str:
        return "".join(
            f"%{ord(character):02X}" if encode else character
            for character, encode in zip(
                text, data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text))), strict=True
            )
        )

    query = f"clientId={spelled(client_id)}&accessToken={spelled(token)}"
    assert parse_query(query.encode()) == (client_id, token)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_make_sense(noise: bytes) -> None:
    good = f"GET /s?{QUERY} HTTP/1.1\r\nHost: localhost:1\r\n\r\n".encode()
    for request in (noise, noise + good, good + noise, good.replace(b"Host", noise + b"\r\nHost")):
        try:
            read = Navigation(request)
            credentials = Credentials(*parse_query(read.query.encode()))
        except Refused as refused:
            assert 400 <= refused.status < 500
            continue
        assert (read.path, credentials) == ("/s", CREDENTIALS)
