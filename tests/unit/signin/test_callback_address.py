"""Parse callback requests and pasted addresses: credentials come out as the deployment encoded them, or not at all."""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcenv.deployment.credentials import Credentials
from tcenv.portholder.callback_request import Navigation, Refused, is_own_host, parse_query
from tcenv.signin.listener import Listener
from tests.listener import BAD_QUERIES, CLIENT_ID, CREDENTIALS, QUERY, SIGNED_IN, TOKEN


def test_browsers_leave_out_the_default_port() -> None:
    for name in ("localhost", "127.0.0.1", "[::1]"):
        assert is_own_host(name, 80) and is_own_host(f"{name}:80", 80)
        assert not is_own_host(name, 443)


def test_the_last_address_of_the_browser_can_be_pasted() -> None:
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
def test_a_pasted_address_ends_the_wait_at_once(pipe: bool, tmp_path: Path) -> None:
    with Listener() as listener:
        line = f"{listener.callback_url}?{QUERY}\n".encode()
        if pipe:
            reading, writing = os.pipe()
            os.write(writing, line)
            os.close(writing)
        else:
            file = tmp_path / "file"
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


@given(st.text("abz019!@/:.+|_-", min_size=1, max_size=30), st.text("abz019_-", min_size=22, max_size=66), st.data())
def test_every_encoding_is_decoded(client_id: str, token: str, data: st.DataObject) -> None:
    def encode(text: str) -> str:
        return "".join(
            f"%{ord(character):02X}" if is_encoded else character
            for character, is_encoded in zip(
                text, data.draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text))), strict=True
            )
        )

    query = f"clientId={encode(client_id)}&accessToken={encode(token)}"
    assert parse_query(query.encode()) == (client_id, token)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_a_genuine_answer(noise: bytes) -> None:
    good = f"GET /s?{QUERY} HTTP/1.1\r\nHost: localhost:1\r\n\r\n".encode()
    for request in (noise, noise + good, good + noise, good.replace(b"Host", noise + b"\r\nHost")):
        try:
            read = Navigation(request)
            credentials = Credentials(*parse_query(read.query.encode()))
        except Refused as refused:
            assert 400 <= refused.status < 500
            continue
        assert (read.path, credentials) == ("/s", CREDENTIALS)
