"""Choose the path of a run's control socket, and remove sockets of killed runs."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress

from tcenv import paths
from tcenv.errors import StoreError, TcenvError
from tcenv.files import make_private_directory

_PREFIX = "_ssh-"
# A socket's path may have 107 bytes (103 on macOS), and ssh appends 17 characters for a moment.
_LONGEST = 86


def choose() -> str:
    """Return an unused path in a private directory of this user. Raises TcenvError."""
    for directory in _list_directories():
        path = os.path.join(directory, _PREFIX + os.urandom(6).hex())
        # ssh expands $ and ~ in a path.
        if len(os.fsencode(path)) > _LONGEST or "$" in path or "~" in path:
            continue
        with suppress(OSError, StoreError, paths.Unsafe):
            make_private_directory(directory)
            _remove_stale(directory)
            return path
    raise TcenvError(
        "tcenv found no usable directory for the connection's socket.",
        "Set XDG_RUNTIME_DIR to a private directory with a shorter path.",
    )


def _list_directories() -> Iterator[str]:
    with suppress(paths.Unsafe):
        found = paths.runtime_directory()
        if found is not None:
            yield found
    for directory in dict.fromkeys((tempfile.gettempdir(), "/tmp")):  # noqa: S108 - tcenv checks its directory there
        yield os.path.join(directory, f"tcenv-{os.geteuid()}")


def remove(path: str) -> None:
    """Remove the socket, also under the temporary name that ssh uses until it listens."""
    directory, name = os.path.split(path)
    with suppress(OSError):
        for found in os.listdir(directory):
            if found == name or found.startswith(f"{name}."):
                os.unlink(os.path.join(directory, found))


def _remove_stale(directory: str) -> None:
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name.startswith(_PREFIX) and stat.S_ISSOCK(os.lstat(path).st_mode) and not _is_listening(path):
            with suppress(OSError):
                os.unlink(path)


def _is_listening(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True
