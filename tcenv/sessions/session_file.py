"""Read and write the session file of every store except `none`: lines of KEY=value. The first line changes with the
token.

Prompt hooks compare the first line with what they have loaded, and direnv watches the file. The keyring store replaces
the token with the number of the keyring item that holds it. Reading refuses files that other users could have written.
Imports almost nothing (hot path)."""

from __future__ import annotations

import os
import stat
import sys

from tcenv.paths import Unsafe, check_directory, check_private
from tcenv.sessions.profile_names import get_file_name, get_profile_of_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    # The fields of a session, the scopes that it holds (None: unknown), the requested scopes, and what its roles cover (see
    # `expansions`).
    Parts = tuple[dict[str, str], list[str] | None, list[str], list[str]]

SUFFIX = ".session"
END = "END=tcenv-session-1"
# Keep this order: hooks read the first line, and direnv's library the first two.
KEYS = (
    "GENERATION",
    "TASKCLUSTER_ACCESS_TOKEN",
    "TASKCLUSTER_ROOT_URL",
    "TASKCLUSTER_CLIENT_ID",
    "TCENV_PROFILE",
    "TCENV_EXPIRES",
    "RENEW",
    "CREATED",
    "NAME",
    "SCOPES",
)
# These may be missing. ITEM is the number of the keyring item that holds this file's token. CHOSEN is there if the user named
# the scopes for this sign-in alone.
STATE, ITEM, CHOSEN = "STATE", "ITEM", "CHOSEN"
_OPTIONAL = (STATE, ITEM, CHOSEN)
# The generation of a session whose client is deleted. No shell can have loaded it.
ENDED = "ended"
_LONGEST = 64 << 20
_UNUSED_DAYS = 3
_HOUR = 3600


def compute_generation(token: str) -> str:
    """Return the generation of a session with this access token. It identifies the token without revealing it."""
    try:
        from _hashlib import openssl_sha256 as sha256  # hot path: `hashlib` would set up every other algorithm too
    except ImportError:
        from hashlib import sha256

    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def get_path(directory: str, profile: str) -> str:
    """Return the path of a profile's session file in a store's directory."""
    return f"{directory}/{get_file_name(profile)}{SUFFIX}"


def name_item(profile: str, item: str) -> str:
    """Return the name of a profile's item in the keyring. Credential Manager ignores case too."""
    return f"{get_file_name(profile)}#{item}"


def find_profiles(names: Iterable[str], suffix: str = SUFFIX) -> list[str]:
    """Return the profiles of the session files, or of those with another `suffix`, among the `names` of a directory's
    files, sorted."""
    return sorted(
        get_profile_of_file(name.removesuffix(suffix)) for name in names if name.endswith(suffix) and name[0] != "."
    )


class Damaged(Exception):
    """A session file is incomplete, foreign or altered. The text tells how, and never repeats the content."""


def encode(
    fields: Mapping[str, str], scopes: Sequence[str] | None, asked: Sequence[str], expansions: Sequence[str] = ()
) -> bytes:
    """Return the bytes of a session file. `scopes` are those that the session holds (None: unknown), `asked` the
    requested ones, and `expansions` says what its roles cover. The field STATE is there if the session must not be
    trusted as it is."""
    count = "unknown" if scopes is None else str(len(scopes))
    lines = [f"{key}={fields[key]}" for key in KEYS[:-1]]
    lines.append(f"SCOPES={count}")
    lines += [f"SCOPE={scope}" for scope in scopes or ()]
    lines += [f"ASKED={scope}" for scope in asked]
    lines += [f"COVERS={line}" for line in expansions]
    lines += [f"{key}={fields[key]}" for key in _OPTIONAL if key in fields]
    lines.append(END)
    return ("\n".join(lines) + "\n").encode("ascii")


def decode(data: bytes) -> Parts:
    """Return the parts of a session file's bytes. Raises Damaged."""
    try:
        lines = data.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise Damaged("it is not plain text") from None
    if len(lines) < len(KEYS) + 2 or lines[-1] or lines[-2] != END:
        raise Damaged("its end is missing")
    fields = {}
    for key, line in zip(KEYS, lines, strict=False):
        if not line.startswith(key + "="):
            raise Damaged(f"{key} is missing")
        fields[key] = line[len(key) + 1 :]
    for key in ("TCENV_EXPIRES", "RENEW", "CREATED"):
        if not fields[key].isdecimal():
            raise Damaged(f"{key} is not a time")
    parts: dict[str, list[str]] = {"SCOPE": [], "ASKED": [], "COVERS": []}
    for line in lines[len(KEYS) : -2]:
        key, _, scope = line.partition("=")
        if key in _OPTIONAL:
            fields[key] = scope
            continue
        if key not in parts:
            raise Damaged("it has an unknown line")
        parts[key].append(scope)
    held, asked, expansions = parts.values()
    if fields["SCOPES"] == "unknown" and not held:
        return fields, None, asked, []
    if fields["SCOPES"] != str(len(held)):
        raise Damaged("scopes are missing")
    return fields, held, asked, expansions


def _keep_from_cleaner(descriptor: int, touched: float, fields: Mapping[str, str]) -> None:
    """Touch the file of a long session. macOS removes a temporary file that nobody has used for three days. Touch it once an
    hour at most, because direnv reloads when the file's time changes."""
    import time

    if int(fields["TCENV_EXPIRES"]) - int(fields["CREATED"]) > _UNUSED_DAYS * 86400 and time.time() - touched > _HOUR:
        try:
            os.utime(descriptor)
        except OSError:
            return  # a read-only disk has no cleaner


def read(directory: str, profile: str) -> Parts | None:
    """Read the session of `profile` in `directory` and return its parts (see `decode`), or None if there is no session.

    Raises Damaged, Unsafe, OSError."""
    if not check_directory(directory):
        return None
    path = get_path(directory, profile)
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        return None
    except OSError:
        if os.path.islink(path):
            raise Unsafe(f"{path} is a symbolic link") from None
        raise
    try:
        status = os.fstat(descriptor)
        check_private(status, stat.S_ISREG(status.st_mode), path)
        if status.st_size > _LONGEST:
            raise Damaged("it is too long")
        data = os.read(descriptor, status.st_size)
        parts = decode(data)
        if sys.platform == "darwin":
            _keep_from_cleaner(descriptor, status.st_mtime, parts[0])
    finally:
        os.close(descriptor)
    if parts[0]["TCENV_PROFILE"] != profile:
        raise Damaged("it belongs to another profile")
    return parts


def read_all(directory: str) -> Iterator[dict[str, str]]:
    """Yield the fields of each session in `directory`. Skips the sessions that cannot be read."""
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for profile in find_profiles(names):
        try:
            parts = read(directory, profile)
        except (Damaged, Unsafe, OSError):
            continue
        if parts is not None:
            yield parts[0]
