"""Waits for what happens to the holder's descriptors, and calls what belongs to each."""

from __future__ import annotations

import select

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Loop:
    """The descriptors that are watched, with the handler of each."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._handlers: dict[int, Callable[[], None]] = {}

    def watch(self, descriptor: int, handler: Callable[[], None], events: int = select.POLLIN) -> None:
        """Call `handler` when something happens to `descriptor`."""
        self._handlers[descriptor] = handler
        self._poll.register(descriptor, events)

    def ignore(self, descriptor: int) -> None:
        """Stop watching `descriptor`, if it is watched."""
        if self._handlers.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)

    def wait(self, seconds: float | None) -> Iterator[Callable[[], None]]:
        """Wait until something happens, at most this long (None: without end), and yield the handlers to call. A handler may
        end the watch of another descriptor: that one's is not yielded then."""
        for descriptor, _ in self._poll.poll(None if seconds is None else seconds * 1000):
            handler = self._handlers.get(descriptor)
            if handler is not None:
                yield handler
