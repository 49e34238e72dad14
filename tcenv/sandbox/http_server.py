"""Serve HTTP/1.1 on loopback, as far as clients and browsers need it. Bodies of any size are streamed in constant
memory. One thread with one event loop serves everybody."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from typing import Protocol

from tcenv.sandbox.answers import Answer

# Limits of the web server in front of a deployment (bytes): nginx with its default buffers of 8 KiB.
LONGEST_TARGET = 8177
_LONGEST_LINE = 8192
_LONGEST_HEAD = 4 * 8192
# Bytes of the largest body without a sink.
MAX_BODY = 16 << 20
_TRIES = 50
_BACKLOG = 512
_REASONS = {status.value: status.phrase for status in HTTPStatus} | {
    414: "Request-URI Too Large",
    421: "Misdirected Request",
}
_TOKEN = re.compile(r"[A-Z]+")


@dataclass(slots=True)
class Incoming:
    """A request. `target` is path and query as they were sent. Names of headers are in lower case. `body` holds the
    body, unless `sink` was set at the beginning: then each piece went there."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""
    sink: Callable[[bytes], None] | None = None
    keep_alive: bool = True


class Application(Protocol):
    """The program that answers requests. `begin` gets a request before its body, may give it a sink, and may answer at
    once; then the body is not read."""

    def begin(self, request: Incoming) -> Answer | None:
        """Answer a request that needs no body, or return None."""

    def answer(self, request: Incoming) -> Answer | Awaitable[Answer]:
        """Answer a whole request."""


def make_web_server_page(status: int, phrase: str = "") -> Answer:
    """Return the page that the web server in front of a deployment sends by itself before it closes the connection."""
    title = f"{status} {phrase or _REASONS[status]}"
    text = f"<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center></body>\r\n</html>\r\n"
    return Answer(status, text.encode(), "Content-Type: text/html\r\n", close=True)


class Server:
    """A thread that serves an application on one port of both loopback families, from `start` to `stop`. `now` returns
    the time for the Date header, in seconds since the epoch."""

    def __init__(self, application: Application, port: int, now: Callable[[], float]) -> None:
        self.application = application
        self._now = now
        self.sockets = _bind(port)
        self.port: int = self.sockets[0].getsockname()[1]
        self.connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tcenv-sandbox", daemon=True)
        self._serving = threading.Event()
        self._date = (0, "")

    def start(self) -> None:
        """Start to serve."""
        self._thread.start()
        self._serving.wait()

    def stop(self) -> None:
        """Stop listening, and close all open connections."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()

    def format_date(self, ahead: float = 0.0) -> str:
        """Return the deployment's time for a Date header, shifted by `ahead` seconds."""
        second = int(self._now() + ahead)
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True))
        return self._date[1]

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        servers = [
            self._loop.run_until_complete(
                self._loop.create_server(lambda: _Connection(self), sock=sock, backlog=_BACKLOG)
            )
            for sock in self.sockets
        ]
        self._loop.call_soon(self._serving.set)
        try:
            self._loop.run_forever()
        finally:
            for server in servers:
                server.close()
            for connection in list(self.connections):
                connection.hang_up()
            tasks = asyncio.all_tasks(self._loop)
            for task in tasks:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            self._loop.run_until_complete(asyncio.sleep(0))
            self._loop.close()


@dataclass(slots=True)
class _Body:
    """How far a request's body has been read: `left` more bytes, of the whole or of one chunk if `chunked`."""

    left: int = 0
    chunked: bool = False
    in_chunk: bool = False
    last: bool = False
    ended: bool = False
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class _Connection(asyncio.Protocol):
    """One connection. It answers requests one after the other."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._buffer = bytearray()
        self._request: Incoming | None = None
        self._body = _Body()
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.connections.add(self)

    def connection_lost(self, problem: Exception | None) -> None:
        self._server.connections.discard(self)
        self._writable.set()
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def hang_up(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._busy:
            if len(self._buffer) > 1 << 20:
                self._transport.pause_reading()
            return
        self._advance()

    def eof_received(self) -> bool:
        # A client that has sent everything may still wait for its answer.
        return self._busy

    def _advance(self) -> None:
        while not self._busy and not self._transport.is_closing():
            if self._request is None and not self._read_head():
                return
            request = self._request
            if request is None or not self._read_body(request):
                return
            self._request = None
            if request.sink is None:
                request.body = b"".join(self._body.pieces)
            self._respond(request, self._server.application.answer(request))

    def _read_head(self) -> bool:
        """Read the next head if it is complete. Return whether a request has begun that is not answered yet."""
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n")
        head = bytes(self._buffer[: end if end >= 0 else _LONGEST_HEAD + 1])
        line = head.find(b"\r\n")
        if (len(head) if line < 0 else line) > _LONGEST_LINE + 8:
            return self._refuse(414)
        if end < 0:
            return self._refuse(400, "Request Header Or Cookie Too Large") if len(head) > _LONGEST_HEAD else False
        del self._buffer[: end + 4]
        request = self._parse_head(head.decode("latin-1"))
        if request is None:
            return False
        early = self._server.application.begin(request)
        if early is not None:
            early.close = True
            self._respond(request, early)
            return False
        if request.headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._request = request
        return True

    def _parse_head(self, head: str) -> Incoming | None:
        first, *lines = head.split("\r\n")
        parts = first.split(" ")
        if len(parts) != 3 or not _TOKEN.fullmatch(parts[0]) or not parts[2].startswith("HTTP/1."):
            self._refuse(400)
            return None
        method, target, version = parts
        if len(target) > LONGEST_TARGET:
            self._refuse(414)
            return None
        headers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or len(line) > _LONGEST_LINE - 2:
                self._refuse(400, "Request Header Or Cookie Too Large" if colon else "")
                return None
            headers.setdefault(name.lower(), value.strip())
        length = headers.get("content-length", "0")
        chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        if not (length.isascii() and length.isdecimal()):
            self._refuse(400)
            return None
        self._body = _Body(left=0 if chunked else int(length), chunked=chunked)
        keep = headers.get("connection", "keep-alive" if version == "HTTP/1.1" else "close").lower() != "close"
        return Incoming(method, target, headers, keep_alive=keep)

    def _read_body(self, request: Incoming) -> bool:
        """Read what has arrived of the body. Return whether it is complete."""
        body, buffer = self._body, self._buffer
        while not body.ended:
            if body.chunked and not body.left:
                if not self._read_chunk_line():
                    return False
                continue
            if not body.left:
                return True
            if not buffer:
                return False
            piece = bytes(buffer[: body.left])
            del buffer[: len(piece)]
            body.left -= len(piece)
            body.ended = not body.chunked and not body.left
            body.size += len(piece)
            if request.sink is not None:
                request.sink(piece)
            elif body.size > MAX_BODY:
                return self._refuse(413)
            else:
                body.pieces.append(piece)
        return True

    def _read_chunk_line(self) -> bool:
        """Read the line before or after a chunk. Return whether it was there and valid."""
        body, buffer = self._body, self._buffer
        end = buffer.find(b"\r\n")
        if end < 0:
            return False
        text = bytes(buffer[:end]).split(b";")[0].strip()
        del buffer[: end + 2]
        if body.in_chunk:  # the end of the chunk before
            body.in_chunk = False
        elif body.last:  # the lines after the last chunk, up to an empty one
            body.ended = not text
        else:
            try:
                body.left = int(text, 16)
            except ValueError:
                return self._refuse(400)
            body.in_chunk = body.left > 0
            body.last = not body.left
        return True

    def _refuse(self, status: int, phrase: str = "") -> bool:
        self._respond(Incoming("GET", "/", {}), make_web_server_page(status, phrase))
        return False

    def _respond(self, request: Incoming, answer: Answer | Awaitable[Answer]) -> None:
        if isinstance(answer, Answer) and answer.stream is None and not answer.silent:
            self._write(request, answer)
            return
        self._busy = True
        self._task = asyncio.get_running_loop().create_task(self._respond_later(request, answer))

    async def _respond_later(self, request: Incoming, answer: Answer | Awaitable[Answer]) -> None:
        with suppress(OSError, ConnectionError):
            if not isinstance(answer, Answer):
                answer = await answer
            if answer.silent:
                return
            if answer.stream is None:
                self._write(request, answer)
            else:
                await self._write_stream(request, answer)
        self._busy = False
        self._task = None
        self._transport.resume_reading()
        self._advance()

    def _make_head(self, answer: Answer, ending: bool, length: int | None) -> bytes:
        size = "Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n"
        if answer.status in (204, 304):
            size = ""
        return (
            f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, '')}\r\nServer: tcenv-sandbox\r\n"
            f"Date: {self._server.format_date(answer.ahead)}\r\n{size}{answer.head}"
            f"Connection: {'close' if ending else 'keep-alive'}\r\n\r\n"
        ).encode("latin-1", "replace")

    def _write(self, request: Incoming, answer: Answer) -> None:
        ending = answer.close or not request.keep_alive
        head = b"" if answer.raw else self._make_head(answer, ending, len(answer.body))
        self._transport.write(head if request.method == "HEAD" or answer.status in (204, 304) else head + answer.body)
        if ending:
            self._transport.close()

    async def _write_stream(self, request: Incoming, answer: Answer) -> None:
        assert answer.stream is not None
        ending = answer.close or not request.keep_alive
        chunked = answer.length is None and not answer.raw
        if not answer.raw:
            self._transport.write(self._make_head(answer, ending, answer.length))
        if request.method != "HEAD":
            async for piece in answer.stream():
                await self._writable.wait()
                if self._transport.is_closing():
                    return
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                self._transport.write(b"0\r\n\r\n")
        if ending:
            self._transport.close()


def _bind(port: int) -> list[socket.socket]:
    """Return sockets that listen on one port of 127.0.0.1 and, if the machine has IPv6, of ::1. Raises OSError."""
    for _ in range(1 if port else _TRIES):
        first = socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)
        try:
            address = ("::1", first.getsockname()[1])
            return [first, socket.create_server(address, family=socket.AF_INET6, backlog=_BACKLOG)]
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                return [first]  # without IPv6
            first.close()
            failure = error
    raise failure
