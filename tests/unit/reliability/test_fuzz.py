"""Mutate genuine requests: only the exact form gets through, and every error is one of tcenv's own."""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tcenv import paths
from tcenv.config import config_file, index, live_session
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.patterns import ACCESS_TOKEN, CLIENT_ID
from tcenv.errors import ConfigError, DamagedSession, StoreError
from tcenv.portholder.callback_request import Navigation, Refused, is_own_host, parse_query
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.profile_names import get_profile_name
from tcenv.sessions.session import Session
from tests import listener
from tests.listener import QUERY, WaitingListener, receive_all
from tests.reliability.record import record, scale

TOKEN = "t" * 44
ODD = (b"\0", b"\r\n", b"\n", b"%", b"%00", b"&", b"=", b"?", b" ", b"..", b"\xff", b"A" * 300, b"+", b"#", b"\r\n\r\n")


@st.composite
def mutate(draw: st.DrawFn, genuine: bytes, odd: tuple[bytes, ...] = ODD) -> bytes:
    """Change `genuine` in one to four places: alter a byte, remove, repeat or move a piece, or insert an odd one."""
    data = genuine
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        to = min(len(data), at + draw(st.integers(1, 12)))
        data = draw(
            st.sampled_from(
                (
                    data[:at] + bytes((draw(st.integers(0, 255)),)) + data[at + 1 :],
                    data[:at] + data[to:],
                    data[:to] + data[at:],
                    data[:at] + data[to:] + data[at:to],
                    data[:at] + draw(st.sampled_from(odd)) + data[at:],
                )
            )
        )
    return data


def run_examples(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Run a property over `count` examples in `make fuzz`, and over a part of them in `make test`. Each run has the same."""
    return settings(
        max_examples=scale(count),
        derandomize=True,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


# Each of these makes a request invalid, whatever else was changed.
DEFECTS = (
    lambda data, secret: data.replace(secret, secret[:-1] + (b"0" if secret[-1:] != b"0" else b"1")),
    lambda data, secret: data.replace(b"accessToken=", b"accessToken=%00"),
    lambda data, secret: data.replace(b"clientId=", b"clientId=%20"),
    lambda data, secret: data.replace(b"\r\n", b"\r\nHost: elsewhere.example.com\r\n", 1),
    lambda data, secret: data.replace(b"\r\n", b"\r\nOrigin: https://elsewhere.example.com\r\n", 1),
    lambda data, secret: data.replace(b"\r\n", b"\r\nSec-Fetch-Mode: cors\r\n", 1),
    lambda data, secret: b"POST" + data.removeprefix(b"GET"),
    lambda data, secret: data[: data.find(b"\r\n\r\n") + 2],
)


@pytest.mark.timeout(1200)
def test_fuzzed_callbacks_are_not_taken_and_the_genuine_one_is() -> None:
    count = 0
    with WaitingListener(seconds=1100) as waiting:
        genuine, secret = waiting.request(), waiting.secret.encode()

        @run_examples(20_000)
        @given(mutate(genuine), st.sampled_from(DEFECTS))
        def is_refused(changed: bytes, defect: Callable[[bytes, bytes], bytes]) -> None:
            nonlocal count
            count += 1
            data = defect(changed, secret)
            # One address of loopback has too few ports.
            with socket.create_connection(
                ("127.0.0.1", waiting.port), 20, (f"127.0.0.{2 + count % 250}", 0)
            ) as connection:
                try:
                    connection.sendall(data)
                    connection.shutdown(socket.SHUT_WR)
                    response = receive_all(connection)
                except (BrokenPipeError, ConnectionResetError):
                    response = b""
            assert response[:10] in (b"", b"HTTP/1.1 4"), data
            assert listener.TOKEN.encode() not in response
            assert waiting.is_waiting, data

        is_refused()
        assert waiting.exchange(genuine).startswith(b"HTTP/1.1 303 ")
    assert waiting.answer == Credentials(listener.CLIENT_ID, listener.TOKEN)
    record("callbacks", count)


HOST = "localhost:4321"
LINE = re.compile(rb"GET ([!-~\x00-\x1f\x7f]*) HTTP/1\.1")
PAIRS = re.compile(r"(clientId|accessToken)=([^&]*)&(?!\1)(clientId|accessToken)=([^&]*)")


@pytest.mark.timeout(1200)
def test_parsed_requests_are_of_the_exact_form_or_refused() -> None:
    with WaitingListener() as waiting:
        genuine = waiting.request("/secret?" + QUERY, host=HOST)
        waiting.exchange(waiting.request())
    count = accepted = 0

    @run_examples(100_000)
    @given(mutate(genuine))
    def is_exact_or_refused(data: bytes) -> None:
        nonlocal count, accepted
        count += 1
        try:
            read = Navigation(data)
        except Refused as refused:
            assert 400 <= refused.status < 500
            return
        head, _end, body = data.partition(b"\r\n\r\n")
        line, *fields = head.split(b"\r\n")
        assert not body and LINE.fullmatch(line), data
        names = [field.partition(b":")[0].lower() for field in fields]
        assert names.count(b"host") == 1 and not {b"origin", b"content-length", b"transfer-encoding"} & set(names), data
        try:
            client_id, token = parse_query(read.query.encode())
        except Refused:
            return
        assert PAIRS.fullmatch(read.query), data
        assert CLIENT_ID.fullmatch(client_id) and ACCESS_TOKEN.fullmatch(token), data
        accepted += read.path == "/secret" and is_own_host(read.host, 4321)

    is_exact_or_refused()
    assert accepted, "some of the changes are of what does not count"
    record("requests", count)


def session() -> Session:
    credentials = Credentials("someone/tcenv", TOKEN)
    return Session(
        "p",
        "https://tc.example.com",
        credentials,
        1,
        2**33,
        "tcenv",
        ("a:b", "c:*"),
        ("a:b",),
        "",
        True,
        ("0-1 assume:a b",),
    )


@pytest.mark.timeout(1200)
def test_session_files_are_whole_or_damaged(tmp_path: Path) -> None:
    genuine = session()
    store = DirectoryStore("runtime", str(tmp_path / "tcenv"))
    store.save(genuine)
    path = tmp_path / "tcenv" / "p.session"
    whole = path.read_bytes()
    with pytest.raises(sessionfile.Damaged):
        sessionfile.decode(whole.replace(b"SCOPE=c:*\n", b""))
    odd = (*ODD, b"\nSTATE=ended", b"\nSCOPE=x", b"\nEND=tcenv-session-1\n", "²".encode(), b"9" * 5000)
    count = 0

    @run_examples(10_000)
    @given(mutate(whole, odd))
    def is_whole_or_damaged(data: bytes) -> None:
        nonlocal count
        count += 1
        try:
            parts = sessionfile.decode(data)
        except sessionfile.Damaged as damaged:
            assert TOKEN not in str(damaged)
        else:
            try:
                found = Session.from_parts(*parts)
            except DamagedSession as error:
                assert TOKEN not in error.message
            else:
                assert Session.from_parts(*sessionfile.decode(found.encode())) == found
        path.write_bytes(data)
        try:
            loaded = store.load("p")
        except (DamagedSession, StoreError) as error:
            assert TOKEN not in error.message
        else:
            assert loaded is not None and loaded.profile == "p", data

    is_whole_or_damaged()
    store.save(genuine)
    assert store.load("p") == genuine
    record("session files", count)


CONFIGURATION = """\
default = "a"
store = "file"
scopes = ["queue:*"]
timeout = "5m"

[profiles.a]
root_url = "https://tc.example.com"
name = "tcenv-{machine}"
port = 4000
no_browser = true

[profiles.a.purposes.p]
scopes = ["queue:create-task:x"]
for = "15m"

[purposes.q]
scopes = ["a:b"]
"""
TOML_ODD = (
    *(
        b'"',
        b"'''",
        b"[",
        b"]",
        b"{",
        b"}",
        b"=",
        b"=" + b"[" * 3000,
        b"9" * 5000,
        b"1979-99-99",
        b"nan",
        b"-inf",
        b"#",
    ),
    *ODD,
)


@pytest.mark.timeout(1200)
def test_configurations_are_read_or_named_as_wrong() -> None:
    count = 0
    config_file.parse(CONFIGURATION, "config.toml")
    for wrong in ("port = " + "9" * 5000, "scopes = " + "[" * 3000):
        with pytest.raises(ConfigError):
            config_file.parse(wrong, "config.toml")

    @run_examples(10_000)
    @given(mutate(CONFIGURATION.encode(), TOML_ODD))
    def is_read_or_named(data: bytes) -> None:
        nonlocal count
        count += 1
        text = data.decode("utf-8", "replace")
        try:
            found = config_file.parse(text, "config.toml")
        except ConfigError as error:
            assert error.message.startswith("config.toml")
        else:
            assert found.store in (None, *config_file.STORES)
            assert all(keys["root_url"].startswith(("https://", "http://")) for keys in found.profiles.values())

    is_read_or_named()
    record("configurations", count)


@pytest.mark.timeout(1200)
def test_an_index_is_of_the_configuration_as_it_is_or_not_taken(home: Path) -> None:
    count = 0
    path = Path(paths.config_file())
    path.parent.mkdir(parents=True)
    path.write_text(CONFIGURATION)
    config_file.load()
    cache = Path(paths.index_file())
    whole = cache.read_bytes()
    assert index.read() is not None

    @run_examples(10_000)
    @given(mutate(whole))
    def is_right_or_not_taken(data: bytes) -> None:
        nonlocal count
        count += 1
        cache.write_bytes(data)
        try:
            found = index.read()
        except (index.HandOver, OSError, ValueError):
            return
        assert found is not None
        assert data.decode().partition("\n\n")[2] == CONFIGURATION, data
        for name in found.list_names():
            found.find_root_url(name)

    is_right_or_not_taken()
    cache.write_bytes(whole)
    # The time and the size of the configuration stay what they were.
    status = path.stat()
    path.write_text(CONFIGURATION.replace("tc.example.com", "tc.example.org"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(index.HandOver):
        index.read()
    record("indexes", count)


@pytest.mark.parametrize("over", [False, True])
def test_a_session_that_is_over_is_not_for_the_hot_path(over: bool, home: Path) -> None:
    root_url, now = "https://tc.example.com", int(time.time())
    expires = now - 10 if over else now + 40_000
    made = Session(
        get_profile_name(root_url), root_url, Credentials("c/tcenv", TOKEN), now - 9000, expires, "tcenv", ()
    )
    DirectoryStore("runtime", paths.runtime_directory() or "").save(made)
    assert (live_session.find_stored(root_url, with_token=False) is None) is over
