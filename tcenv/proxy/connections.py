"""Accept connections of programs, ask the kernel which user owns each, and limit how many are open.

No other user can lock out the run's own calls by opening connections: those of strangers live for a few seconds, and a
new connection closes the one that has been idle for longest if the limit is reached."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server

from tcenv import peer
from tcenv.proxy.sockets import Sockets

_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# Programs that forward connections from other machines (`ssh -R`, `ssh -L`).
_FORWARDERS = ("ssh", "sshd", "sshd-session", "dbclient", "dropbear", "autossh")
# All times are in seconds.
_KEEPALIVE = 75.0
# How long a connection's first request may take to send its head. _KEEPALIVE limits later ones.
_FIRST_HEAD = 75.0
_FIRST_HEAD_FROM_OUTSIDE = 10.0
_STRANGER = 2.0
# A connection without a running call counts as idle after this time.
_IDLE = 1.0
_PAUSE = 0.1
# The longest line in a request's head, in characters. The service accepts no Authorization header over 4,096.
_MAX_LINE = 16384
_BACKLOG = 512
# Limits on open connections.
MAX_CONNECTIONS = 1000
MAX_STRANGERS = 32
MAX_PER_ADDRESS = 64
_MIN_CONNECTIONS = 4
# Descriptors for one call (its connection, the deployment's, its body), and for all else.
_PER_CALL = 3
_OTHER_DESCRIPTORS = MAX_STRANGERS + 32

Answer = Callable[[web.BaseRequest, "Connection"], Awaitable[web.StreamResponse]]


def raise_descriptor_limit() -> None:
    """Raise this process's soft limit of open descriptors as far as needed and allowed. Call it after the command has
    started, since children inherit the limit."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS * _PER_CALL + _OTHER_DESCRIPTORS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _compute_max_connections() -> int:
    try:
        import resource
    except ImportError:
        return MAX_CONNECTIONS
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(_MIN_CONNECTIONS, min(MAX_CONNECTIONS, (soft - _OTHER_DESCRIPTORS) // _PER_CALL))


class Connection(RequestHandler):
    """An accepted connection: from this user, or to the address that is open to other machines (`outside`)."""

    def __init__(self, server: _WebServer, address: str | None, **arguments: Any) -> None:
        super().__init__(server, **arguments)
        self.outside = address is not None
        self.address = address
        self._server = server
        self._running = 0
        self._idle_since = asyncio.get_running_loop().time()
        self._is_forwarded: bool | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        timeout = _FIRST_HEAD_FROM_OUTSIDE if self.outside else _FIRST_HEAD
        self._timer = asyncio.get_running_loop().call_later(timeout, self.abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.forget(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    @contextlib.contextmanager
    def mark_busy(self) -> Iterator[None]:
        """Mark the connection as busy while a call runs."""
        if self._timer is not None:
            self._timer.cancel()
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._idle_since = asyncio.get_running_loop().time()

    def get_idle_start(self, now: float) -> float | None:
        """Return since when the connection has been idle, or None if it is busy."""
        return None if self._running or now - self._idle_since < _IDLE else self._idle_since

    def abort(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    async def is_from_elsewhere(self) -> bool:
        """Return whether the other end is on another machine, or forwards a connection from one."""
        if self.outside:
            return True
        if self._is_forwarded is None:
            sock = self.transport.get_extra_info("socket") if self.transport is not None else None
            if sock is None:
                return True
            self._is_forwarded = await self._server.ask_kernel(functools.partial(_is_forwarded, sock))
        return self._is_forwarded

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer a request that is not HTTP without a body, which would repeat the request's text."""
        self.keep_alive(False)
        response = web.Response(status=status)
        response.force_close()
        return response


class _WebServer(Server):
    """aiohttp's server for accepted connections. It counts them."""

    def __init__(self, answer: Answer) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            connection = request.protocol
            if not isinstance(connection, Connection):
                raise TypeError("not a connection of this server")
            with connection.mark_busy():
                return await answer(request, connection)

        super().__init__(handle, request_factory=self._make_request, handler_cancellation=True)
        silent = logging.getLogger("tcenv.proxy")
        silent.disabled = True
        self._arguments = {
            "loop": self._loop,
            "keepalive_timeout": _KEEPALIVE,
            "auto_decompress": False,
            "access_log": None,
            "logger": silent,
            "max_line_size": _MAX_LINE,
            "max_field_size": _MAX_LINE,
        }
        self._open: set[Connection] = set()
        self._max = _compute_max_connections()

    def make_connection(self, address: str | None) -> Connection:
        """Make the protocol of a connection. `address` is the other end's address if it is outside."""
        connection = Connection(self, address, **self._arguments)
        self._open.add(connection)
        return connection

    def forget(self, connection: Connection) -> None:
        """Stop counting a connection that has ended."""
        self._open.discard(connection)

    def has_room(self, address: str | None = None) -> bool:
        """Return whether there is room for one more connection, in total and from this address. Closes the connection
        that has been idle for longest if that makes room."""
        if address is None:
            found, most = list(self._open), self._max
        else:
            found, most = [each for each in self._open if each.address == address], MAX_PER_ADDRESS
        if len(found) < most:
            return True
        return self._close_oldest(found)

    async def ask_kernel(self, ask: Callable[[], bool]) -> bool:
        """Return the answer of `ask`, which needs a descriptor. Wait for one if none is left."""
        while True:
            try:
                return ask()
            except OSError:
                self._close_oldest(list(self._open))
                await asyncio.sleep(_PAUSE)

    def _close_oldest(self, found: list[Connection]) -> bool:
        """Close the connection that has been idle for longest. Returns False if none is idle."""
        now = asyncio.get_running_loop().time()
        idle = [(since, each) for each in found if (since := each.get_idle_start(now)) is not None]
        if not idle:
            return False
        _, oldest = min(idle, key=lambda pair: pair[0])
        self.forget(oldest)
        oldest.abort()
        return True

    def _make_request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        # Older parsers of aiohttp pass `post` on unchanged, but its client sends POST.
        message = message._replace(method=message.method.upper())
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop)


class Listener:
    """Answers on listening sockets from `start` to `stop`."""

    def __init__(self, sockets: Sockets, answer: Answer) -> None:
        self._sockets = sockets
        self._server = _WebServer(answer)
        self._tasks: set[asyncio.Task[None]] = set()
        self._strangers = 0

    def start(self) -> None:
        """Start to accept connections. Call it on the event loop."""
        for sock in (*self._sockets.loopback, self._sockets.outside):
            if sock is not None:
                sock.listen(_BACKLOG)
                sock.setblocking(False)
                self._start_task(self._accept(sock, outside=sock is self._sockets.outside))
        for sock in self._sockets.inside:
            sock.setblocking(False)
            self._start_task(self._accept(sock, outside=False, is_private=True))

    async def stop(self, timeout: float) -> None:
        """Stop accepting connections, and give running calls `timeout` seconds to end."""
        for task in self._tasks:
            task.cancel()
        await self._server.shutdown(timeout)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listening: socket.socket, *, outside: bool, is_private: bool = False) -> None:
        """Accept connections until the task is cancelled. `is_private` says that only processes of one sandbox can
        connect. The kernel does not show that sandbox's network to this process, so do not ask for owners."""
        loop = asyncio.get_running_loop()
        while True:
            # New connections wait in the socket's queue.
            while not self._server.has_room():
                await asyncio.sleep(_PAUSE)
            try:
                sock, name = await loop.sock_accept(listening)
            except OSError:  # the connection was reset, or no descriptor is left
                await asyncio.sleep(_PAUSE)
                continue
            sock.setblocking(False)
            address = str(name[0]) if outside else None
            if not is_private and not await self._server.ask_kernel(functools.partial(_is_welcome, sock, address)):
                self._refuse(sock)
            elif address is not None and not self._server.has_room(address):
                sock.close()
            else:
                self._start_task(self._connect(sock, self._server.make_connection(address)))

    async def _connect(self, sock: socket.socket, connection: Connection) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: connection, sock)
        except BaseException:
            self._server.forget(connection)
            sock.close()
            raise

    def _refuse(self, sock: socket.socket) -> None:
        if self._strangers >= MAX_STRANGERS:
            sock.close()
            return
        self._strangers += 1
        self._start_task(self._answer_stranger(sock))

    async def _answer_stranger(self, sock: socket.socket) -> None:
        """Answer 403 after the first bytes. An earlier answer could be lost when the connection closes."""
        loop = asyncio.get_running_loop()
        try:
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                async with asyncio.timeout(_STRANGER):
                    if await loop.sock_recv(sock, _MAX_LINE):
                        await loop.sock_sendall(sock, _FORBIDDEN)
                        sock.shutdown(socket.SHUT_WR)
        finally:
            self._strangers -= 1
            sock.close()


def _is_forwarded(sock: socket.socket) -> bool:
    try:
        here, there = sock.getsockname(), sock.getpeername()
    except OSError:
        return True
    return peer.is_program_of_peer(here, there, _FORWARDERS)


def _is_welcome(sock: socket.socket, address: str | None) -> bool:
    """Return whether to accept a connection: from this user's processes, or from another machine if the proxy is open
    to it. A connection with an unknown owner counts as a stranger's."""
    try:
        here, there = sock.getsockname(), sock.getpeername()
    except OSError:
        return False
    if address is not None and not _is_this_machine(here, there):
        return True
    return peer.is_own_peer(here, there)


def _is_this_machine(here: tuple[Any, ...], there: tuple[Any, ...]) -> bool:
    """Return whether the other end has an address of this machine, that is, one that a socket can be bound to."""
    if here[0] == there[0]:
        return True
    family = socket.AF_INET6 if ":" in str(there[0]) else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((there[0], 0, *there[2:]))
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        return False
    return True
