"""Where tcenv's files are, by the XDG base directory rules, and whether a place is the user's alone. Must stay importable for
next to nothing (hot path)."""

from __future__ import annotations

import os
import stat


def _home(variable: str, *default: str) -> str:
    # The specification says that a relative path there is to be ignored.
    value = os.environ.get(variable, "")
    if os.path.isabs(value):
        return value
    return os.path.join(os.path.expanduser("~"), *default)


def runtime_directory() -> str | None:
    """The memory-backed directory of the `runtime` store, or None where the system offers none."""
    value = os.environ.get("XDG_RUNTIME_DIR", "")
    return os.path.join(value, "tcenv") if os.path.isabs(value) else None


def state_directory() -> str:
    """What outlives a reboot: remembered client names, and the sessions of the `file` store."""
    return os.path.join(_home("XDG_STATE_HOME", ".local", "state"), "tcenv")


def file_store_directory() -> str:
    """The directory of the `file` store's sessions."""
    return os.path.join(state_directory(), "sessions")


def config_file() -> str:
    """The configuration file: `TCENV_CONFIG`, else `config.toml` in the user's configuration directory."""
    named = os.environ.get("TCENV_CONFIG")
    if named:
        return os.path.abspath(named)
    return os.path.join(_home("XDG_CONFIG_HOME", ".config"), "tcenv", "config.toml")


def index_file() -> str:
    """The configuration's index for readers that cannot afford a TOML parser."""
    return os.path.join(_home("XDG_CACHE_HOME", ".cache"), "tcenv", "profiles.index")


class Unsafe(Exception):
    """A session directory or file belongs to somebody else, is open to others, or is a symbolic link."""


def private(status: os.stat_result, is_kind: bool, path: str) -> None:
    """Raise Unsafe unless the file or directory `path` with this `status` is of the right kind, the user's own, and closed
    to others."""
    if not is_kind:
        raise Unsafe(f"{path} is not what it should be (a symbolic link, or another kind of file)")
    if hasattr(os, "geteuid"):
        if status.st_uid != os.geteuid():
            raise Unsafe(f"{path} belongs to another user")
        if status.st_mode & 0o077:
            raise Unsafe(f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):04o})")


def check_directory(path: str) -> bool:
    """False where there is no such directory; raises Unsafe unless it is a real directory of the user's own, mode 0700."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    private(status, stat.S_ISDIR(status.st_mode), path)
    return True
