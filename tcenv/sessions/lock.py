"""The lock that makes signing in a matter of one process at a time."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tcenv import paths
from tcenv.errors import StoreError, TcenvError, TimedOut
from tcenv.files import make_private_directory


def lock_directory() -> str:
    """Where the locks are, and what is noted of sign-ins: the runtime store's place, else in the state directory."""
    try:
        runtime = paths.runtime_directory()
        if runtime is not None:
            make_private_directory(runtime)
            return runtime
    except (paths.Unsafe, OSError, StoreError):
        pass  # the store says so, where it is the one in use
    return os.path.join(paths.state_directory(), "locks")


@contextmanager
def sign_in_lock(profile: str, timeout: float, on_wait: Callable[[], None]) -> Iterator[bool]:
    """Hold the one place in which `profile` is signed in to; yields whether it had to be waited for.

    The lock ends with the process, however that ends, so that the next in line takes over. `on_wait` is called once if
    another process holds it. Raises TimedOut after `timeout` seconds."""
    directory = lock_directory()
    path = os.path.join(directory, f"{profile}.lock")
    try:
        make_private_directory(directory)
        descriptor = _opened(path)
    except OSError as error:
        if error.errno in (errno.EROFS, errno.EACCES, errno.ENOSPC, errno.ENOENT) and not os.path.lexists(path):
            # Nothing can be written anywhere: better two browsers than none.
            yield False
            return
        raise StoreError(
            f"The lock {path} cannot be taken: {error.strerror}.", "Look at what it is, and move it away."
        ) from None
    try:
        waited = not _try_lock(descriptor)
        if waited:
            on_wait()
            _wait_for_lock(descriptor, timeout)
        yield waited
    finally:
        os.close(descriptor)


def _opened(path: str) -> int:
    """The lock's file; one on a file system that has become read-only can be locked as well."""
    links = getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | links, 0o600)
    except OSError as error:
        if error.errno != errno.EROFS:
            raise
        return os.open(path, os.O_RDONLY | links)


def is_held(profile: str) -> bool:
    """Whether somebody is signing in to `profile`, or resetting its token, at this moment."""
    path = os.path.join(lock_directory(), f"{profile}.lock")
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return not _try_lock(descriptor)
    finally:
        os.close(descriptor)


if os.name == "nt":

    def _try_lock(descriptor: int) -> bool:
        import msvcrt

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _wait_for_lock(descriptor: int, timeout: float) -> None:
        end = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() > end:
                raise _nobody_approved()
            time.sleep(0.2)

else:

    def _try_lock(descriptor: int) -> bool:
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _wait_for_lock(descriptor: int, timeout: float) -> None:
        # Blocking in the kernel costs nothing however many wait; the alarm bounds it.
        import fcntl
        import signal

        def ring(number: int, frame: object) -> None:
            raise _nobody_approved()

        former = signal.signal(signal.SIGALRM, ring)
        signal.setitimer(signal.ITIMER_REAL, timeout)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, former)


def _nobody_approved() -> TcenvError:
    return TimedOut("Another tcenv has been waiting for the browser, and this one has waited long enough for it.")
