"""Taking the answer from the keyboard: on a machine that the browser is not on, the user pastes the address that the browser
ended on. It holds the token, so the terminal does not show what is typed meanwhile."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from tcenv.deployment.credentials import Credentials
from tcenv.signin.listener import Listener
from tcenv.signin.reading import Refused
from tcenv.values import dataclass


@dataclass(frozen=True)
class Watch:
    """A descriptor to watch for a pasted address and what to call when it can be read; None where nothing can be pasted."""

    source: tuple[int, Callable[[], Credentials | None]] | None

    @property
    def possible(self) -> bool:
        return self.source is not None


@contextmanager
def watching(listener: Listener, *, opened: bool, insisted: bool, on_wrong: Callable[[], None]) -> Iterator[Watch]:
    """Watch standard input if no browser was `opened`: a terminal, or whatever it is if the user `insisted` on no browser.

    `on_wrong` is called for a line that is not the address."""
    descriptor = _descriptor()
    if opened or descriptor is None:
        yield Watch(None)
        return
    terminal = os.isatty(descriptor)
    if not (terminal and _in_foreground(descriptor)) and not (insisted and not terminal):
        yield Watch(None)
        return
    buffer = bytearray()
    ended = False

    def read() -> Credentials | None:
        nonlocal ended
        data = b"" if ended else os.read(descriptor, 4096)
        if not data:
            ended = True
            listener.ignore(descriptor)
            return None
        buffer.extend(data)
        while b"\n" in buffer:
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            if line.strip():
                try:
                    return listener.pasted(line.decode("ascii", "replace"))
                except Refused:
                    on_wrong()
        return None

    with _silent(descriptor) if terminal else nullcontext():
        yield Watch((descriptor, read))


def _descriptor() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _in_foreground(descriptor: int) -> bool:
    # A background job that reads the terminal, or changes its settings, is stopped.
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (AttributeError, OSError):
        return False


@contextmanager
def _silent(descriptor: int) -> Iterator[None]:
    """The terminal without echo; Ctrl-C works."""
    try:
        import termios
    except ImportError:
        yield
        return
    former = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, former)
