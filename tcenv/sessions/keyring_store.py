"""Sessions in the operating system's keyring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tcenv import paths
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import locked, write_privately
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.session import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SERVICE = "tcenv"


# The library's backends that are a system's own; among the others are some that write plain files.
_SYSTEMS = ("SecretService", "libsecret", "kwallet", "macOS", "Windows")


def _is_the_systems(backend: Any) -> bool:
    module = type(backend).__module__
    return module.startswith("keyring.backends.") and module.split(".")[2] in _SYSTEMS


def _list() -> str:
    return os.path.join(paths.state_directory(), "keyring-profiles")


class KeyringStore:
    """Sessions in the operating system's keyring, through the `keyring` library.

    A keyring cannot be listed: a note of our own, which holds no secret, names the profiles."""

    name = "keyring"

    def __init__(self, backend: Any) -> None:
        self._keyring = backend

    @classmethod
    def of_this_machine(cls, *, chosen: bool) -> KeyringStore | None:
        """The store in the operating system's own keyring, None where there is none that works. A backend of another kind, like
        one that writes a plain file, is taken only where the user has chosen both the keyring as the store and that backend. A
        keyring that is locked may ask the user to unlock it."""
        try:
            import keyring
            from keyring.backends import chainer, fail, null

            backend: Any = keyring.get_keyring()
            if isinstance(backend, chainer.ChainerBackend):
                backend = next((each for each in backend.backends if _is_the_systems(each)), None)
            if backend is None or isinstance(backend, (fail.Keyring, null.Keyring)):
                return None
            if not chosen:
                if not _is_the_systems(backend):
                    return None
                backend.get_password(_SERVICE, "?")
        except Exception:
            # The library and its backends raise errors of their own kinds: whatever it is, it is no keyring.
            return None
        return cls(backend)

    @staticmethod
    def noted() -> bool:
        """Whether a session may be in a keyring, by our own note."""
        return os.path.exists(_list())

    def load(self, profile: str) -> Session | None:
        with self._failing():
            text = self._keyring.get_password(_SERVICE, profile)
        if text is None:
            return None
        try:
            session = Session.from_parts(*sessionfile.decode(text.encode("ascii", "replace")))
        except sessionfile.Damaged as damaged:
            raise DamagedSession(f"The stored session of {profile} is damaged: {damaged}.") from None
        if session.profile != profile:
            raise DamagedSession(f"The stored session of {profile} belongs to another profile.")
        return session

    def save(self, session: Session) -> None:
        with self._failing():
            self._keyring.set_password(_SERVICE, session.profile, session.encode().decode("ascii"))
        self._note(session.profile, is_kept=True)

    def forget(self, profile: str) -> bool:
        from keyring.errors import PasswordDeleteError

        self._note(profile, is_kept=False)
        with self._failing():
            if self._keyring.get_password(_SERVICE, profile) is None:
                return False
            try:
                self._keyring.delete_password(_SERVICE, profile)
            except PasswordDeleteError:
                return False
        return True

    def profiles(self) -> list[str]:
        try:
            with open(_list(), encoding="ascii", opener=paths.trusted_or_ignored) as file:
                return sorted(set(file.read().split()))
        except (OSError, UnicodeDecodeError):
            return []

    def _note(self, profile: str, *, is_kept: bool) -> None:
        """Note that a session of `profile` is in the keyring, or is not."""
        with suppress(OSError, StoreError), locked(_list()):
            profiles = set(self.profiles())
            if (profile in profiles) != is_kept:
                profiles ^= {profile}
                write_privately(_list(), "".join(f"{name}\n" for name in sorted(profiles)).encode())

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # The library's backends raise errors of their own kinds; none is worth a traceback.
            raise StoreError(
                f"The keyring cannot be used ({type(error).__name__}).",
                "Unlock it, or choose another store: TCENV_STORE=runtime, file or none.",
            ) from None
