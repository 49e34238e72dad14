"""Where sessions live: which store is the one. Only the stores and the hot path read stored tokens; neither shows one."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from tcenv import paths
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import make_private_directory
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.keyring_store import KeyringStore
from tcenv.sessions.no_store import NoStore
from tcenv.sessions.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


class Store(Protocol):
    """A place for sessions, one a profile.

    `name` is what the user calls it. `keeps` is False where nothing outlives this process, and `reason` says why.
    `is_file_based` says whether the files hold all of a session, its token included. `where` tells this store from others of
    its kind (empty: nothing is kept)."""

    name: str
    keeps: bool
    reason: str
    is_file_based: bool

    @property
    def where(self) -> str: ...

    def file(self, profile: str) -> str:
        """Return the path of the file whose first line changes with the session of `profile`; empty where there is none."""

    def generation(self, profile: str) -> str | None:
        """Return the generation of the session of `profile` without its token; None where there is none that could be read."""

    def load(self, profile: str) -> Session | None:
        """Return the session of `profile`; None where there is none. Raises DamagedSession, StoreError."""

    def save(self, session: Session) -> None:
        """Put the session in place of its profile's former one, whole. Raises StoreError."""

    def forget(self, profile: str) -> bool:
        """Remove the session of `profile`, readable or not; False where there was none. Raises StoreError."""

    def profiles(self) -> list[str]:
        """Return the profiles that have a session. Raises StoreError."""

    def clear(self) -> None:
        """Remove what writers that were interrupted have left. Raises StoreError."""


def open_store(wanted: str = "auto", say: Callable[[str], None] = lambda text: None, *, unlock: bool = True) -> Store:
    """Open the store called `wanted`; `auto` takes the first of runtime, keyring and none that works here. `say` gets a
    sentence about a directory that another user has taken. Unless `unlock`, the user is never asked to unlock a keyring.

    Raises StoreError. A runtime directory of the user's own that is open to others is an error and no reason to go elsewhere."""
    if wanted in ("auto", "runtime"):
        runtime = _runtime_store(say)
        if runtime is not None:
            return runtime
        if wanted == "runtime":
            raise StoreError(
                "There is no runtime store: neither XDG_RUNTIME_DIR nor /run/user nor /dev/shm offers a directory for it.",
                "Choose another one: TCENV_STORE=keyring, file or none.",
            )
    if wanted == "file":
        return DirectoryStore("file", paths.file_store_directory(), durable=True)
    if wanted in ("auto", "keyring"):
        keyring = KeyringStore.of_this_machine(chosen=wanted == "keyring", unlock=unlock)
        if keyring is not None:
            return keyring
        if wanted == "keyring":
            raise StoreError("There is no keyring on this machine.", "Choose another store: TCENV_STORE=file or none.")
    if wanted == "none":
        return NoStore("the store is none")
    return NoStore("this machine has no runtime directory and no keyring")


def _runtime_store(say: Callable[[str], None]) -> Store | None:
    try:
        directory = paths.runtime_directory()
        if directory is None:
            squatted = paths.squatter() if hasattr(os, "geteuid") else None
            if squatted:
                say(f"{squatted}: no session is kept there.")
            return None
        make_private_directory(directory)
    except paths.Unsafe as unsafe:
        raise StoreError(
            f"tcenv does not use this directory: {unsafe}.",
            "Make it yours alone (chmod 700), or unset XDG_RUNTIME_DIR.",
        ) from None
    except OSError:
        return None
    return DirectoryStore("runtime", directory)


def everywhere(store: Store) -> list[Store]:
    """`store`, and all other places where sessions of this user may be: what is signed out of must be left in none."""
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


def place(store: Store) -> str:
    """Return what tells this store from those of other machines, containers and users that may share the state directory. A
    session that was stored here and is not here any more is lost. Empty for a store that keeps nothing."""
    if not store.keeps:
        return ""
    import hashlib
    import socket

    user = os.geteuid() if hasattr(os, "geteuid") else ""
    return hashlib.sha256(f"{socket.gethostname()}\0{user}\0{store.where}".encode()).hexdigest()[:16]


def load_session(store: Store, profile: str, root_url: str, say: Callable[[str], None]) -> Session | None:
    """Load the session of `profile` on `root_url`, live or expired. A damaged session, or one of another deployment, counts as
    none, and `say` gets a sentence about it. Raises StoreError."""
    try:
        session = store.load(profile)
    except DamagedSession as damaged:
        say(f"{damaged.message} It is treated as absent.")
        return None
    if session is not None and session.root_url != root_url:
        say(f"The stored session of {profile} is for {session.root_url}, not for {root_url}: it is not used.")
        return None
    return session
