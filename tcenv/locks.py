"""Locks between processes: a lock on a file ends with the process that holds it, however that ends."""

from __future__ import annotations

import errno
import os
import time

# How often another process's lock is tried again (seconds): no signal and no timer, since a program that uses tcenv as a library
# has its own.
_SHORTEST, _LONGEST = 0.005, 0.1


def open_lock(path: str) -> int:
    """Open the lock file `path`, made where it is missing; one on a file system that has become read-only can be locked as well.
    Raises OSError."""
    links = getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | links, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | links)


def acquire(descriptor: int, timeout: float) -> bool:
    """Wait for the lock on an open file; False where it is still held after `timeout` seconds."""
    end = time.monotonic() + timeout
    pause = _SHORTEST
    while not try_lock(descriptor):
        left = end - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST)
    return True


if os.name == "nt":

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; False where another process holds its lock."""
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

else:

    def try_lock(descriptor: int) -> bool:
        """Lock an open file; False where another process holds its lock."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
