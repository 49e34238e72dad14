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
            os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
            with suppress(FileExistsError):
                os.mkdir(path, 0o700)
            paths.check_directory(path)
    except paths.Unsafe as unsafe:
        raise StoreError(
            f"tcenv does not use this directory: {unsafe}.",
            "Look at who made it; move it away, or make it yours alone: chmod 700.",
        ) from None


def write_privately(
    path: str, data: bytes, *, mtime_ns: int | None = None, keep_mode: bool = False, durable: bool = False
) -> None:
    """Replace `path` by `data`: at every moment others see the old content or the new, whole. Mode 0600.

    `keep_mode` is for files that hold no secret and that the user may have linked or opened to others; a symbolic link
    there is followed. `durable` waits until it is on the disk, for what a power cut must not take. Raises StoreError, OSError."""
    if keep_mode:
        path = os.path.realpath(path)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    else:
        make_private_directory(os.path.dirname(path))
    directory, name = os.path.split(path)
    _sweep(directory, name)
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
        if mtime_ns is not None:
            os.utime(temporary, ns=(mtime_ns, mtime_ns))
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _sweep(directory: str, name: str) -> None:
    """Remove what a writer that was killed left behind; a writer at work is younger."""
    prefix = f".{name}."
    with suppress(OSError):
        for entry in os.scandir(directory):
            if entry.name.startswith(prefix) and entry.name.endswith(".tmp"):
                with suppress(OSError):
                    if time.time() - entry.stat(follow_symlinks=False).st_mtime > _STALE:
                        os.unlink(entry.path)
