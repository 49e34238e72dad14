"""Files of the user's own: written whole or not at all, readable by nobody else."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from tcenv import paths
from tcenv.errors import StoreError

_STALE = 60.0


def make_private_directory(path: str) -> None:
    """Make `path` (0700, parents as needed) or see that it is private. Raises StoreError with the reason, OSError."""
    try:
        if not paths.check_directory(path):
            _make(path)
            paths.check_directory(path)
    except paths.Unsafe as unsafe:
        raise StoreError(
            f"tcenv does not use this directory: {unsafe}.",
            "Look at who made it; move it away, or make it yours alone: chmod 700.",
        ) from None


def _make(path: str) -> None:
    """The directory `path` and what is missing above it, closed to others."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for each in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(each, 0o700)


def note(path: str, data: bytes) -> None:
    """Write a file of notes, which hold no secret, in the state directory; former versions made that one open to others. Raises
    StoreError, OSError."""
    state = paths.state_directory()
    with suppress(OSError):
        if os.lstat(state).st_mode & 0o077:
            os.chmod(state, 0o700)
    write_privately(path, data)


def write_privately(path: str, data: bytes, *, keep_mode: bool = False, durable: bool = False) -> None:
    """Replace `path` by `data`: at every moment others see the old content or the new, whole. Mode 0600.

    `keep_mode` is for files that hold no secret and that the user may have linked or opened to others; a symbolic link
    there is followed. `durable` waits until it is on the disk, for what a power cut must not take. Raises StoreError, OSError."""
    if keep_mode:
        path = os.path.realpath(path)
        _make(os.path.dirname(path))
    else:
        make_private_directory(os.path.dirname(path))
    directory, name = os.path.split(path)
    # A directory of the user's own may hold other programs' files.
    sweep(directory, f".{name}." if keep_mode else ".")
    try:
        _replace(path, data, keep_mode=keep_mode, durable=durable)
    except FileNotFoundError:
        # On a home that machines share, another one may have taken our half for a dead writer's.
        _replace(path, data, keep_mode=keep_mode, durable=durable)


def _replace(path: str, data: bytes, *, keep_mode: bool, durable: bool) -> None:
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.tmp")
    with suppress(FileNotFoundError):
        os.unlink(temporary)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if keep_mode:
            with suppress(FileNotFoundError):
                os.chmod(temporary, os.stat(path).st_mode & 0o777)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def sweep(directory: str, beginning: str = ".") -> None:
    """Remove what writers that were killed have left in `directory` under names with this `beginning`: tokens may be in it. A
    writer at work is alive (or, where that cannot be told, young)."""
    with suppress(OSError):
        for entry in os.scandir(directory):
            if entry.name.startswith(beginning) and entry.name.endswith(".tmp"):
                writer = entry.name.split(".")[-2]
                with suppress(OSError):
                    if writer.isdecimal() and not _is_at_work(int(writer), entry):
                        os.unlink(entry.path)


def _is_at_work(process: int, entry: os.DirEntry[str]) -> bool:
    if os.name == "nt":
        # There, signal 0 would end it.
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < _STALE
    return is_alive(process)


def is_alive(process: int) -> bool:
    """Whether there is a process of this number, where that can be told without ending it; else True."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
