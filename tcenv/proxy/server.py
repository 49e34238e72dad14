"""The proxy as a running thing: a thread with an event loop that answers on sockets which are already bound. Whose process a
connection is, is asked of the kernel once a connection, before the first byte is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server as WebServer

from tcenv import peer
from tcenv.proxy.callers import Run
from tcenv.proxy.calllog import CallLog
from tcenv.proxy.deployment import Deployment
from tcenv.proxy.forward import Forwarder, Rules
from tcenv.proxy.learn import Learned, Learner
from tcenv.proxy.references import References
from tcenv.proxy.refused import OwnClient
from tcenv.proxy.sockets import Sockets
from tcenv.proxy.source import Source
from tcenv.text import duration

_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_IDLE = 75.0
# Of a request's head; the service itself takes no Authorization over 4,096 characters.
_LONGEST_LINE = 16384
# Seconds that running calls are given when the run ends.
_LAST_CALLS = 0.2
# Seconds between two looks at the clock: a machine may have slept.
_LOOK_AT_THE_TIME = 30.0


class Connection(RequestHandler):
    """One connection, answered only if it is this user's (or came over the address that was opened to others)."""

    outside = False
    _let_in: bool | None = None

    def data_received(self, data: bytes) -> None:
        if self._let_in is None:
            self._let_in = self.outside or self._is_ours()
            if not self._let_in and self.transport is not None:
                self.transport.write(_FORBIDDEN)
                self.close()
                self.transport.close()
        if self._let_in:
            super().data_received(data)

    def _is_ours(self) -> bool:
        made = self.transport.get_extra_info("socket") if self.transport is not None else None
        try:
            return made is not None and peer.is_own_peer(made.getsockname(), made.getpeername())
        except OSError:
            return False

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no HTTP gets no words back: they would repeat what was sent."""
        self.keep_alive(False)
        response = web.Response(status=status)
        response.force_close()
        return response


class _Server(WebServer):
    def __init__(self, forwarder: Forwarder, *, outside: bool) -> None:
        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            return await forwarder.answer(request, outside=outside)

        silent = logging.getLogger("tcenv.proxy")
        silent.disabled = True
        self._arguments = {
            "keepalive_timeout": _IDLE,
            "auto_decompress": False,
            "access_log": None,
            "logger": silent,
            "max_line_size": _LONGEST_LINE,
            "max_field_size": _LONGEST_LINE,
        }
        super().__init__(handle, handler_cancellation=True)
        self._outside = outside

    def __call__(self) -> RequestHandler:
        made = Connection(self, loop=self._loop, **self._arguments)  # type: ignore[arg-type]
        made.outside = self._outside
        return made


class Proxy:
    """One run's proxy, from `start` to `stop`."""

    def __init__(
        self,
        sockets: Sockets,
        run: Run,
        source: Source,
        *,
        own: OwnClient,
        read_only: bool = False,
        allow_credentials: bool = False,
        log: CallLog | None = None,
        learn: tuple[str, ...] | None = None,
        announce: Callable[[str], None] = lambda text: None,
    ) -> None:
        """`learn` is what a run that learns begins with, None for one that does not; `announce` is told what the user should
        know, from the proxy's own thread."""
        self._sockets = sockets
        self._run = run
        self._source = source
        self._rules = Rules(sockets.hosts, sockets.port, own, read_only, allow_credentials)
        self._log = log
        self._learn = learn
        self._announce = announce
        self._learner: Learner | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run_thread, name="proxy", daemon=True)

    @property
    def learned(self) -> Learned | None:
        """What the run has taught so far, None where it does not learn."""
        return None if self._learner is None else self._learner.learned

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; returns when that is so."""
        self._ready.wait(10)
        if self._loop is not None and self._stopping is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(10)

    def _run_thread(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:
            self._announce(f"The proxy has ended early ({type(error).__name__}).")
        finally:
            self._ready.set()
            self._sockets.close()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        deployment = Deployment(self._source.root_url)
        if self._learn is not None:
            self._learner = Learner(References(deployment), self._learn)
        forwarder = Forwarder(self._run, self._rules, self._source, deployment, log=self._log, learner=self._learner)
        servers = []
        watch = asyncio.create_task(self._watch_the_end())
        try:
            for made in (*self._sockets.loopback, self._sockets.outside):
                if made is None:
                    continue
                web_server = _Server(forwarder, outside=made is self._sockets.outside)
                made.setblocking(False)
                servers.append((web_server, await self._loop.create_server(web_server, sock=made, backlog=512)))
            self._ready.set()
            await self._stopping.wait()
        finally:
            watch.cancel()
            for _, listening in servers:
                listening.close()
            for web_server, _ in servers:
                await web_server.shutdown(_LAST_CALLS)
            await deployment.close()

    async def _watch_the_end(self) -> None:
        """Say that the session will end before it does, and when it has."""
        said: set[tuple[int, str]] = set()
        while True:
            session, now, wait = self._source.session, time.time(), _LOOK_AT_THE_TIME
            if session is not None:
                text = ""
                if session.expires <= now:
                    text = (
                        f"The session of {session.profile} has expired: calls through the proxy are answered with 401."
                    )
                elif session.renew <= now:
                    text = f"The session of {session.profile} ends in {duration(session.expires - now)}."
                # Once each: the words differ by the time that is left.
                key = (session.expires, text.partition(" ends ")[0])
                if text and key not in said:
                    said.add(key)
                    self._announce(f"{text} To renew it, in any shell: tcenv login {session.profile}")
                wait = min(wait, *(moment - now for moment in (session.renew, session.expires) if moment > now), wait)
            await asyncio.sleep(max(wait, 0.05))
            with contextlib.suppress(Exception):
                await self._source.current()
