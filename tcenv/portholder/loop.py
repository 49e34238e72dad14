"""Wait for events on the holder's descriptors, and yield the handlers to call."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Loop:
    """The watched descriptors and their handlers."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        """Call `handler` on each event of `descriptor`."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def ignore(self, descriptor: int) -> None:
        """Stop watching `descriptor`. Does nothing if it is not watched."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def wait(self, seconds: float | None) -> Iterator[Callable[[], None]]:
        """Wait for an event, at most `seconds` (None: forever), and yield the handlers to call. Skips a descriptor that
        an earlier handler has stopped watching."""
        for descriptor, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                yield handler
