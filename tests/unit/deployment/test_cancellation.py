"""Give up a request before it is sent: it must never be sent later, since a late reset would revoke a token."""

from __future__ import annotations

import http.client
import socket
import threading
import time

import pytest

from tcenv.deployment import http as module
from tcenv.deployment.http import Client, Unreachable


@pytest.mark.parametrize("how", ["time", "interrupt"])
def test_a_request_given_up_while_it_connects_is_never_sent(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    connecting, go_on = threading.Event(), threading.Event()
    exchanges: list[threading.Thread] = []
    connect = http.client.HTTPConnection.connect

    def slow(self: http.client.HTTPConnection) -> None:
        exchanges.append(threading.current_thread())
        connecting.set()
        assert go_on.wait(60)
        connect(self)

    monkeypatch.setattr(http.client.HTTPConnection, "connect", slow)
    client = Client()
    client.deadline = time.monotonic() + (0.3 if how == "time" else 60)
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/api/auth/v1/clients/x/reset"
        if how == "time":
            with pytest.raises(Unreachable):
                client.send("POST", url, b"{}")
        else:

            def interrupt(self: threading.Thread, timeout: float | None = None) -> None:
                assert connecting.wait(60)
                raise KeyboardInterrupt

            with monkeypatch.context() as patched:
                patched.setattr(module._Exchange, "join", interrupt)
                with pytest.raises(KeyboardInterrupt):
                    client.send("POST", url, b"{}")
        assert connecting.wait(60)
        go_on.set()
        exchanges[0].join(60)
        assert not exchanges[0].is_alive()
        server.settimeout(60)
        connection, _ = server.accept()
        connection.settimeout(60)
        assert connection.recv(100) == b"", "it was sent"
