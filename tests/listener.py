"""Run a listener in a thread, and connect to it with raw sockets."""

from __future__ import annotations

import socket
import threading
import time
from types import TracebackType

from tcenv.deployment.credentials import Credentials
from tcenv.signin.listener import Listener
from tcenv.signin.pages import Outcome
from tests.portholder import wait_until

CLIENT_ID = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv"
TOKEN = "-_tokenABCDEFGHIJKLMNOPQRSTUVWXYZ01234567890"
QUERY = f"clientId={CLIENT_ID}&accessToken={TOKEN}"
FAMILIES = ("127.0.0.1", "::1")
CREDENTIALS = Credentials(CLIENT_ID, TOKEN)
SIGNED_IN = Outcome(True, "You are signed in", (), (("Client", CLIENT_ID),))
NAVIGATION = (
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Mode: navigate",
    "Sec-Fetch-User: ?1",
    "Sec-Fetch-Dest: document",
)
# Queries that are no answer of a deployment.
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


class WaitingListener:
    """A thread that runs `Listener.wait`, and `finish` too if there is an `outcome`."""

    def __init__(self, port: int = 0, *, outcome: Outcome | None = None, seconds: float = 60) -> None:
        self.listener = Listener(port)
        self.port = self.listener.port
        self.secret = self.listener.callback_url.partition(str(self.port))[2]
        self.answer: Credentials | None = None
        self._outcome = outcome
        self._end = time.monotonic() + seconds
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _work(self) -> None:
        self.answer = self.listener.wait(self._end)
        if self.answer is not None and self._outcome is not None:
            self.listener.finish(self._outcome, linger=10)

    def __enter__(self) -> WaitingListener:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.result()
        self._end = 0
        self.listener.__exit__(None, None, None)

    @property
    def is_waiting(self) -> bool:
        return self._thread.is_alive() and self.answer is None

    def result(self) -> Credentials | None:
        self._thread.join(90)
        assert not self._thread.is_alive(), "the wait has no end"
        return self.answer

    def wait_until_read(self, data: bytes) -> None:
        """Wait until the listener has read `data` on a connection. A whole request is answered instead of kept."""
        if b"\r\n\r\n" not in data:
            wait_until(lambda: any(data == bytes(each.received) for each in list(self.listener._connections)))

    def request(self, path: str | None = None, *more: str, query: str = QUERY, host: str | None = None) -> bytes:
        """Return a navigation as Chromium sends it. `more` are further header lines."""
        target = path if path is not None else f"{self.secret}?{query}"
        lines = [
            f"GET {target} HTTP/1.1",
            f"Host: {host if host is not None else f'localhost:{self.port}'}",
            "Connection: keep-alive",
            "Upgrade-Insecure-Requests: 1",
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0",
            "Accept: text/html,*/*;q=0.8",
            *more,
            "Referer: https://tc.example.com/",
            "Cookie: other=program",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection((address, self.port), timeout=60)

    def exchange(self, data: bytes, address: str = "127.0.0.1") -> bytes:
        """Send `data`, and return everything that comes back until the listener closes the connection."""
        with self.connect(address) as connection:
            try:
                connection.sendall(data)
                return receive_all(connection)
            except (BrokenPipeError, ConnectionResetError):
                return b""


def receive_all(connection: socket.socket) -> bytes:
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def parse_status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1]) if response else 0


def find_header(response: bytes, name: str) -> str:
    (line,) = [
        line
        for line in response.partition(b"\r\n\r\n")[0].decode().split("\r\n")
        if line.lower().startswith(name + ":")
    ]
    return line.partition(":")[2].strip()
