"""The names that complete `[PROFILE]`: configured profiles, then deployments used before. Called at a keystroke, so it reads
the configuration's index where that is current. Says nothing about what is wrong: a completion has nowhere to say it."""

from __future__ import annotations

import os

from tcenv import output, paths
from tcenv.config import index


def print_purposes() -> int:
    """Print the names of the purposes, one a line."""
    try:
        known = index.read()
        names = known.purposes() if known else []
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
        configured = known.names() if known else []
    except (index.HandOver, OSError, ValueError, IndexError):
        configured = _slowly()
    try:
        used = [
            name.removesuffix(".json") for name in os.listdir(f"{paths.state_directory()}/clients") if name[0] != "."
        ]
    except OSError:
        used = []
    output.write("".join(f"{name}\n" for name in dict.fromkeys((*configured, *sorted(used)))))
    return 0


def _slowly() -> list[str]:
    from tcenv.config import config_file
    from tcenv.errors import TcenvError

    try:
        return list(config_file.load().profiles)
    except TcenvError:
        return []
