"""Lock a profile, so that only one process at a time signs in to it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tcenv import locks, paths
from tcenv.errors import StoreError, TimedOut
from tcenv.files import make_private_directory
from tcenv.sessions.profile_names import get_file_name


def get_lock_directory() -> str:
    """Return the directory of the locks and of sign-in notes: that of the runtime store, else one in the state
    directory."""
    try:
        runtime = paths.runtime_directory()
        if runtime is not None:
            make_private_directory(runtime)
            return runtime
    except (paths.Unsafe, OSError, StoreError):
        pass  # the store reports the error if it is the one in use
    return os.path.join(paths.state_directory(), "locks")


@contextmanager
def hold_sign_in_lock(profile: str, timeout: float, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Hold the sign-in lock of `profile`. Yields whether this process had to wait for it.

    The lock ends with its process, however that ends, so that the next process can take it. Calls `on_wait` once if
    another process holds the lock. Raises TimedOut after `timeout` seconds."""
    directory = get_lock_directory()
    path = os.path.join(directory, f"{get_file_name(profile)}.lock")
    try:
        make_private_directory(directory)
        descriptor = locks.open_lock(path)
    except OSError as error:
        unwritable = error.errno in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.ENOENT)
        if isinstance(error, paths.Foreign) or (unwritable and not os.path.lexists(path)):
            # No directory can be written. Go on without a lock: two browsers are better than no sign-in.
            yield False
            return
        raise StoreError(f"The lock {path} cannot be taken: {error.strerror}.", "Move it away.") from None
    try:
        waited = not locks.try_lock(descriptor)
        if waited:
            on_wait()
            if not locks.acquire(descriptor, timeout):
                raise TimedOut(
                    "Another tcenv is still waiting for the browser, and this one has reached its time limit."
                )
        yield waited
    finally:
        os.close(descriptor)


def is_held(profile: str) -> bool:
    """Return whether a process is signing in to `profile` now, or resetting its token."""
    path = os.path.join(get_lock_directory(), f"{get_file_name(profile)}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return not locks.try_lock(descriptor)
    finally:
        os.close(descriptor)
