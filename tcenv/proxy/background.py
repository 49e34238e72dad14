"""Run the proxy on its own thread beside the program that uses it. Hot path.

The thread imports what it needs while the program starts, so this module imports almost nothing."""

from __future__ import annotations

import gc
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tcenv.errors import Announce
    from tcenv.proxy.held_port import RunPort
    from tcenv.proxy.learn import LearnResult
    from tcenv.proxy.server import Service
    from tcenv.proxy.sockets import Sockets

# Seconds to wait for the thread.
_TIMEOUT = 10.0
# Arguments of gc.set_threshold: new objects before a collection, and collections before one of an older generation.
_GARBAGE_THRESHOLDS = (20_000, 20, 20)


class Background:
    """A proxy that answers between `start` and `stop`.

    Its thread calls `make_service` once, and calls `announce` with the reason if the proxy ends early. `held` holds the
    port if only the programs of one run use it."""

    def __init__(
        self,
        sockets: Sockets,
        make_service: Callable[[], Service],
        announce: Announce,
        held: RunPort | None = None,
    ) -> None:
        self._sockets = sockets
        self._held = held
        self._make_service = make_service
        self._announce = announce
        self._service: Service | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="proxy", daemon=True)

    @property
    def learn_result(self) -> LearnResult | None:
        """Return what the run has learned so far, or None if it does not learn."""
        return None if self._service is None else self._service.learn_result

    @property
    def session_end(self) -> int | None:
        """Return when the signing session ends (seconds since the epoch), or None if there is none at the moment."""
        session = None if self._service is None else self._service.session
        return None if session is None else session.expires

    def start(self) -> None:
        """Start to answer. Earlier calls wait in the sockets' queue."""
        self._thread.start()

    def stop(self, *, exiting: bool = False) -> None:
        """Stop the proxy, and return when it answers no more calls. With `exiting`, do not wait for a proxy that is
        still importing, since this process ends next."""
        if not self._thread.is_alive() and not self._ready.is_set():
            self._sockets.close()
            return
        if exiting and not self._ready.is_set():
            return
        self._ready.wait(_TIMEOUT)
        if self._loop is not None and self._service is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._service.stopping.set)
        self._thread.join(_TIMEOUT)

    def _work(self) -> None:
        try:
            if self._held is not None:
                self._held.begin()
            import asyncio

            asyncio.run(self._serve())
        except Exception as error:
            self._announce(f"The proxy has ended early ({type(error).__module__}.{type(error).__name__}).", None)
        finally:
            self._ready.set()
            self._sockets.close()

    async def _serve(self) -> None:
        import asyncio

        from tcenv.proxy import server  # noqa: F401 # before gc.freeze, which is for what has been imported
        from tcenv.proxy.connections import raise_descriptor_limit

        # Exclude the modules, which stay for good. Searching them for garbage takes up to a fifth of a call's time.
        gc.freeze()
        gc.set_threshold(*_GARBAGE_THRESHOLDS)
        raise_descriptor_limit()
        self._loop = asyncio.get_running_loop()
        self._service = self._make_service()
        await self._service.serve(self._ready.set)
