"""Send a request that shows whether a port leads to this proxy. Its path is a secret, so nobody else can send it."""

from __future__ import annotations

import os
import threading


class Probe:
    """A request that only this process can send. Its path is a secret; `seen` tells that it has reached the proxy."""

    def __init__(self) -> None:
        self.path = f"/{os.urandom(33).hex()}"
        self.seen = threading.Event()

    def make_request(self, port: int) -> bytes:
        """Return the bytes of the request to the far port."""
        return f"GET {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
