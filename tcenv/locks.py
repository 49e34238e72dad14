"""Lock files between processes. The system releases a lock when its process ends, in any way."""

from __future__ import annotations

import errno
import os
import time

# Seconds between two attempts at another process's lock. Attempts need no timer and no signal, which a program that uses tcenv
# as a library may need for itself.
_SHORTEST, _LONGEST = 0.005, 0.1


def open_lock(path: str) -> int:
    """Open the lock file `path`, or create it. A file on a read-only file system can be locked too. Raises OSError."""
    links = getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | links, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | links)


def acquire(descriptor: int, timeout: float) -> bool:
    """Wait for the lock on an open file. Returns False if another process still holds it after `timeout` seconds."""
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
        """Lock an open file. Returns False if another process holds the lock."""
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

else:

    def try_lock(descriptor: int) -> bool:
        """Lock an open file. Returns False if another process holds the lock."""
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
