"""Build the default name of a client: the same on every run, and never that of another machine, profile or user."""

from __future__ import annotations

import os
import sys

from tcenv import paths
from tcenv.errors import StoreError, UsageError
from tcenv.files import write_privately

DEFAULT = "tcenv-{hostname}"
DEFAULT_OF_A_PROFILE = "tcenv-{hostname}:{profile}"
PARTS = ("hostname", "user", "profile", "machine")
# What a clientId can hold, but for the signs that tcenv puts between the parts, and the slash behind the user's own clientId.
_HARMLESS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!.+|_-")
_LONGEST_HOSTNAME = 63


def fill(template: str, profile: str) -> str:
    """Return `template` with `{hostname}` (up to its first dot), `{user}`, `{profile}` and `{machine}` replaced. What a
    clientId cannot hold becomes `-`, and so do `:` and `@` in these parts. Raises UsageError if the machine can have no
    id."""
    for part in PARTS:
        mark = "{" + part + "}"
        if mark in template:
            template = template.replace(mark, _fill_part(part, profile))
    return template


def fit(text: str) -> str:
    """Return `text` as one part of a client's name."""
    return "".join(character if character in _HARMLESS else "-" for character in text) or "-"


def get_hostname() -> str:
    """Return this machine's name up to its first dot."""
    if sys.platform == "darwin":
        from tcenv import macos

        return macos.get_host_name()
    if hasattr(os, "uname"):
        name = os.uname().nodename
    else:
        import socket

        name = socket.gethostname()
    return name.partition(".")[0]


def _fill_part(part: str, profile: str) -> str:
    if part == "hostname":
        text = get_hostname()[:_LONGEST_HOSTNAME]
    elif part == "user":
        text = _get_user()
    elif part == "machine":
        text = get_machine_id()
    else:
        text = profile
    return fit(text)


def _get_user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container's user without an entry in the user database.
        return str(os.getuid()) if hasattr(os, "getuid") else "user"


def get_machine_id() -> str:
    """Return a short id of this home's state directory, made once. It distinguishes machines whose names change or are the
    same. Raises UsageError if it cannot be stored."""
    path = os.path.join(paths.state_directory(), "machine")
    known = _read(path)
    if known:
        return known
    import secrets

    new = "".join(secrets.choice("abcdefghjkmnpqrstuvwxyz23456789") for _ in range(6))
    try:
        write_privately(path, f"{new}\n".encode())
    except (OSError, StoreError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"{{machine}} needs a stored id, and {path} cannot be written: {reason}",
            "Use {hostname} in the name, or set XDG_STATE_HOME to a directory that stays.",
        ) from None
    # Another process may have stored an id first.
    return _read(path) or new


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="ascii", opener=paths.open_trusted_or_ignore) as file:
            text = file.read(64).strip()
    except (OSError, UnicodeDecodeError):
        return None
    return text if text.isalnum() and len(text) <= 32 else None
