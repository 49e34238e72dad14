"""Choose and open the store for sessions. Only the stores and the hot path read stored tokens, and neither shows
one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv import paths, verbosity
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import compute_checksum, make_private_directory
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.keyring_store import KeyringStore
from tcenv.sessions.no_store import NoStore
from tcenv.sessions.session import Session

if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Store(Protocol):
    """A place that keeps one session for each profile.

    `name` is the word by which the user chooses it. `keeps` is False if nothing outlives this process; `reason` says
    why. `is_file_based` says whether the files hold all of a session, including its token. `needs_disk_encryption` says
    whether the tokens are on a disk though the user has not chosen that. `asks_after_renewal` says whether the system
    asks the user for permission again after each renewal. `where` distinguishes this store from others of the same kind
    (empty: it keeps nothing)."""

    name: str
    keeps: bool
    reason: str
    is_file_based: bool

    @property
    def needs_disk_encryption(self) -> bool: ...

    @property
    def asks_after_renewal(self) -> bool: ...

    @property
    def where(self) -> str: ...

    def get_path(self, profile: str) -> str:
        """Return the path of the file whose first line changes with the session of `profile`, or "" if there is no such
        file."""

    def read_generation(self, profile: str) -> str | None:
        """Return the generation of the session of `profile`, or None if no session can be read. Does not ask the keyring
        for the token."""

    def load(self, profile: str) -> Session | None:
        """Return the session of `profile`, or None if there is no session. Raises DamagedSession, StoreError."""

    def save(self, session: Session) -> None:
        """Replace the session of its profile with this one, completely or not at all. Raises StoreError."""

    def forget(self, profile: str) -> bool:
        """Remove the session of `profile`, even if it is damaged. Returns False if there was none. Raises
        StoreError."""

    def list_profiles(self) -> list[str]:
        """Return the profiles that have a session. Raises StoreError."""

    def clear(self) -> None:
        """Remove what interrupted writers have left behind. Raises StoreError."""


# Why there is no runtime store, by platform.
_NO_RUNTIME = {
    "linux": "XDG_RUNTIME_DIR, /run/user and /dev/shm have no directory for it",
    "darwin": "XDG_RUNTIME_DIR and your own temporary directory cannot be used for it",
    "win32": "XDG_RUNTIME_DIR has no directory for it",
}


def open_store(name: str = "auto", say: Callable[[str], None] = lambda text: None, *, unlock: bool = True) -> Store:
    """Open the store `name`. `auto` opens the first of `runtime`, `keyring` and `none` that works here. Passes a sentence
    to `say` if another user has taken a directory. Does not ask the user to unlock a keyring unless `unlock` is true.

    Raises StoreError, also if the user's own runtime directory is open to other users: `auto` then uses no other
    store."""
    store = _open_store(name, say, unlock=unlock)
    verbosity.log(f"Store {store.name}{f' in {store.where}' if store.keeps else ''}.")
    return store


def _open_store(name: str, say: Callable[[str], None], *, unlock: bool) -> Store:
    if name in ("auto", "runtime"):
        runtime = _open_runtime_store(say)
        if runtime is not None:
            return runtime
        if name == "runtime":
            raise StoreError(
                f"There is no runtime store: {_NO_RUNTIME.get(sys.platform, _NO_RUNTIME['linux'])}.",
                "Choose another one: TCENV_STORE=keyring, file or none.",
            )
    if name == "file":
        return DirectoryStore("file", paths.file_store_directory(), durable=True)
    if name in ("auto", "keyring"):
        keyring = KeyringStore.of_this_machine(chosen=name == "keyring", unlock=unlock)
        if keyring is not None:
            return keyring
        if name == "keyring":
            raise StoreError("There is no keyring on this machine.", "Choose another store: TCENV_STORE=file or none.")
    if name == "none":
        return NoStore()
    return NoStore("this machine has no runtime directory and no keyring")


def _open_runtime_store(say: Callable[[str], None]) -> Store | None:
    try:
        directory = paths.runtime_directory()
        if directory is None:
            squatted = paths.describe_squatter()
            if squatted:
                say(f"{squatted}: no session is stored there.")
            return None
        make_private_directory(directory)
    except paths.Unsafe as unsafe:
        raise StoreError(
            f"tcenv does not use this directory: {unsafe}.",
            "Make it private (chmod 700), or unset XDG_RUNTIME_DIR.",
        ) from None
    except OSError:
        return None
    return DirectoryStore("runtime", directory)


def list_stores(store: Store) -> list[Store]:
    """Return `store` and all other stores that may hold sessions of this user. A logout must clear all of them."""
    found: list[Store] = [store]
    seen = {store.where}
    places = [("runtime", path) for path in paths.runtime_directories()] + [("file", paths.file_store_directory())]
    for name, path in places:
        if path not in seen and os.path.isdir(path):
            with suppress(paths.Unsafe, OSError):
                paths.check_directory(path)
                found.append(DirectoryStore(name, path))
    if KeyringStore.is_used():
        keyring = KeyringStore.of_this_machine(chosen=True)
        if keyring is not None and keyring.where not in seen:
            found.append(keyring)
    return found


def compute_store_id(store: Store) -> str:
    """Return a checksum that distinguishes this store from those of other machines, containers and users that share the
    state directory. A session that was stored here and is missing now is lost. Returns "" for a store that keeps
    nothing."""
    if not store.keeps:
        return ""
    if sys.platform == "darwin":
        from tcenv import macos

        host = macos.get_host_name()
    else:
        import socket

        host = socket.gethostname()
    user = os.geteuid() if hasattr(os, "geteuid") else ""
    return compute_checksum(f"{host}\0{user}\0{store.where}".encode())


def load_session(store: Store, profile: str, root_url: str, say: Callable[[str], None]) -> Session | None:
    """Load the session of `profile` on `root_url`, live or expired. Returns None for a damaged session or one of
    another deployment, and passes a sentence about it to `say`. Raises StoreError."""
    try:
        session = store.load(profile)
    except DamagedSession as damaged:
        say(f"{damaged.message} tcenv ignores it.")
        return None
    if session is not None and session.root_url != root_url:
        say(f"The stored session of {profile} is for {session.root_url}, not for {root_url}: it is not used.")
        return None
    return session
