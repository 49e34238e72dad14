"""Hand a port to the port holder, and inspect its process."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tcenv import loopback
from tcenv.portholder import client
from tcenv.portholder.client import Hold
from tests.world import find_holder_process

_Found = TypeVar("_Found")
PATH = "/" + "5ec4e7" * 6


def wait_until(look: Callable[[], _Found], seconds: float = 60) -> _Found:
    """Wait until `look` returns something true, and return it. The more CPU time a look takes, the longer are the pauses."""
    end = time.monotonic() + seconds
    before = time.thread_time()
    while not (found := look()) and time.monotonic() < end:
        time.sleep(min(0.2, max(0.01, 9 * (time.thread_time() - before))))
        before = time.thread_time()
    assert found, "the condition never came true"
    return found


def get_runtime_directory() -> Path:
    return Path(os.environ["XDG_RUNTIME_DIR"])


def wait_for_holder() -> int:
    """Wait until the holder answers, and return its process."""
    found = wait_until(lambda: find_holder_process(get_runtime_directory()))
    assert found is not None
    return found


def hold_port(**fields: str) -> tuple[Hold, int]:
    """Hand a free port to the holder, and close the sockets here."""
    sockets, port = loopback.bind(0)
    held = client.hold(sockets, {"kind": "sign-in", "path": PATH, "seconds": "900", **fields})
    assert held is not None
    for each in sockets:
        each.close()
    return held, port


def exchange(port: int, request: str, address: str = "127.0.0.1", timeout: float = 60) -> bytes:
    """Send a request, and return everything that comes back."""
    with socket.create_connection((address, port), timeout) as connection:
        connection.sendall(request.encode())
        received = b""
        while data := connection.recv(65536):
            received += data
        return received


def make_request(port: int, path: str) -> str:
    return f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"


def fetch_status(port: int, path: str = "/", address: str = "127.0.0.1") -> int:
    """Return the status of the answer to a GET."""
    return parse_status(exchange(port, make_request(port, path), address))


def parse_status(response: bytes) -> int:
    return int(response.split(b" ", 2)[1])


def is_free(port: int) -> bool:
    """Return whether nobody listens on the port, on either family.

    Connects, because a connection that has ended can prevent a bind for a minute."""
    for address in ("127.0.0.1", "::1"):
        try:
            socket.create_connection((address, port), 60).close()
        except ConnectionRefusedError:
            continue
        return False
    return True


def measure_memory(process: int) -> int:
    """Return the resident memory of a process, in bytes."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024


def list_descriptors(process: int) -> dict[int, str]:
    """Return the targets of a process's open descriptors."""
    found = {}
    for entry in os.scandir(f"/proc/{process}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(entry.name)] = os.readlink(entry.path)
    return found
