"""The proxy beside the program that it serves: on a thread of its own, which imports what it needs while the program starts.
Nothing here is heavy, so that the program can be started first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.proxy.refused import OwnClient
from tcenv.proxy.run import Run
from tcenv.proxy.sockets import Sockets

if TYPE_CHECKING:
    import asyncio

    from tcenv.proxy.calllog import CallLog
    from tcenv.proxy.learn import Learned
    from tcenv.proxy.server import Service
    from tcenv.sessions.session import Session
    from tcenv.sessions.stores import Store

_PATIENCE = 10.0


@dataclass(frozen=True)
class Plan:
    """All that a proxy needs to know. `scopes` is what the run is narrowed to (None: to nothing), `until` when it ends before
    the session does (seconds since the epoch), `learn` what a run that learns begins with (None: it does not); `announce` is
    told what the user should know, from the proxy's own thread."""

    sockets: Sockets
    run: Run
    store: Store
    first: Session
    own: OwnClient
    announce: Callable[[str], None]
    scopes: tuple[str, ...] | None = None
    until: float | None = None
    read_only: bool = False
    allow_credentials: bool = False
    log: CallLog | None = None
    learn: tuple[str, ...] | None = None


class Background:
    """A proxy from `start` to `stop`."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)

    @property
    def learned(self) -> Learned | None:
        """What the run has taught so far, None where it does not learn."""
        return None if self._service is None else self._service.learned

    def start(self) -> None:
        """Answer from now on; what has been asked already is answered first."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more; returns when that is so."""
        if not self._thread.is_alive() and not self._ready.is_set():
            self._plan.sockets.close()
            return
        self._ready.wait(_PATIENCE)
        if self._loop is not None and self._service is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._service.stopping.set)
        self._thread.join(_PATIENCE)

    def _work(self) -> None:
        try:
            import asyncio

            asyncio.run(self._serve())
        except Exception as error:
            self._plan.announce(f"The proxy has ended early ({type(error).__module__}.{type(error).__name__}).")
        finally:
            self._ready.set()
            self._plan.sockets.close()

    async def _serve(self) -> None:
        import asyncio

        from tcenv.proxy.server import Service

        self._loop = asyncio.get_running_loop()
        self._service = Service(self._plan)
        await self._service.serve(self._ready.set)
