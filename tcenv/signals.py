"""Holding back what would end the process, for the moments in which the only copy of something is in its memory."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU", "SIGPIPE", "SIGBREAK")


@contextmanager
def held_back() -> Iterator[list[int]]:
    """No signal that can be caught ends or interrupts what runs inside; the first that came takes effect afterwards.

    Yields those that came: emptying the list means that none takes effect. Python handles signals in the main thread alone,
    so that in any other there is nothing to hold back."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return
    former = {}
    try:
        for name in _ENDING:
            number = getattr(signal, name, None)
            # None is a handler that was not made by Python, and cannot be put back.
            if number is not None and signal.getsignal(number) not in (None, signal.SIG_IGN):
                former[number] = signal.signal(number, lambda number, frame: came.append(number))
        yield came
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])
