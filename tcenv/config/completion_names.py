"""The names that complete `[PROFILE]` and `--as`: configured profiles, deployments with a session or used lately, and purposes.

The shell calls this at a keystroke. So it reads the index of the configuration if that is current. It asks no deployment and no
keyring, and reports no error."""

from __future__ import annotations

import os
import time

from tcenv import output, paths
from tcenv.config import index
from tcenv.sessions.profile_names import get_profile_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import TypeVar

    from tcenv.config.config_file import Configuration
    from tcenv.config.index import Index

    Found = TypeVar("Found")

# Complete a deployment without a session for this long after its last sign-in (seconds).
_LATELY = 30 * 86400


def print_purposes() -> int:
    """Print the names of the purposes, one on each line."""
    return _print(
        _list_configured(lambda known: known.list_purposes(), lambda config: (name for _, name in config.purposes))
    )


def print_names() -> int:
    """Print the names of the profiles and deployments, one on each line. Leaves out a deployment that was used by a profile,
    unless it has a session of its own."""
    configured = dict(
        _list_configured(
            lambda known: ((name, known.find_root_url(name) or "") for name in known.list_names()),
            lambda config: ((name, str(keys["root_url"])) for name, keys in config.profiles.items()),
        )
    )
    used = set(_list_used_lately()).difference(map(get_profile_name, configured.values()))
    return _print((*configured, *sorted(used.union(_list_signed_in()))))


def _print(names: Iterable[str]) -> int:
    output.write("".join(f"{name}\n" for name in dict.fromkeys(names)))
    return 0


def _list_configured(
    from_index: Callable[[Index], Iterable[Found]], from_file: Callable[[Configuration], Iterable[Found]]
) -> Iterable[Found]:
    """Return the configured names from the index, or from the configuration if the index is not current."""
    try:
        known = index.read()
        return from_index(known) if known else ()
    except (index.HandOver, OSError, ValueError, IndexError):
        from tcenv.config import config_file
        from tcenv.errors import TcenvError

        try:
            return from_file(config_file.load())
        except TcenvError:
            return ()


def _list_used_lately() -> list[str]:
    since = time.time() - _LATELY
    try:
        entries = os.scandir(f"{paths.state_directory()}/clients")
        # A sign-in replaces a file in the directory, which sets the directory's time.
        return [entry.name for entry in entries if entry.name[0] != "." and entry.stat().st_mtime > since]
    except OSError:
        return []


def _list_signed_in() -> list[str]:
    """Return the names of live sessions in any store."""
    from tcenv.sessions import session_file

    found = (fields for directory in paths.session_directories() for fields in session_file.read_all(directory))
    return [fields["TCENV_PROFILE"] for fields in found if int(fields["TCENV_EXPIRES"]) > time.time()]
