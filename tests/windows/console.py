"""Use the console that the tests share with their programs."""

from __future__ import annotations

import ctypes
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def press_ctrl_c() -> Iterator[None]:
    """Press Ctrl-C for every process of the console except this one."""
    former = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        assert ctypes.windll.kernel32.GenerateConsoleCtrlEvent(0, 0)  # type: ignore[attr-defined,unused-ignore]
        yield
    finally:
        signal.signal(signal.SIGINT, former)
