"""Sessions in the operating system's keyring."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tcenv import paths
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import write_privately
from tcenv.sessions import file as sessionfile
from tcenv.sessions.session import Session

_SERVICE = "tcenv"


class KeyringStore:
    """Sessions in the operating system's keyring, through the `keyring` library.

    A keyring cannot be listed: a note of our own, which holds no secret, names the profiles."""

    name = "keyring"

    def __init__(self) -> None:
        import keyring

        self._keyring = keyring

    def usable(self) -> bool:
        """Whether there is a real keyring behind it. One that is locked may ask the user to unlock it."""
        from keyring.backends import chainer, fail, null

        try:
            backend = self._keyring.get_keyring()
            if isinstance(backend, chainer.ChainerBackend):
                return bool(backend.backends)
            return not isinstance(backend, (fail.Keyring, null.Keyring))
        except Exception:
            return False

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
        self._note({*self.profiles(), session.profile})

    def forget(self, profile: str) -> bool:
        from keyring.errors import PasswordDeleteError

        self._note(set(self.profiles()) - {profile})
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
            with open(self._list(), encoding="ascii") as file:
                return sorted(set(file.read().split()))
        except (OSError, UnicodeDecodeError):
            return []

    def _list(self) -> str:
        return os.path.join(paths.state_directory(), "keyring-profiles")

    def _note(self, profiles: set[str]) -> None:
        with suppress(OSError, StoreError):
            write_privately(self._list(), "".join(f"{name}\n" for name in sorted(profiles)).encode())

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
