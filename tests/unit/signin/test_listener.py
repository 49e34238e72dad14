"""Send the browser's answer to the listener over real sockets, on both loopback families. Only the first one counts."""

from __future__ import annotations

import os
import socket
import time
from urllib.parse import quote

import pytest

from tcenv.signin.listener import Listener
from tests.listener import (
    CLIENT_ID,
    CREDENTIALS,
    FAMILIES,
    NAVIGATION,
    QUERY,
    SIGNED_IN,
    TOKEN,
    WaitingListener,
    find_header,
    parse_status,
    receive_all,
)


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


def test_a_browser_leaves_the_address_with_the_token() -> None:
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


def test_another_program_is_redirected_to_the_page_itself() -> None:
    """Such a client follows redirects, but does not know `Refresh`."""
    import urllib.request

    with WaitingListener(outcome=SIGNED_IN) as waiting:
        url = f"http://localhost:{waiting.port}{waiting.secret}?{QUERY}"
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip, deflate"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 200
            assert b"You are signed in" in answer.read()
            assert TOKEN not in answer.url


def test_credentials_do_not_show_their_token() -> None:
    assert TOKEN not in f"{CREDENTIALS} {CREDENTIALS!r}"


@pytest.mark.parametrize("count", [1, 7])
def test_a_request_may_come_in_pieces(count: int) -> None:
    with WaitingListener() as waiting, waiting.connect("::1") as connection:
        request = waiting.request()
        for start in range(0, len(request), len(request) // count):
            connection.sendall(request[start : start + len(request) // count])
            waiting.wait_until_read(request[: start + len(request) // count])
        assert parse_status(receive_all(connection)) == 303
        assert waiting.result() == CREDENTIALS


def test_the_cookies_of_other_programs_do_not_matter() -> None:
    with WaitingListener() as waiting:
        assert parse_status(waiting.exchange(waiting.request(None, *[f"Cookie: c={'x' * 4000}"] * 12))) == 303
        assert waiting.result() == CREDENTIALS


def test_every_response_has_the_security_headers() -> None:
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


def test_a_second_answer_is_refused() -> None:
    with WaitingListener(outcome=SIGNED_IN) as waiting:
        redirect = waiting.exchange(waiting.request())
        replay = waiting.exchange(waiting.request(query=f"clientId=you&accessToken={TOKEN}"))
        assert parse_status(replay) == 404
        assert waiting.answer == CREDENTIALS
        assert parse_status(waiting.exchange(waiting.request(find_header(redirect, "location")))) == 200


def test_the_page_does_not_exist_before_the_outcome() -> None:
    with WaitingListener() as waiting:
        clean = waiting.listener._page_path
        for early in (waiting.listener._detour_path, clean):
            response = waiting.exchange(waiting.request(early))
            assert parse_status(response) == 404
            assert b"Refresh" not in response
        assert parse_status(waiting.exchange(waiting.request(f"{clean}?{QUERY}"))) == 404
        waiting.exchange(waiting.request())


def test_finish_ends_if_the_browser_never_asks_for_the_page() -> None:
    with Listener() as listener:
        with socket.create_connection(("127.0.0.1", listener.port)) as browser:
            browser.sendall(
                f"GET {listener._secret}?{QUERY} HTTP/1.1\r\nHost: localhost:{listener.port}\r\n\r\n".encode()
            )
            assert listener.wait(time.monotonic() + 60) == CREDENTIALS
            # `wait` has sent the redirect before it returns.
            assert parse_status(receive_all(browser)) == 303
        listener.finish(SIGNED_IN, linger=0.1)


def test_the_browser_may_ask_for_the_page_before_the_outcome() -> None:
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
