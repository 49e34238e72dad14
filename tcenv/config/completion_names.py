"""The names that complete `[PROFILE]`: configured profiles, then deployments that have a session or were used lately. Called at
a keystroke, so it reads the configuration's index where that is current, and asks no deployment and no keyring. Says nothing
about what is wrong: a completion has nowhere to say it."""

from __future__ import annotations

import os
import time
from contextlib import suppress

from tcenv import output, paths
from tcenv.config import index

# Deployments without a session that were used since then complete (seconds).
_LATELY = 30 * 86400


def print_purposes() -> int:
    """Print the names of the purposes, one a line."""
    try:
        known = index.read()
        names = known.list_purposes() if known else []
    except (index.HandOver, OSError, ValueError, IndexError):
        from tcenv.config import config_file
        from tcenv.errors import TcenvError

        try:
            names = list(dict.fromkeys(name for _, name in config_file.load().purposes))
        except TcenvError:
            names = []
    output.write("".join(f"{name}\n" for name in names))
    return 0


def print_names() -> int:
    """Print the names, one a line."""
    try:
        known = index.read()
        configured = known.list_names() if known else []
    except (index.HandOver, OSError, ValueError, IndexError):
        configured = _load_configured()
    others = sorted({*_list_used_lately(), *_list_signed_in()})
    output.write("".join(f"{name}\n" for name in dict.fromkeys((*configured, *others))))
    return 0


def _list_used_lately() -> list[str]:
    since = time.time() - _LATELY
    try:
        entries = os.scandir(f"{paths.state_directory()}/clients")
        # A directory's time is that of the last sign-in, whose note replaces a file in it.
        return [entry.name for entry in entries if entry.name[0] != "." and entry.stat().st_mtime > since]
    except OSError:
        return []


def _list_signed_in() -> list[str]:
    """Return the names of live sessions in any store."""
    from tcenv.sessions import session_file

    found = []
    for directory in (*paths.runtime_directories(), paths.file_store_directory(), paths.keyring_directory()):
        try:
            profiles = session_file.find_profiles(os.listdir(directory))
        except OSError:
            continue
        for profile in profiles:
            with suppress(session_file.Damaged, paths.Unsafe, OSError):
                parts = session_file.read(directory, profile)
                if parts is not None and int(parts[0]["TCENV_EXPIRES"]) > time.time():
                    found.append(profile)
    return found


def _load_configured() -> list[str]:
    from tcenv.config import config_file
    from tcenv.errors import TcenvError

    try:
        return list(config_file.load().profiles)
    except TcenvError:
        return []
