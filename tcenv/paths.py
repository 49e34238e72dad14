"""Find tcenv's files by the XDG base directory rules, and check whether a place is the user's alone. Imports next to nothing
(hot path)."""

from __future__ import annotations

import os
import stat
import sys

# `_CS_DARWIN_USER_TEMP_DIR` of macOS' unistd.h. Python has no name for it.
_DARWIN_USER_TEMP_DIR = 65537
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 - tcenv checks its directory there


def _find_home(variable: str, *default: str) -> str:
    # The specification says to ignore a relative path.
    value = os.environ.get(variable, "")
    if os.path.isabs(value):
        return value
    if os.name == "nt":
        return _find_home_on_windows(variable == "XDG_CONFIG_HOME")
    return os.path.join(home(f"HOME, or {variable},"), *default)


def _find_home_on_windows(is_configuration: bool) -> str:
    """Return the folder for configuration, which may follow the user to other machines, or the one for all other data."""
    value = os.environ.get("APPDATA" if is_configuration else "LOCALAPPDATA", "")
    return (
        value if os.path.isabs(value) else os.path.join(home(), "AppData", "Roaming" if is_configuration else "Local")
    )


def home(variables: str = "HOME") -> str:
    """Return the user's home directory. Raises UsageError if that is no absolute path; `variables` names what could be
    set."""
    found = os.path.expanduser("~")
    if os.name == "nt" and os.environ.get("MSYSTEM") and os.path.isabs(os.environ.get("HOME", "")):
        # The shells of MSYS2 and Git have their start-up files here.
        return os.environ["HOME"]
    # Take neither the current directory nor the root: a configuration there would be another user's.
    if not os.path.isabs(found) or (os.name != "nt" and os.environ.get("HOME") == ""):
        from tcenv.errors import UsageError

        raise UsageError("Your home directory is not known.", f"Set {variables} to an absolute path.")
    return found


def runtime_directory() -> str | None:
    """Return the directory of the `runtime` store, which need not exist yet, or None if the system offers none.

    It is below `$XDG_RUNTIME_DIR` (one of another user counts as unset), below `/run/user/UID`, or `/dev/shm/tcenv-UID`: in
    memory. On macOS it is below `$XDG_RUNTIME_DIR` or the user's own temporary directory, on the disk.

    Raises Unsafe for an `XDG_RUNTIME_DIR` of the user's own that is open to others."""
    value = os.environ.get("XDG_RUNTIME_DIR", "")
    if not hasattr(os, "geteuid"):
        return os.path.join(value, "tcenv") if os.path.isabs(value) else None
    if os.path.isabs(value) and _is_own(value):
        status = os.stat(value)
        if status.st_mode & 0o077:
            raise Unsafe(f"XDG_RUNTIME_DIR, {value}, is open to other users (mode {stat.S_IMODE(status.st_mode):04o})")
        if os.access(value, os.W_OK | os.X_OK):
            return os.path.join(value, "tcenv")
    value = _find_user_directory()
    if _is_own(value) and not os.stat(value).st_mode & 0o077 and os.access(value, os.W_OK | os.X_OK):
        return os.path.join(value, "tcenv")
    if sys.platform == "darwin":
        return None
    return shared_memory_directory() if describe_squatter() is None and _is_memory(_SHARED_MEMORY) else None


def find_store(choice: str) -> tuple[str, str] | None:
    """Return the name and the directory of the store that `choice` means, without opening it. Returns None if only
    opening it can tell: for `none`, without a runtime directory, or if another user holds the one in shared memory.
    Raises Unsafe as `runtime_directory` does."""
    if choice == "file":
        return choice, file_store_directory()
    runtime = runtime_directory() if choice in ("auto", "runtime") else None
    if runtime is not None:
        return "runtime", runtime
    if choice == "keyring" or (choice == "auto" and describe_squatter() is None):
        return "keyring", keyring_directory()
    return None


def _find_user_directory() -> str:
    """Return the directory that the system makes for this user alone, or "" if it names none."""
    if sys.platform != "darwin":
        return f"/run/user/{os.geteuid()}"
    try:
        return os.path.realpath(os.confstr(_DARWIN_USER_TEMP_DIR) or "/nonexistent")
    except (OSError, ValueError):
        return ""


def shared_memory_directory() -> str:
    """Return the directory of the `runtime` store on a machine without a login manager."""
    return f"{_SHARED_MEMORY}/tcenv-{os.geteuid()}"


def describe_squatter() -> str | None:
    """Return the problem with the directory in shared memory, which anybody may have made, or None."""
    if not hasattr(os, "geteuid"):
        return None
    try:
        check_directory(shared_memory_directory())
    except Unsafe as unsafe:
        return str(unsafe)
    except OSError as error:
        return f"{shared_memory_directory()}: {error.strerror}"
    return None


def runtime_directories() -> list[str]:
    """Return the existing directories that this shell or another one uses, or used, for the `runtime` store."""
    value = os.environ.get("XDG_RUNTIME_DIR", "")
    places = [os.path.join(value, "tcenv")] if os.path.isabs(value) else []
    if hasattr(os, "geteuid"):
        places += [os.path.join(_find_user_directory(), "tcenv"), shared_memory_directory()]
    return [place for place in dict.fromkeys(places) if os.path.isdir(place)]


def _is_own(directory: str) -> bool:
    try:
        status = os.stat(directory)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()


def _is_memory(directory: str) -> bool:
    """Return whether the kernel keeps a directory in memory. The directory may be a mount, or stand below one in `/dev`."""
    try:
        with open("/proc/self/mountinfo", "rb") as file:
            mounts = {line.split(b" ", 5)[4]: line.partition(b" - ")[2] for line in file}
    except (OSError, IndexError):
        return False
    kind = mounts.get(directory.encode()) or mounts.get(b"/dev") or b""
    return kind.startswith((b"tmpfs ", b"ramfs ")) and os.access(directory, os.W_OK | os.X_OK)


def state_directory() -> str:
    """Return the directory of what outlives a reboot: known clients, and the sessions of the `file` store."""
    return os.path.join(_find_home("XDG_STATE_HOME", ".local", "state"), "tcenv")


def file_store_directory() -> str:
    """Return the directory of the `file` store's sessions."""
    return os.path.join(state_directory(), "sessions")


def keyring_directory() -> str:
    """Return the directory of the `keyring` store's files, which hold all of a session but its token."""
    return os.path.join(state_directory(), "keyring")


def session_directories() -> list[str]:
    """Return the directories that may hold session files, of every store."""
    return [*runtime_directories(), file_store_directory(), keyring_directory()]


def config_file() -> str:
    """Return the path of the configuration file: `TCENV_CONFIG`, else `config.toml` in the user's configuration directory."""
    named = os.environ.get("TCENV_CONFIG")
    if named:
        return os.path.abspath(named)
    return os.path.join(_find_home("XDG_CONFIG_HOME", ".config"), "tcenv", "config.toml")


def has_keyring_configuration() -> bool:
    """Return whether the user has told Python's `keyring` library which backend to use, or how."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home(), ".config")
    variables = ("PYTHON_KEYRING_BACKEND", "KEYRING_PROPERTY_")
    return any(name.startswith(variables) for name in os.environ) or os.path.exists(
        os.path.join(config, "python_keyring", "keyringrc.cfg")
    )


def index_file() -> str:
    """Return the path of the configuration's index, for code that cannot afford a TOML parser."""
    return os.path.join(_find_home("XDG_CACHE_HOME", ".cache"), "tcenv", "profiles.index")


class Unsafe(Exception):
    """A session directory or file belongs to somebody else, is open to others, or is a symbolic link."""


def check_private(status: os.stat_result, is_kind: bool, path: str) -> None:
    """Raise Unsafe unless the file or directory `path` with this `status` is of the right kind, the user's own, and closed
    to others."""
    if not is_kind:
        raise Unsafe(f"{path} is a symbolic link or another unexpected kind of file")
    if hasattr(os, "geteuid"):
        if status.st_uid != os.geteuid():
            raise Unsafe(f"{path} belongs to another user")
        if status.st_mode & 0o077:
            raise Unsafe(f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})")


def check_directory(path: str) -> bool:
    """Return whether there is such a directory. Raises Unsafe unless it is a real directory of the user's own, mode 0700."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    check_private(status, stat.S_ISDIR(status.st_mode), path)
    return True


class Foreign(PermissionError):
    """A file or a directory belongs to another user."""


#: The files that tcenv has not read because they belong to another user, in order.
ignored: list[str] = []
# Stands for root, and for every other user without a number, inside a user namespace.
_UNMAPPED = 65534


def open_regular(path: str, flags: int) -> int:
    """Open a regular file, as an `opener`. Raises OSError for a pipe, a device or a directory, without waiting for a writer."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        import errno

        os.close(descriptor)
        named = next((name for is_kind, name in _KINDS if is_kind(kind)), "device")
        raise OSError(errno.EINVAL, f"it is a {named}, not a file", path)
    return descriptor


_KINDS = ((stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))


def open_trusted(path: str, flags: int) -> int:
    """Open a regular file of the user, or one of root that nobody else can write, as an `opener`. Judges the file that was
    opened, not the links that lead to it. Raises Foreign, OSError."""
    descriptor = open_regular(path, flags)
    status = os.fstat(descriptor)
    if not hasattr(os, "geteuid") or status.st_uid == os.geteuid():
        return descriptor
    if not status.st_mode & 0o022 and (
        status.st_uid == 0 or (status.st_uid == _UNMAPPED and os.fstatvfs(descriptor).f_flag & os.ST_RDONLY)
    ):
        return descriptor
    os.close(descriptor)
    raise make_foreign_error(path, status.st_uid)


def open_trusted_or_ignore(path: str, flags: int) -> int:
    """Open a cache or a note like `open_trusted`, and remember in `ignored` a file that belongs to another user."""
    try:
        return open_trusted(path, flags)
    except PermissionError as error:
        ignore(path, error)
        raise


def ignore(path: str, error: PermissionError) -> None:
    """Remember in `ignored` that `path`, which cannot be opened, belongs to another user, or lies in such a directory."""
    if not isinstance(error, Foreign):
        directory, status = _find_nearest(os.path.dirname(path))
        if status is None or not hasattr(os, "geteuid") or status.st_uid == os.geteuid():
            return
        error = make_foreign_error(directory, status.st_uid)
    if str(error.strerror) not in ignored:
        ignored.append(str(error.strerror))


def check_place(directory: str) -> None:
    """Raise Foreign if `directory`, or the nearest existing one above it, belongs to another user than root. tcenv creates
    nothing there."""
    directory, status = _find_nearest(directory)
    if status is None or not hasattr(os, "geteuid") or status.st_uid in (os.geteuid(), 0):
        return
    # The /tmp of a sandbox: others cannot move or remove what the user has there.
    if status.st_uid != _UNMAPPED or not status.st_mode & stat.S_ISVTX:
        raise make_foreign_error(directory, status.st_uid)


def _find_nearest(directory: str) -> tuple[str, os.stat_result | None]:
    """Return the nearest existing directory at or above `directory`, and its status."""
    while True:
        try:
            return directory, os.stat(directory)
        except OSError:
            if directory == os.path.dirname(directory):
                return directory, None
            directory = os.path.dirname(directory)


def make_foreign_error(path: str, owner: int) -> Foreign:
    """Return the error for a file that belongs to the user with the number `owner`."""
    import errno

    return Foreign(errno.EPERM, f"{path} belongs to {get_user_name(owner)}", path)


def get_user_name(number: int) -> str:
    """Return the name of the user with this number, or the number if it has none."""
    try:
        import pwd

        return pwd.getpwuid(number).pw_name
    except (ImportError, KeyError):
        return f"user {number}"
