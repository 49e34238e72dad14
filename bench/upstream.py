"""Serve a deployment that answers as fast as an event loop can, and checks nobody. The proxy is measured against it.
Prints its port.

GET of a path with `big` in it returns a GiB as fast as it is read. The server reads all bodies and drops them, slowly
if the path has `slow` in it."""

from __future__ import annotations

import asyncio
import contextlib

BIG = 2**30
_CHUNK = b"x" * 2**18
# A slow reader pauses after so many bytes, for so many seconds.
_BYTES_BETWEEN_PAUSES = 2**22
_PAUSE = 0.01
_LAST_CHUNK = b"\r\n0\r\n\r\n"
_SMALL = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"x":"' + b"y" * 492 + b'"}'


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._head = b""
        self._left = 0
        # The last bytes of a chunked body, or None outside of one.
        self._chunked: bytes | None = None
        self._slow = False
        self._since_pause = 0
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._since_pause += len(data)
        if self._slow and self._since_pause > _BYTES_BETWEEN_PAUSES:
            self._since_pause = 0
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(_PAUSE, self._transport.resume_reading)
        while data or self._head:
            if self._chunked is not None:
                self._chunked = (self._chunked + data)[-len(_LAST_CHUNK) :]
                if self._chunked == _LAST_CHUNK:
                    self._chunked = None
                    self._transport.write(_SMALL)
                return
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
                if self._left:
                    return
                self._transport.write(_SMALL)
                continue
            self._head += data
            data = b""
            head, found, rest = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            self._head, data = b"", rest
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        lower = head.lower()
        self._slow = b"slow" in lower.split(b"\r\n")[0]
        _, told, length = lower.partition(b"content-length:")
        self._left = int(length.split(b"\r\n")[0]) if told else 0
        if b"transfer-encoding: chunked" in lower:
            self._chunked = b""
            return
        if b"big" in head.split(b"\r\n")[0] and not self._left:
            self._sending = asyncio.ensure_future(self._send_big())
        elif not self._left:
            self._transport.write(_SMALL)

    async def _send_big(self) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % BIG)
        for _ in range(BIG // len(_CHUNK)):
            await self._may_write.wait()
            self._transport.write(_CHUNK)

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()


async def main() -> None:
    """Serve until the process ends."""
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
