"""Where sessions live: which store is the one. Only the stores and the hot path read stored tokens; neither shows one."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from tcenv import paths
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import make_private_directory
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.keyring_store import KeyringStore
from tcenv.sessions.no_store import NoStore
from tcenv.sessions.session import Session


class Store(Protocol):
    """A place for sessions, one a profile."""

    name: str

    def load(self, profile: str) -> Session | None:
        """The session of `profile`, None where there is none. Raises DamagedSession, StoreError."""

    def save(self, session: Session) -> None:
        """Put the session in place of its profile's former one, whole. Raises StoreError."""

    def forget(self, profile: str) -> bool:
        """Remove the session of `profile`, readable or not; False where there was none. Raises StoreError."""

    def profiles(self) -> list[str]:
        """The profiles that have a session. Raises StoreError."""


def open_store(wanted: str = "auto") -> Store:
    """The store called `wanted`; `auto` is the first of runtime, keyring, none that works on this machine.

    Raises StoreError. A runtime directory that is there but unsafe is an error and no reason to go elsewhere."""
    if wanted in ("auto", "runtime"):
        directory = paths.runtime_directory()
        if directory is not None and os.access(os.path.dirname(directory), os.W_OK | os.X_OK):
            make_private_directory(directory)
            return DirectoryStore("runtime", directory)
        if wanted == "runtime":
            raise StoreError(
                "There is no runtime store: XDG_RUNTIME_DIR names no directory that can be written.",
                "Choose another one: TCENV_STORE=keyring, file or none.",
            )
    if wanted == "file":
        return DirectoryStore("file", paths.file_store_directory())
    if wanted in ("auto", "keyring"):
        keyring = KeyringStore()
        if keyring.usable():
            return keyring
        if wanted == "keyring":
            raise StoreError("There is no keyring on this machine.", "Choose another store: TCENV_STORE=file or none.")
    return NoStore()


def in_files(store: Store) -> bool:
    """Whether the store keeps its sessions in files, which prompt hooks and direnv's library read."""
    return store.name in ("runtime", "file")


def load_session(store: Store, profile: str, root_url: str, say: Callable[[str], None]) -> Session | None:
    """The session of `profile` on `root_url`, live or expired. A damaged one, or one of another deployment, counts as none
    and is said so. Raises StoreError."""
    try:
        session = store.load(profile)
    except DamagedSession as damaged:
        say(f"{damaged.message} It is treated as absent.")
        return None
    if session is not None and session.root_url != root_url:
        say(f"The stored session of {profile} is for {session.root_url}, not for {root_url}: it is not used.")
        return None
    return session
