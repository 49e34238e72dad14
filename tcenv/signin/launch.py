"""Start a browser's program, in a session of its own and as no child of this process.

Uses posix_spawn and no fork: other threads import meanwhile, and a forked interpreter would wait for their locks for ever."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import functools
import os
import select
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv import core_dumps
from tcenv.shells.secrets_in_environment import drop_secrets
from tcenv.signals import IGNORED_BY_PYTHON

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

# A shell starts the program and ends at once, so that a command which `exec` becomes gets no child that it does not know. Another
# one waits for the program, and writes its status to descriptor 3.
_START = '( "$@" 3>&- & wait "$!"; printf %s "$?" >&3 ) &'
_RELEASE = 'read -r line; kill -CONT "-$1"'
# Descriptors from this number on do not collide with those in these lines.
_HIGH = 10


class Program:
    """A program that has been started. Ctrl-C in the terminal does not reach it, a closing terminal does not close it, and it has
    none of this process's streams and descriptors."""

    def __init__(self, group: int, status: int) -> None:
        self._group = group
        self._status = status

    @classmethod
    def start(cls, arguments: Sequence[str]) -> Program:
        """Start a program. One that does not exist ends with an error."""
        import fcntl

        status, low = os.pipe()
        tell = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        os.close(low)
        streams = [(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in range(3)]
        try:
            shell = _spawn(
                ["sh", "-c", _START, "sh", *arguments], [*streams, *_list_closed(), (os.POSIX_SPAWN_DUP2, tell, 3)]
            )
        finally:
            os.close(tell)
        os.waitpid(shell, 0)
        return cls(shell, status)

    def wait(self, seconds: float) -> int | None:
        """Wait for the program's end. Returns its exit status, None if it still runs after these seconds."""
        if not select.select([self._status], [], [], seconds)[0]:
            return None
        return int(os.read(self._status, 8) or b"1")

    def pause(self) -> tuple[int, int]:
        """Pause the program. Returns a process and a descriptor. When the descriptor is closed, also by the end of this process,
        the program goes on and the process ends."""
        wait, release = os.pipe()
        try:
            with suppress(ProcessLookupError):
                os.killpg(self._group, _signal.SIGSTOP)
            actions = [(os.POSIX_SPAWN_DUP2, wait, 0), *_list_closed()]
            return _spawn(["sh", "-c", _RELEASE, "sh", str(self._group)], actions), release
        finally:
            os.close(wait)

    def close(self) -> None:
        """Forget the program, which goes on."""
        os.close(self._status)


def _spawn(arguments: list[str], actions: list[Any]) -> int:
    """Start /bin/sh as the leader of a session, or of a process group if the system offers no more."""
    defaults = [getattr(_signal, name) for name in IGNORED_BY_PYTHON if hasattr(_signal, name)]
    spawn = functools.partial(
        os.posix_spawn, "/bin/sh", arguments, drop_secrets(os.environ), file_actions=actions, setsigdef=defaults
    )
    with core_dumps.OriginalLimit():
        try:
            return spawn(setsid=True)
        except NotImplementedError:
            return spawn(setpgroup=0)


def _list_closed() -> list[tuple[int, int]]:
    """Return the actions that close all descriptors that a program would inherit, except for the streams."""
    actions = []
    for name in os.listdir("/dev/fd"):
        try:
            if int(name) > 2 and os.get_inheritable(int(name)):
                actions.append((os.POSIX_SPAWN_CLOSE, int(name)))
        except OSError:  # the one that listed them
            continue
    return actions
