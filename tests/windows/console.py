"""The console that the tests share with the programs that they start."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ctrl_c() -> Iterator[None]:
    """Press Ctrl-C for every process of the console; this one takes no notice."""
    former = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        assert ctypes.windll.kernel32.GenerateConsoleCtrlEvent(0, 0)  # type: ignore[attr-defined,unused-ignore]
        yield
    finally:
        signal.signal(signal.SIGINT, former)
