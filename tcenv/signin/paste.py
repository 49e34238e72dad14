"""Read the answer from standard input, for a browser on another machine: the user pastes the address of its last page.

That address holds the token, so the terminal does not echo. An empty line asks for the next name. All other lines were typed
for the shell: it gets an unfinished one, and tcenv lists those that it has read."""

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

if os.name != "nt":
    import fcntl
    import termios

if TYPE_CHECKING:
    from collections.abc import Callable

    Source = tuple[int, Callable[[], Credentials | None]]

# Far more than the longest address with the longest clientId (characters).
_LONGEST = 16_384
# A line that holds one of these may hold a token.
_ADDRESS = re.compile(r"(?i)localhost|127\.0\.0\.1|\[::1\]|://|accessToken|clientId|[a-z0-9_-]{22}")


class StandardInput:
    """A context manager that keeps a terminal at standard input from echoing while the sign-in waits.

    At the end it reports which lines were typed and not run. If a browser was opened, it leaves an unfinished line to the shell,
    unless that is as long as an address, and discards the rest."""

    def __init__(self, listener: Listener, progress: Progress) -> None:
        self._listener = listener
        self._progress = progress
        self._descriptor = _find_descriptor()
        #: Whether an empty line asks for the next name.
        self.is_terminal = (
            self._descriptor is not None and os.isatty(self._descriptor) and _is_in_foreground(self._descriptor)
        )
        self._quiet_terminal: _QuietTerminal | None = None
        self._buffer = bytearray()
        self._is_overlong = self._has_ended = self._is_opened = False
        # The lines that are no address, in order.
        self._lines: list[str] = []
        self._on_enter: Callable[[], None] = lambda: None
        #: A descriptor to watch and the function to call when it can be read; None if nothing can be pasted.
        self.source: Source | None = None

    def __enter__(self) -> StandardInput:
        if self.is_terminal and self._descriptor is not None:
            self._quiet_terminal = _QuietTerminal.start(self._descriptor, self._progress.hide)
        return self

    def __exit__(self, *_: object) -> None:
        if self.is_terminal and self._descriptor is not None and _is_in_foreground(self._descriptor):
            self._read_rest(self._descriptor)
        if self._quiet_terminal is not None:
            longest = len(self._listener.callback_url.removeprefix("http://")) if self._is_opened else 0
            self._quiet_terminal.end(0 if self._lines else longest)
        if self._lines:
            self._progress.note_unused_lines(*_split_presentable(self._lines))

    def watch(self, *, opened: bool, insisted: bool, on_enter: Callable[[], None]) -> None:
        """Set `source` if standard input is a terminal with this process in its foreground, or if the user `insisted` on no
        browser and none was `opened`. Calls `on_enter` for an empty line from a terminal."""
        self._is_opened = opened
        self._on_enter = on_enter
        if self._descriptor is None:
            return
        # /dev/null, or a terminal that does not have this process in its foreground, brings no address.
        is_device = stat.S_ISCHR(os.fstat(self._descriptor).st_mode)
        if self.is_terminal or (insisted and not opened and not is_device):
            self.source = (self._descriptor, self._read)

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
                if self.is_terminal:
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
        """Take the next whole line out of the buffer, without its end. Returns None if there is none."""
        while b"\n" in self._buffer:
            line, _, rest = bytes(self._buffer).partition(b"\n")
            self._buffer[:] = rest
            if not self._is_overlong:
                return line
            self._is_overlong = False
        return None

    def _reject(self, line: bytes) -> None:
        """Keep a line that is not the address. Warns if no browser was opened or if the line looks like an address: people type
        ahead."""
        self._keep(line)
        if not self._is_opened or b"://" in line or b"localhost:" in line.lower() or b"accessToken" in line:
            self._progress.warn_of_wrong_paste()

    def _keep(self, line: bytes) -> None:
        if self.is_terminal and line.strip():
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
        # Ctrl-D ends a line without a line break.
        self._keep(bytes(self._buffer))


def _split_presentable(lines: list[str]) -> tuple[list[str], int]:
    """Return the lines that hold no part of an address, and the number of the others. After an address, a line without spaces
    may be the rest of it, because terminals break what is copied."""
    shown: list[str] = []
    follows_address = False
    for line in lines:
        if _ADDRESS.search(line):
            follows_address = True
        elif not follows_address or " " in line:
            shown.append(line)
    return shown, len(lines) - len(shown)


def _find_descriptor() -> int | None:
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _is_in_foreground(descriptor: int) -> bool:
    # Only a process in the foreground may read the terminal or change its settings: the system stops others.
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except (AttributeError, OSError):
        return False


class _QuietTerminal:
    """A terminal whose echo is off. Ctrl-C and Ctrl-Z work. After `fg` it turns the echo off again, since shells turn it on."""

    def __init__(self, descriptor: int, on_stop: Callable[[], None]) -> None:
        self._descriptor = descriptor
        self._on_stop = on_stop
        self._former = termios.tcgetattr(descriptor)
        self._quiet = termios.tcgetattr(descriptor)
        self._quiet[3] &= ~termios.ECHO
        self._handlers: dict[int, object] = {}

    @classmethod
    def start(cls, descriptor: int, on_stop: Callable[[], None]) -> _QuietTerminal | None:
        """Turn the echo off, and keep what has been typed. Returns None on a system without such terminals."""
        if os.name == "nt":
            return None
        try:
            terminal = cls(descriptor, on_stop)
        except termios.error:
            return None
        terminal._handle_signals()
        terminal._set(terminal._quiet, termios.TCSADRAIN)
        return terminal

    def end(self, limit: int) -> None:
        """Turn the echo on. Keeps unread input of less than `limit` characters."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)  # type: ignore[arg-type]
        keeps = limit > 0 and self._count_waiting() < limit
        self._set(self._former, termios.TCSADRAIN if keeps else termios.TCSAFLUSH)

    def _count_waiting(self) -> int:
        """Count the characters of the unfinished line. The terminal counts them only while it does not wait for whole lines."""
        without_lines = [*self._quiet]
        without_lines[3] &= ~termios.ICANON
        self._set(without_lines, termios.TCSADRAIN)
        count = array.array("i", [0])
        try:
            fcntl.ioctl(self._descriptor, termios.FIONREAD, count)
        except OSError:
            return 0
        return count[0]

    def _handle_signals(self) -> None:
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
        if _is_in_foreground(self._descriptor):
            try:
                termios.tcsetattr(self._descriptor, when, settings)  # type: ignore[arg-type]
            except termios.error:
                return
