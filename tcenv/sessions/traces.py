"""Remove all that tcenv keeps on this machine except the user's configuration: notes, locks, caches and their
directories."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress

from tcenv import locks, paths


def remove() -> list[str]:
    """Remove all traces that belong to the user. Returns the paths that remain because they are in use or cannot be
    removed.

    Keeps stored sessions, since only a logout ends them on the deployment, and the locks and sockets of a running
    tcenv."""
    caches = os.path.dirname(paths.index_file())
    # Remove the locks last: they keep a running tcenv from writing to directories that are being removed.
    places = [caches, paths.state_directory(), *paths.runtime_directories()]
    left: list[str] = []
    for place in places:
        with suppress(OSError):
            if _is_own(os.lstat(place)) and not os.path.islink(place):
                _remove_below(place, left)
    return left


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or status.st_uid == os.geteuid()


def _remove_below(directory: str, left: list[str]) -> None:
    for folder, directories, files in os.walk(directory, topdown=False):
        for name in (*files, *(name for name in directories if os.path.islink(os.path.join(folder, name)))):
            path = os.path.join(folder, name)
            if name.endswith(".session") or _is_in_use(path):
                left.append(path)
                continue
            try:
                os.unlink(path)
            except OSError:
                left.append(path)
        with suppress(OSError):
            os.rmdir(folder)


def _is_in_use(path: str) -> bool:
    """Return whether a running process holds the lock `path` or listens on the socket `path`."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            return _is_answering(path)
        if not path.endswith(".lock"):
            return False
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return not locks.try_lock(descriptor)
    finally:
        os.close(descriptor)


def _is_answering(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.settimeout(1)
        try:
            connection.connect(path)
        except OSError as error:
            # An address that is too long for this call does not tell whether a process listens.
            return error.errno is None
    return True
