"""Sessions as files of the user's own: the `runtime` and the `file` store."""

from __future__ import annotations

import os

from tcenv import paths
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import sweep, write_privately
from tcenv.sessions import session_file as sessionfile
from tcenv.sessions.session import Session


class DirectoryStore:
    """Sessions as files that shells can read: the `runtime` and the `file` store."""

    def __init__(self, name: str, directory: str) -> None:
        self.name = name
        self.directory = directory

    def load(self, profile: str) -> Session | None:
        try:
            found = sessionfile.read(self.directory, profile)
            return found and Session.from_parts(*found)
        except sessionfile.Damaged as damaged:
            raise DamagedSession(f"The stored session of {profile} is damaged: {damaged}.") from None
        except (paths.Unsafe, OSError) as error:
            raise self._refusal(error) from None

    def stamp(self, profile: str) -> object:
        """Something that is another whenever the session of `profile` has been written anew; None where there is none."""
        try:
            found = os.stat(os.path.join(self.directory, profile + sessionfile.SUFFIX))
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def save(self, session: Session) -> None:
        path = os.path.join(self.directory, session.profile + sessionfile.SUFFIX)
        try:
            write_privately(path, session.encode(), durable=self.name == "file")
        except OSError as error:
            raise self._refusal(error) from None

    def forget(self, profile: str) -> bool:
        try:
            if not paths.check_directory(self.directory):
                return False
            sweep(self.directory)
            path = os.path.join(self.directory, profile + sessionfile.SUFFIX)
            # On a read-only disk, `unlink` refuses whatever is or is not there.
            if not os.path.lexists(path):
                return False
            os.unlink(path)
        except FileNotFoundError:
            return False
        except (paths.Unsafe, OSError) as error:
            raise self._refusal(error) from None
        return True

    def profiles(self) -> list[str]:
        try:
            if not paths.check_directory(self.directory):
                return []
            names = os.listdir(self.directory)
        except (paths.Unsafe, OSError) as error:
            raise self._refusal(error) from None
        cut = -len(sessionfile.SUFFIX)
        return sorted(name[:cut] for name in names if name.endswith(sessionfile.SUFFIX) and name[0] != ".")

    def _refusal(self, error: Exception) -> StoreError:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return StoreError(
            f"The {self.name} store cannot be used: {reason}.",
            f"It is {self.directory}: yours alone (chmod 700), its files too (chmod 600). Or choose another: TCENV_STORE.",
        )
