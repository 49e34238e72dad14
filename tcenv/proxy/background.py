"""The proxy beside the program that it serves: on a thread of its own, which imports what it needs while the program starts.
Nothing here is heavy, so that the program can be started first. Hot path."""

from __future__ import annotations

import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from tcenv.proxy.learn import Learned
    from tcenv.proxy.plan import Plan
    from tcenv.proxy.server import Service
    from tcenv.proxy.sockets import Sockets

_PATIENCE = 10.0
# New objects until the youngest are looked through, and how often until the older ones are.
_COLLECTED = (20_000, 20, 20)


class Background:
    """A proxy from `start` to `stop`. `plan` is called on its thread; `announce` is told why it ended early, if it did."""

    def __init__(self, sockets: Sockets, plan: Callable[[], Plan], announce: Callable[[str], None]) -> None:
        self._sockets = sockets
        self._plan = plan
        self._announce = announce
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

    def stop(self, *, hastily: bool = False) -> None:
        """Answer no more; returns when that is so. `hastily`: this process ends now, so a proxy that has not begun yet is not
        waited for."""
        if not self._thread.is_alive() and not self._ready.is_set():
            self._sockets.close()
            return
        if hastily and not self._ready.is_set():
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
            self._announce(f"The proxy has ended early ({type(error).__module__}.{type(error).__name__}).")
        finally:
            self._ready.set()
            self._sockets.close()

    async def _serve(self) -> None:
        import asyncio
        import gc

        from tcenv.proxy.server import Service

        # What has been imported stays: looking through it for garbage takes up to a fifth of a call's time.
        gc.freeze()
        gc.set_threshold(*_COLLECTED)
        self._loop = asyncio.get_running_loop()
        self._service = Service(self._plan())
        await self._service.serve(self._ready.set)
