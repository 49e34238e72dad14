"""The proxy's side towards programs: it answers on sockets that are already bound. Whose process a connection is, is asked of
the kernel once a connection, before the first byte is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_server import Server as WebServer

from tcenv import peer
from tcenv.proxy.forward import Forwarder, Rules
from tcenv.proxy.learn import Learned, Learner, References
from tcenv.proxy.plan import Plan
from tcenv.proxy.signer import Source
from tcenv.proxy.upstream import Deployment
from tcenv.text import duration

_FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
# Programs that bring connections from other machines (`ssh -R`, `ssh -L`).
_FORWARDERS = ("ssh", "sshd", "sshd-session", "dbclient", "dropbear", "autossh")
_IDLE = 75.0
# Seconds that somebody else's connection is given to ask something and be refused.
_STRANGERS = 2.0
# Of a request's head; the service itself takes no Authorization over 4,096 characters.
_LONGEST_LINE = 16384
# Seconds that running calls are given when the run ends.
_LAST_CALLS = 0.2
_BACKLOG = 512
# Seconds between two looks at the clock: a machine may have slept.
_LOOK_AT_THE_TIME = 30.0


class Connection(RequestHandler):
    """One connection, answered only if it is this user's (or came over the address that was opened to others)."""

    outside = False
    _let_in = False
    _forwarded: bool | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._let_in = self.outside or self._is_ours()
        if not self._let_in and self.transport is not None:
            # Somebody else's connections are not to be collected here.
            asyncio.get_running_loop().call_later(_STRANGERS, self.transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._let_in:
            super().data_received(data)
        elif self.transport is not None:
            self.transport.write(_FORBIDDEN)
            self.close()
            self.transport.close()

    def is_from_elsewhere(self) -> bool:
        """Whether the other end is on another machine, or forwards what comes from one."""
        if self.outside:
            return True
        if self._forwarded is None:
            made = self.transport.get_extra_info("socket") if self.transport is not None else None
            try:
                self._forwarded = made is None or peer.is_program_of_peer(
                    made.getsockname(), made.getpeername(), _FORWARDERS
                )
            except OSError:
                self._forwarded = True
        return self._forwarded

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
            protocol = request.protocol
            if not isinstance(protocol, Connection):
                raise TypeError("not a connection of ours")
            return await forwarder.answer(request, outside=outside, from_elsewhere=protocol.is_from_elsewhere)

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
        super().__init__(handle, request_factory=self._make_upper, handler_cancellation=True)
        self._outside = outside

    def __call__(self) -> RequestHandler:
        made = Connection(self, loop=self._loop, **self._arguments)  # type: ignore[arg-type]
        made.outside = self._outside
        return made

    def _make_upper(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        # Older parsers of aiohttp pass `post` on as it is, while its client sends POST.
        message = message._replace(method=message.method.upper())
        return web.BaseRequest(message, payload, protocol, writer, task, self._loop)


class Service:
    """The proxy on its event loop. `ready` is called once it answers; `stopping` ends it."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._source = Source(plan.store, plan.first, scopes=plan.scopes, until=plan.until)
        self.stopping = asyncio.Event()
        self.learned: Learned | None = None

    async def serve(self, ready: Callable[[], None]) -> None:
        """Answer until `stopping` is set."""
        plan = self._plan
        deployment = Deployment(self._source.root_url)
        learner = None
        if plan.learn is not None:
            learner = Learner(References(deployment), plan.learn)
            self.learned = learner.learned
        rules = Rules(plan.sockets.hosts, plan.sockets.port, plan.own, plan.read_only, plan.allow_credentials)
        forwarder = Forwarder(plan.run, rules, self._source, deployment, log=plan.log, learner=learner)
        loop = asyncio.get_running_loop()
        # What goes wrong with a connection is that connection's; the terminal is the program's.
        loop.set_exception_handler(lambda loop, context: None)
        servers = []
        watch = asyncio.create_task(self._watch_the_end())
        try:
            for made in (*plan.sockets.loopback, plan.sockets.outside):
                if made is not None:
                    server = _Server(forwarder, outside=made is plan.sockets.outside)
                    servers.append((server, await loop.create_server(server, sock=made, backlog=_BACKLOG)))
            ready()
            await self.stopping.wait()
        finally:
            watch.cancel()
            for _, listening in servers:
                listening.close()
            for server, _ in servers:
                await server.shutdown(_LAST_CALLS)
            await deployment.close()

    async def _watch_the_end(self) -> None:
        """Say that the session, or the run's own time, will end before it does, and when it has."""
        began, until = time.time(), self._plan.until
        said: set[tuple[str, float]] = set()
        while True:
            session, now = self._source.session, time.time()
            ends: list[tuple[str, float, float, str]] = []
            if session is not None:
                again = f" To renew it, in any shell: tcenv login {session.argument}"
                ends.append((f"The session of {session.profile}", session.renew, session.expires, again))
            if until is not None and (session is None or until < session.expires):
                ends = [("The time that this run was given", until - min(600.0, (until - began) / 10), until, "")]
            for what, soon, end, hint in ends:
                over = now >= end
                if now >= soon and (what, end if over else soon) not in said:
                    said.add((what, end if over else soon))
                    text = "is over: calls are answered with 401." if over else f"ends in {duration(end - now)}."
                    self._plan.announce(f"{what} {text}{hint}")
            moments = [moment - now for _, soon, end, _ in ends for moment in (soon, end) if moment > now]
            await asyncio.sleep(max(min([_LOOK_AT_THE_TIME, *moments]), 0.05))
            with contextlib.suppress(Exception):
                await self._source.current()
