"""Keep sessions in files, and only their access tokens in the operating system's keyring."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tcenv import paths
from tcenv.errors import DamagedSession, Hint, StoreError
from tcenv.files import hold_lock, write_privately
from tcenv.sessions import session_file
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.profile_names import get_file_name
from tcenv.sessions.session import Session
from tcenv.shells.environment import ACCESS_TOKEN, GENERATION

if TYPE_CHECKING:
    from typing import Any

_SERVICE = "tcenv"
# The library's backends for the keyrings of operating systems. Some of its other backends write plain files.
_SYSTEM_BACKENDS = ("SecretService", "libsecret", "kwallet", "macOS", "Windows")
_BACKENDS = {"darwin": "keyring.backends.macOS.Keyring", "win32": "keyring.backends.Windows.WinVaultKeyring"}
_DBUS_BACKEND = "keyring.backends.SecretService"
# Each profile has two items. A writer uses the free one and never replaces the one in use, so a session is whole at any
# time.
_ITEMS = ("1", "2")
# The suffix of a file that exists while the keyring may hold an item of its profile.
_MARK = ".items"
# How often to read a file whose item is missing: a writer may be replacing both.
_ATTEMPTS = 3


def _is_system_keyring(backend: Any) -> bool:
    module = type(backend).__module__
    return module.startswith("keyring.backends.") and module.split(".")[2] in _SYSTEM_BACKENDS


def _load_known_backend() -> Any:
    """Return the backend of this system's keyring without a search. Returns None if the user has configured the library,
    or if the system may have several keyrings and none is known to work."""
    if paths.has_keyring_configuration():
        return None
    # Loading fails if the keyring does not work.
    with suppress(Exception):
        if sys.platform not in _BACKENDS:
            from tcenv.sessions import secret_service

            if not secret_service.is_known():
                return None
        from keyring.core import load_keyring

        return load_keyring(_BACKENDS.get(sys.platform, f"{_DBUS_BACKEND}.Keyring"))
    return None


def _search_backend() -> Any:
    """Search for a backend that works, as the library does. Returns None if there is none."""
    import keyring
    from keyring.backends import chainer, fail, null

    backend: Any = keyring.get_keyring()
    if isinstance(backend, chainer.ChainerBackend):
        backend = next((each for each in backend.backends if _is_system_keyring(each)), None)
    if isinstance(backend, (fail.Keyring, null.Keyring)):
        return None
    if type(backend).__module__ == _DBUS_BACKEND:
        from tcenv.sessions import secret_service

        secret_service.remember()
    return backend


class KeyringStore(DirectoryStore):
    """A store that keeps the access token in the keyring, through the `keyring` library, and all the rest in files.

    An item holds the generation and the token, and the file names the item. A writer fills the free item, replaces the
    file and deletes the other item. After an interruption, the next writer removes what is left."""

    is_file_based = False
    asks_after_renewal = sys.platform == "darwin"

    def __init__(self, backend: Any, *, unlock: bool = True) -> None:
        """Let the keyring ask the user to unlock it only if `unlock` is true."""
        super().__init__("keyring", paths.keyring_directory())
        self._keyring = backend
        self._unlock = unlock

    @property
    def where(self) -> str:
        return self.name

    @classmethod
    def of_this_machine(cls, *, chosen: bool, unlock: bool = True) -> KeyringStore | None:
        """Return the store in the operating system's own keyring, or None if no keyring works. Use another kind of
        backend, such as one that writes a plain file, only if the user chose both the keyring as the store and that
        backend. A locked keyring may ask the user to unlock it, unless `unlock` is False."""
        try:
            backend = _load_known_backend() or _search_backend()
            if backend is None:
                return None
            if not chosen:
                if not _is_system_keyring(backend):
                    return None
                if unlock:
                    backend.get_password(_SERVICE, "?")
        except Exception:
            # The library and its backends raise their own kinds of errors. Any of them means that no keyring works.
            return None
        return cls(backend, unlock=unlock)

    @staticmethod
    def is_used() -> bool:
        """Return whether the keyring may hold an item of tcenv."""
        with suppress(OSError):
            return any(name.endswith(_MARK) for name in os.listdir(paths.keyring_directory()))
        return False

    def _check_unlocked(self) -> None:
        """Raise StoreError if reading would ask the user to unlock the keyring, as far as a backend tells without
        asking."""
        if self._unlock or type(self._keyring).__module__ != _DBUS_BACKEND:
            return
        import secretstorage

        with self._convert_errors():
            connection = secretstorage.dbus_init()
            try:
                is_locked = secretstorage.Collection(connection).is_locked()
            finally:
                connection.close()
        if is_locked:
            raise StoreError("The keyring is locked.", Hint("Unlock it, or sign in again:", ("tcenv", "login")))

    def load(self, profile: str) -> Session | None:
        self._check_unlocked()
        for _ in range(_ATTEMPTS):
            parts = self._read(profile)
            if parts is None:
                return None
            fields, scopes, asked, expansions = parts
            generation, _, token = (self._get_item(profile, fields.get(session_file.ITEM, "")) or "").partition(" ")
            if token and generation == fields[GENERATION]:
                return Session.from_parts({**fields, ACCESS_TOKEN: token}, scopes, asked, expansions)
        return None

    def save(self, session: Session) -> None:
        profile, fields = session.profile, session.encode_fields()
        with self._lock(profile):
            parts = None
            with suppress(DamagedSession):
                parts = self._read(profile)
            former = parts[0].get(session_file.ITEM) if parts else None
            item, other = reversed(_ITEMS) if former == _ITEMS[0] else _ITEMS
            write_privately(self._get_mark_path(profile), b"")
            with self._convert_errors():
                self._keyring.set_password(
                    _SERVICE, session_file.name_item(profile, item), f"{fields[GENERATION]} {fields[ACCESS_TOKEN]}"
                )
            fields |= {ACCESS_TOKEN: "", session_file.ITEM: item}
            self._write(profile, session_file.encode(fields, session.scopes, session.asked, session.expansions))
            self._delete_item(profile, other)

    def forget(self, profile: str) -> bool:
        if not os.path.lexists(self._get_mark_path(profile)) and not os.path.lexists(self.get_path(profile)):
            return False
        with self._lock(profile):
            existed = super().forget(profile)
            for item in _ITEMS:
                self._delete_item(profile, item)
            with suppress(OSError):
                os.unlink(self._get_mark_path(profile))
        return existed

    def clear(self) -> None:
        super().clear()
        for profile in set(self._find_profiles(_MARK)) - set(self.list_profiles()):
            self.forget(profile)

    def _get_item(self, profile: str, item: str) -> str | None:
        with self._convert_errors():
            text: str | None = self._keyring.get_password(_SERVICE, session_file.name_item(profile, item))
        return text

    def _delete_item(self, profile: str, item: str) -> None:
        from keyring.errors import PasswordDeleteError

        if self._get_item(profile, item) is not None:
            with self._convert_errors(), suppress(PasswordDeleteError):
                self._keyring.delete_password(_SERVICE, session_file.name_item(profile, item))

    def _get_mark_path(self, profile: str) -> str:
        return f"{self.directory}/{get_file_name(profile)}{_MARK}"

    @contextmanager
    def _lock(self, profile: str) -> Iterator[None]:
        """Hold the lock for changes to the items of `profile`. Raises StoreError."""
        try:
            with hold_lock(self.get_path(profile)):
                yield
        except OSError as error:
            raise self._make_error(error) from None

    @contextmanager
    def _convert_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # The library's backends raise their own kinds of errors. None of them needs a traceback.
            raise StoreError(
                f"The keyring cannot be used ({type(error).__name__}).",
                "Unlock it, or choose another store: TCENV_STORE=runtime, file or none.",
            ) from None
