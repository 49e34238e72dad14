"""Read the answer from standard input, for a browser on another machine: the user pastes the address that it ended on.

That address holds the token, so the terminal does not echo. An empty line asks for the next name."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.deployment.credentials import Credentials
from tcenv.portholder.callback_request import Refused
from tcenv.signin.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Far more than the longest address with the longest clientId (characters).
_LONGEST = 16_384


@dataclass(frozen=True)
class Watch:
    """A descriptor to watch and the function to call when it can be read; None where nothing can be pasted."""

    source: tuple[int, Callable[[], Credentials | None]] | None

    @property
    def possible(self) -> bool:
        return self.source is not None


@contextmanager
def watch(
    listener: Listener,
    *,
    opened: bool,
    insisted: bool,
    on_wrong: Callable[[], None],
    on_enter: Callable[[], None] = lambda: None,
) -> Iterator[Watch]:
    """Watch standard input if it is a terminal with this process in its foreground, or if the user `insisted` on no browser.

    Calls `on_wrong` for a line that is not the address, and `on_enter` for an empty line from a terminal. After a browser was
    `opened`, a wrong line counts only if it looks like an address: people type ahead."""
    descriptor = _descriptor()
    terminal = descriptor is not None and os.isatty(descriptor)
    if descriptor is None or not (_in_foreground(descriptor) if terminal else insisted and not opened):
        yield Watch(None)
        return
    buffer = bytearray()
    overlong = ended = False

    def wrong(line: bytes) -> None:
        if not opened or b"localhost:" in line or b"accessToken" in line:
            on_wrong()

    def read() -> Credentials | None:
        nonlocal ended, overlong
        try:
            data = b"" if ended else os.read(descriptor, 4096)
        except OSError:  # the terminal has gone
            data = b""
        if not data:
            ended = True
            listener.ignore(descriptor)
            return None
        buffer.extend(data)
        while b"\n" in buffer:
            line, _, rest = bytes(buffer).partition(b"\n")
            buffer[:] = rest
            if overlong:
                overlong = False
            elif line.strip():
                try:
                    return listener.pasted(line.decode("ascii", "replace"))
                except Refused:
                    wrong(line)
            elif terminal:
                on_enter()
        if len(buffer) > _LONGEST:
            if not overlong:
                wrong(bytes(buffer))
            overlong = True
            buffer.clear()
        return None

    with _silent(descriptor) if terminal else nullcontext():
        yield Watch((descriptor, read))


def _descriptor() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _in_foreground(descriptor: int) -> bool:
    # The system stops a background job that reads the terminal or changes its settings.
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (AttributeError, OSError):
        return False


@contextmanager
def _silent(descriptor: int) -> Iterator[None]:
    """Turn the terminal's echo off. Ctrl-C and Ctrl-Z work; after `fg` it is off again, though shells turn it on."""
    try:
        import termios
    except ImportError:
        yield
        return
    former = termios.tcgetattr(descriptor)
    quiet = termios.tcgetattr(descriptor)
    quiet[3] &= ~termios.ECHO

    def put(settings: list[object], when: int) -> None:
        if _in_foreground(descriptor):
            try:
                termios.tcsetattr(descriptor, when, settings)  # type: ignore[arg-type]
            except termios.error:
                return

    def stop(number: int, frame: object) -> None:
        # Not every shell turns the echo on when a job stops.
        put(former, termios.TCSADRAIN)
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, stop)
        put(quiet, termios.TCSAFLUSH)

    def go_on(number: int, frame: object) -> None:
        put(quiet, termios.TCSAFLUSH)

    handlers = {}
    try:
        for number, handler in ((signal.SIGTSTP, stop), (signal.SIGCONT, go_on)):
            if signal.getsignal(number) != signal.SIG_IGN:
                handlers[number] = signal.signal(number, handler)
    except ValueError:  # not in the main thread
        handlers = {}
    put(quiet, termios.TCSAFLUSH)
    try:
        yield
    finally:
        for number, own in handlers.items():
            signal.signal(number, own if own is not None else signal.SIG_DFL)
        # Discards the rest of a pasted address, which the shell would read.
        put(former, termios.TCSAFLUSH)
