"""Serve the services of which the sandbox answers only ping, and a service of its own that takes and sends bodies of
any size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from tcenv.sandbox.answers import Answer
from tcenv.sandbox.api import Call, Service
from tcenv.sandbox.records import ApiError

TRAFFIC = Service("sandbox", "Bodies of any size, in the sandbox alone")
# Other services of a deployment, which the sandbox does not imitate.
BARE = tuple(
    Service(name, f"{name}, which answers only ping")
    for name in ("github", "index", "notify", "object", "purge-cache", "web-server", "worker-manager")
)
_PIECE = bytes(range(256)) * 256
_LARGEST = 1 << 42


@TRAFFIC.declare("GET", "download", "/download/<size>", query=("chunked",))
def _download(call: Call) -> Any:
    """Get a body of the requested number of bytes"""
    size = call.params["size"]
    if not (size.isascii() and size.isdecimal() and int(size) <= _LARGEST):
        raise ApiError("InputError", "size must be a number of bytes")
    left = int(size)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(left // len(_PIECE)):
            yield _PIECE
        if left % len(_PIECE):
            yield _PIECE[: left % len(_PIECE)]

    return Answer(
        stream=pieces,
        length=None if "chunked" in call.query else left,
        head="Content-Type: application/octet-stream\r\n",
    )
