"""Read the answer from standard input, for a browser on another machine: the user pastes the address that it ended on.

That address holds the token, so the terminal does not echo. An empty line asks for the next name. What else is typed
meanwhile was meant for the shell: it gets a line that was only begun, and the user is told which lines were read and not
run."""

from __future__ import annotations

import array
import os
import re
import select
import signal
import stat
import sys
from typing import TYPE_CHECKING

from tcenv.deployment.credentials import Credentials
from tcenv.portholder.callback_request import Refused
from tcenv.signin.listener import Listener
from tcenv.signin.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Source = tuple[int, Callable[[], Credentials | None]]

# Far more than the longest address with the longest clientId (characters).
_LONGEST = 16_384
# A line that holds one of these may hold a token.
_ADDRESS = re.compile(r"(?i)localhost|127\.0\.0\.1|\[::1\]|://|accessToken|clientId|[a-z0-9_-]{22}")


class StandardInput:
    """A context manager that keeps a terminal at standard input from echoing while the sign-in waits.

    At the end it tells the progress which lines were typed and not run. It leaves a line that was only begun to the shell
    where a browser was opened, unless that line is as long as an address; all else is discarded."""

    def __init__(self, listener: Listener, progress: Progress) -> None:
        self._listener = listener
        self._progress = progress
        self._descriptor = _find_descriptor()
        self._is_terminal = (
            self._descriptor is not None and os.isatty(self._descriptor) and _is_in_foreground(self._descriptor)
        )
        self._silence: _Silence | None = None
        self._buffer = bytearray()
        self._is_overlong = self._has_ended = self._is_opened = False
        # What was typed and is no address, in order.
        self._lines: list[str] = []
        self._on_enter: Callable[[], None] = lambda: None
        #: A descriptor to watch and the function to call when it can be read; None where nothing can be pasted.
        self.source: Source | None = None

    def __enter__(self) -> StandardInput:
        if self._is_terminal and self._descriptor is not None:
            self._silence = _Silence.start(self._descriptor, self._progress.hide)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal and self._descriptor is not None and _is_in_foreground(self._descriptor):
            self._read_rest(self._descriptor)
        if self._silence is not None:
            longest = len(self._listener.callback_url.removeprefix("http://")) if self._is_opened else 0
            self._silence.end(0 if self._lines else longest)
        if self._lines:
            self._progress.note_unused_lines(*_split_presentable(self._lines))

    def watch(self, *, opened: bool, insisted: bool, on_enter: Callable[[], None]) -> None:
        """Set `source` if standard input is a terminal with this process in its foreground, or if the user `insisted` on no
        browser and none was `opened`. `on_enter` is called for an empty line from a terminal."""
        self._is_opened = opened
        self._on_enter = on_enter
        if self._descriptor is None:
            return
        # A device brings no address: /dev/null, or a terminal of which this process is not in the foreground.
        brings_any = not stat.S_ISCHR(os.fstat(self._descriptor).st_mode)
        if self._is_terminal or (insisted and not opened and brings_any):
            self.source = (self._descriptor, self._read)

    @property
    def takes_enter(self) -> bool:
        """Whether an empty line asks for the next name."""
        return self._is_terminal

    def _read(self) -> Credentials | None:
        assert self._descriptor is not None
        try:
            data = b"" if self._has_ended else os.read(self._descriptor, 4096)
        except OSError:  # the terminal has gone
            data = b""
        if not data:
            self._has_ended = True
            self._listener.ignore(self._descriptor)
            return None
        self._buffer.extend(data)
        while (line := self._take_line()) is not None:
            if not line.strip():
                if self._is_terminal:
                    self._on_enter()
                continue
            try:
                return self._listener.parse_pasted(line.decode("ascii", "replace"))
            except Refused:
                self._reject(line)
        if len(self._buffer) > _LONGEST:
            if not self._is_overlong:
                self._reject(bytes(self._buffer))
            self._is_overlong = True
            self._buffer.clear()
        return None

    def _take_line(self) -> bytes | None:
        """Take the next whole line out of the buffer, without its end; None where there is none."""
        while b"\n" in self._buffer:
            line, _, rest = bytes(self._buffer).partition(b"\n")
            self._buffer[:] = rest
            if not self._is_overlong:
                return line
            self._is_overlong = False
        return None

    def _reject(self, line: bytes) -> None:
        """Keep a line that is not the address. After a browser was opened, report it only if it looks like one: people type
        ahead."""
        self._keep(line)
        if not self._is_opened or b"://" in line or b"localhost:" in line.lower() or b"accessToken" in line:
            self._progress.warn_of_wrong_paste()

    def _keep(self, line: bytes) -> None:
        if self._is_terminal and line.strip():
            self._lines.append(line.decode("utf-8", "replace").strip())

    def _read_rest(self, descriptor: int) -> None:
        """Read the whole lines that wait in the terminal: they were typed to this command."""
        while not self._has_ended and select.select([descriptor], [], [], 0)[0]:
            try:
                data = os.read(descriptor, 4096)
            except OSError:
                data = b""
            if not data:
                break
            self._buffer.extend(data)
        while (line := self._take_line()) is not None:
            self._keep(line)
        # The terminal has given up a line that Ctrl-D ended.
        self._keep(bytes(self._buffer))


def _split_presentable(lines: list[str]) -> tuple[list[str], int]:
    """Return the lines that hold no part of an address, and the number of the others. Behind an address, a line without
    blanks may be the rest of it: terminals break what is copied."""
    shown: list[str] = []
    is_behind = False
    for line in lines:
        if _ADDRESS.search(line):
            is_behind = True
        elif not is_behind or " " in line:
            shown.append(line)
    return shown, len(lines) - len(shown)


def _find_descriptor() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _is_in_foreground(descriptor: int) -> bool:
    # The system stops a background job that reads the terminal or changes its settings.
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (AttributeError, OSError):
        return False


class _Silence:
    """A terminal whose echo is off. Ctrl-C and Ctrl-Z work; after `fg` the echo is off again, though shells turn it on."""

    def __init__(self, descriptor: int, on_stop: Callable[[], None]) -> None:
        import termios

        self._descriptor = descriptor
        self._on_stop = on_stop
        self._former = termios.tcgetattr(descriptor)
        self._quiet = termios.tcgetattr(descriptor)
        self._quiet[3] &= ~termios.ECHO
        self._handlers: dict[int, object] = {}

    @classmethod
    def start(cls, descriptor: int, on_stop: Callable[[], None]) -> _Silence | None:
        """Turn the echo off, and leave what has been typed. None on a system without such terminals."""
        try:
            import termios
        except ImportError:
            return None
        try:
            silence = cls(descriptor, on_stop)
        except termios.error:
            return None
        silence._handle_signals()
        silence._set(silence._quiet, termios.TCSADRAIN)
        return silence

    def end(self, most: int) -> None:
        """Turn the echo on. Discards what waits unless that has less than `most` characters."""
        import termios

        for number, own in self._handlers.items():
            signal.signal(number, own if own is not None else signal.SIG_DFL)  # type: ignore[arg-type]
        keeps = most > 0 and self._count_waiting() < most
        self._set(self._former, termios.TCSADRAIN if keeps else termios.TCSAFLUSH)

    def _count_waiting(self) -> int:
        """Count the characters of a line that nobody has ended: the terminal tells them only where it reads no lines."""
        import fcntl
        import termios

        single = [*self._quiet]
        single[3] &= ~termios.ICANON
        self._set(single, termios.TCSADRAIN)
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._descriptor, termios.FIONREAD, count)
        except OSError:
            return 0
        return count[0]

    def _handle_signals(self) -> None:
        import termios

        def stop(number: int, frame: object) -> None:
            self._on_stop()
            # Not every shell turns the echo on when a job stops.
            self._set(self._former, termios.TCSADRAIN)
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTSTP)
            signal.signal(signal.SIGTSTP, stop)
            self._set(self._quiet, termios.TCSADRAIN)

        def go_on(number: int, frame: object) -> None:
            self._set(self._quiet, termios.TCSADRAIN)

        try:
            for number, handler in ((signal.SIGTSTP, stop), (signal.SIGCONT, go_on)):
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._handlers[number] = signal.signal(number, handler)
        except ValueError:  # not in the main thread
            return

    def _set(self, settings: list[object], when: int) -> None:
        import termios

        if _is_in_foreground(self._descriptor):
            try:
                termios.tcsetattr(self._descriptor, when, settings)  # type: ignore[arg-type]
            except termios.error:
                return
