"""The signals that end a process, and how to hold them back. Hot path."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # without the enumerations of `signal`

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Handler = Callable[[int, object], object]

# What Python ignores: it reports a broken pipe and a file that grew too large as an error of the call. (With a handler for
# SIGPIPE, anybody who hangs up on a listener would end the run.)
IGNORED_BY_PYTHON = ("SIGPIPE", "SIGXFSZ")
# All others that end a process and can be caught, without those that report a fault of the program itself.
_ENDING = (
    *("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU"),
    *("SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGSTKFLT", "SIGTRAP", "SIGBREAK"),
)


def list_ending_signals() -> Iterator[int]:
    """Yield the numbers of the signals that end a process of this system."""
    for name in _ENDING:
        number = getattr(_signal, name, None)
        if number is not None:
            yield number
    if hasattr(_signal, "SIGRTMIN"):
        yield from range(_signal.SIGRTMIN, _signal.SIGRTMAX + 1)


def handle_ending(handler: Handler) -> dict[int, object]:
    """Call `handler` for each signal that would end the process, and return the handlers that this replaces.

    A signal that is ignored (by nohup) stays ignored. Call it in the main thread."""
    former: dict[int, object] = {}
    for number in list_ending_signals():
        found = _signal.getsignal(number)
        # None is a handler that Python did not install and could not put back.
        if found not in (None, _signal.SIG_IGN):
            former[number] = _signal.signal(number, handler)
    return former


def restore_ignored() -> None:
    """Give the signals that Python ignores their default action, before another program takes over this process."""
    for name in IGNORED_BY_PYTHON:
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_DFL)


def block_all() -> set[int] | None:
    """Block all signals in this thread. Returns those that were blocked before, or None if the system blocks none."""
    if not hasattr(_signal, "pthread_sigmask"):
        return None
    former: set[int] = _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
    return former


class HeldSignals:
    """A context in which no signal that can be caught ends or interrupts the process. Use it while the memory of the process
    holds the only copy of something.

    `with` yields the list of the signals that come. The first of them takes effect afterwards; empty the list, and none does.
    Outside of the main thread there is nothing to hold: Python runs handlers in the main thread alone."""

    def __enter__(self) -> list[int]:
        import threading

        self._received: list[int] = []
        main = threading.current_thread() is threading.main_thread()
        self._former = handle_ending(lambda number, frame: self._received.append(number)) if main else {}
        return self._received

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            _signal.signal(number, handler)
        if self._received:
            _signal.raise_signal(self._received[0])


class BlockedSignals:
    """A context in which this thread takes no signal. A thread that starts in it never takes one, so the main thread gets those
    of the process."""

    def __enter__(self) -> None:
        self._former = block_all()

    def __exit__(self, *_: object) -> None:
        if self._former is not None:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, self._former)
