"""Connect the parts of the proxy, and run them on an event loop until the run ends."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

from tcenv.errors import Hint, make_login_command
from tcenv.proxy.connections import Connection, Listener
from tcenv.proxy.credential_calls import OwnClient
from tcenv.proxy.forward import Forwarder
from tcenv.proxy.learn import Learner, LearnResult, References
from tcenv.proxy.rejections import Rejections
from tcenv.proxy.rules import Rules
from tcenv.proxy.signer import Signer
from tcenv.proxy.upstream import Deployment
from tcenv.text import format_duration

if TYPE_CHECKING:
    from tcenv.errors import Announce
    from tcenv.proxy.call_log import CallLog
    from tcenv.proxy.child_environment import Run
    from tcenv.proxy.probe import Probe
    from tcenv.proxy.sockets import Sockets
    from tcenv.sessions.session import Session
    from tcenv.sessions.stores import Store

# How long running calls may go on when the run ends, in seconds.
_LAST_CALLS = 0.2
# Seconds between two checks of the time. Needed because a machine may sleep.
_CLOCK_INTERVAL = 30.0


@dataclass
class Service:
    """The proxy of one run. Create and use it on the event loop; set `stopping` to end it.

    `initial_session` is the session at the start of the run, `scopes` are those to which the run is narrowed (None: not
    narrowed), `until` is the run's own end (seconds since the epoch), and `starting_scopes` are the scopes with which a learning
    run starts (None: it does not learn). `refuse_secrets` refuses calls that return secrets or private artifacts. `probe` is
    a request that shows that a port leads to this proxy. `announce` gets messages for the user."""

    sockets: Sockets
    run: Run
    store: Store
    initial_session: Session
    announce: Announce
    scopes: tuple[str, ...] | None = None
    until: float | None = None
    read_only: bool = False
    allow_credentials: bool = False
    refuse_secrets: bool = False
    log: CallLog | None = None
    starting_scopes: tuple[str, ...] | None = None
    probe: Probe | None = None
    clock: Callable[[], float] = field(default=time.time, repr=False)
    learn_result: LearnResult | None = field(default=None, init=False)
    stopping: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def __post_init__(self) -> None:
        self._signer = Signer(self.store, self.initial_session, scopes=self.scopes, until=self.until, clock=self.clock)

    @property
    def session(self) -> Session | None:
        """The session that signs, as it was last read."""
        return self._signer.session

    async def serve(self, ready: Callable[[], None]) -> None:
        """Answer until `stopping` is set. Call `ready` once the proxy answers calls."""
        deployment = Deployment(self._signer.root_url)
        learner = None
        if self.starting_scopes is not None:
            learner = Learner(References(deployment), self.starting_scopes)
            self.learn_result = learner.result
        own = OwnClient.from_ids(self.run.client_id)
        rules = Rules(
            self.sockets.hosts,
            self.sockets.program_port,
            own,
            self.read_only,
            self.allow_credentials,
            self.refuse_secrets,
        )
        rejections = Rejections(self.initial_session.argument, self._signer.root_url, self.announce)
        forwarder = Forwarder(
            self.run, rules, self._signer, deployment, log=self.log, learner=learner, rejections=rejections
        )

        async def answer(request: web.BaseRequest, connection: Connection) -> web.StreamResponse:
            if self.probe is not None and request.raw_path == self.probe.path:
                self.probe.seen.set()
                return web.Response(status=401)
            outside = connection.outside or self.sockets.far_port is not None
            return await forwarder.answer(request, outside=outside, from_elsewhere=connection.is_from_elsewhere)

        # An error of one connection must not write to the program's terminal.
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        listener = Listener(self.sockets, answer)
        watch = asyncio.create_task(self._announce_end())
        try:
            listener.start()
            ready()
            await self.stopping.wait()
        finally:
            watch.cancel()
            await listener.stop(_LAST_CALLS)
            await deployment.close()

    async def _announce_end(self) -> None:
        """Announce when the session or the run's own time is about to end, and when it has ended."""
        began = self.clock()
        announced: set[tuple[str, float]] = set()
        while True:
            now = self.clock()
            ends = self._find_end(began)
            if ends is not None:
                name, soon, end, hint = ends
                has_expired = now >= end
                moment = end if has_expired else soon
                if now >= moment and (name, moment) not in announced:
                    announced.add((name, moment))
                    text = f"expires in {format_duration(end - now)}."
                    if has_expired:
                        text = "has expired: the proxy answers calls with 401."
                    self.announce(f"{name} {text}", hint)
            moments = [moment - now for moment in (ends[1:3] if ends else ()) if moment > now]
            await asyncio.sleep(max(min([_CLOCK_INTERVAL, *moments]), 0.05))
            with contextlib.suppress(Exception):
                await self._signer.get_authority()

    def _find_end(self, began: float) -> tuple[str, float, float, Hint | None] | None:
        """Return the name of the session or the run, whichever ends first, when to announce its end, the end, and a hint.
        Returns None if there is no session."""
        session, until = self._signer.session, self.until
        if until is not None and (session is None or until < session.expires):
            return "This run", until - min(600.0, (until - began) / 10), until, None
        if session is None:
            return None
        hint = Hint("To renew it, in any shell:", make_login_command(session.argument))
        return f"The session of {session.profile}", session.renew, session.expires, hint
