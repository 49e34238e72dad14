"""Write the user's own files: whole or not at all, readable by nobody else, and under a lock if tcenv changes them."""

from __future__ import annotations

import errno
import os
import time
from binascii import crc32
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tcenv import locks, paths
from tcenv.errors import StoreError

_STALE = 60.0
# A change takes milliseconds; the other process may be stopped, or wait for a disk (seconds).
_TIMEOUT = 15.0


def make_private_directory(path: str) -> None:
    """Make `path` (0700, parents as needed) or check that it is private. Raises StoreError with the reason, Foreign (an
    OSError) if it would be made in a directory of another user, OSError."""
    try:
        if not paths.check_directory(path):
            _make_directories(path)
            paths.check_directory(path)
    except paths.Unsafe as unsafe:
        raise StoreError(
            f"tcenv does not use this directory: {unsafe}.", "Move it away, or make it private: chmod 700."
        ) from None


def _make_directories(path: str) -> None:
    """Make the directory `path` and its missing parents, closed to others. Raises Foreign, OSError."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    paths.check_place(path)
    for each in reversed(missing):
        with suppress(FileExistsError):
            os.mkdir(each, 0o700)


def compute_checksum(data: bytes) -> str:
    """Return 16 hexadecimal digits that tell texts of the user's own apart. It is no defence against an attacker: a hash from
    OpenSSL, which takes a fifth of an interpreter's start to load, would be."""
    return f"{crc32(data):08x}{crc32(data[::-1]):08x}"


@contextmanager
def hold_lock(path: str, timeout: float = _TIMEOUT) -> Iterator[None]:
    """Hold the lock for reading, changing and writing the file (or the files of the directory) `path`.

    The lock's file is in the state directory, where no other user can hold it. Goes on without a lock if that directory
    cannot be written. Raises OSError if another process holds it for more than `timeout` seconds."""
    name = compute_checksum(os.fsencode(os.path.realpath(path)))
    directory = os.path.join(paths.state_directory(), "locks")
    try:
        make_private_directory(directory)
        descriptor = locks.open_lock(os.path.join(directory, f"{name}.lock"))
    except (OSError, StoreError):
        yield
        return
    try:
        if not locks.acquire(descriptor, timeout):
            raise OSError(errno.EBUSY, "another tcenv process has held it for too long", path)
        yield
    finally:
        os.close(descriptor)


def write_privately(path: str, data: bytes, *, durable: bool = False) -> None:
    """Replace the content of `path` by `data` in one step: others see the old content or the new. The file has the mode 0600, in
    a directory of the user's own. With `durable`, returns once the data is on the disk, where no power cut takes it. Raises
    StoreError, OSError."""
    directory = os.path.dirname(path)
    make_private_directory(directory)
    sweep(directory)
    try:
        _replace(path, data, durable=durable)
    except FileNotFoundError:
        # On a home that machines share, another one may have taken the temporary file for a dead writer's.
        _replace(path, data, durable=durable)


def is_first_time(note: str) -> bool:
    """Return whether the file `note` is not there yet, and create it: for what the user must read only once."""
    if os.path.lexists(note):
        return False
    with suppress(OSError, StoreError):
        write_privately(note, b"")
    return True


def rewrite(path: str, data: bytes, *, before: bytes | None = None, mode: int = 0o600) -> bool:
    """Replace the content of a file that the user may have linked or opened to others. Follows links, and keeps owner and
    mode. A new file gets `mode` within the umask. The content is on the disk when this returns.

    `before` is the content that `data` was made from. Returns False, and changes nothing, if the file holds another one by now.
    Raises Foreign (also for a new file in a directory of another user), OSError."""
    path = os.path.realpath(path)
    directory, name = os.path.split(path)
    _make_directories(directory)
    sweep(directory, f".{name}.")
    return _replace(path, data, durable=True, status=_get_status(path), before=before, mode=mode)


def _get_status(path: str) -> os.stat_result | None:
    """Return the status of the regular file `path`, or None if there is none. Raises OSError for another kind of file."""
    try:
        descriptor = paths.open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return os.fstat(descriptor)
    finally:
        os.close(descriptor)


def _replace(
    path: str,
    data: bytes,
    *,
    durable: bool,
    status: os.stat_result | None = None,
    before: bytes | None = None,
    mode: int = 0o600,
) -> bool:
    """Write `data` beside `path` and move it there, with the owner and the mode in `status` (None: a new file). Returns
    False if `path` does not hold `before`."""
    directory, name = os.path.split(path)
    temporary = os.path.join(directory, f".{name}.{os.getpid()}.{os.urandom(6).hex()}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(temporary, flags, mode if status is None else 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if status is not None:
            _copy_owner(status, temporary, path)
        if before is not None and _read(path) != before:
            os.unlink(temporary)
            return False
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    return True


def _copy_owner(status: os.stat_result, temporary: str, path: str) -> None:
    """Give the file `temporary` the owner, group and mode of `path`, which `status` holds. Raises Foreign if the user
    may not give it the owner. If they may not give it the group, no group can read it."""
    own, mode = os.stat(temporary), status.st_mode & 0o777
    if (own.st_uid, own.st_gid) != (status.st_uid, status.st_gid):
        try:
            os.chown(temporary, status.st_uid, status.st_gid)
        except PermissionError as error:
            if own.st_uid != status.st_uid:
                raise paths.make_foreign_error(path, status.st_uid) from error
            mode &= 0o707
    os.chmod(temporary, mode)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", opener=paths.open_regular) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def sweep(directory: str, beginning: str = ".") -> None:
    """Remove the temporary files of killed writers in `directory` whose names have this `beginning`, since they may hold tokens.
    Keeps the file of a writer that is alive (on Windows: a young file)."""
    with suppress(OSError):
        for entry in os.scandir(directory):
            if entry.name.startswith(beginning) and entry.name.endswith(".tmp"):
                writer = entry.name.split(".")[-3:][0]
                with suppress(OSError):
                    if writer.isdecimal() and not _is_writing(int(writer), entry):
                        os.unlink(entry.path)


def _is_writing(process: int, entry: os.DirEntry[str]) -> bool:
    if os.name == "nt":
        # On Windows, signal 0 would end the process.
        return time.time() - entry.stat(follow_symlinks=False).st_mtime < _STALE
    return is_alive(process)


def is_alive(process: int) -> bool:
    """Return whether there is a process with this number. Returns True if asking would end it."""
    if os.name == "nt":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True
