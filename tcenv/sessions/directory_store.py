"""Keep sessions in files that belong to the user: the `runtime` and `file` stores, and the base of the keyring
store."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from tcenv import paths
from tcenv.errors import DamagedSession, StoreError
from tcenv.files import sweep, write_privately
from tcenv.sessions import session_file
from tcenv.sessions.session import Session

if TYPE_CHECKING:
    from tcenv.sessions.session_file import Parts


class DirectoryStore:
    """A store that keeps each session, including its access token, in a file of one directory.

    `durable` waits until each file is on the disk, so that a power cut cannot lose it."""

    keeps = True
    reason = ""
    is_file_based = True
    asks_after_renewal = False

    def __init__(self, name: str, directory: str, *, durable: bool = False) -> None:
        self.name = name
        self.directory = directory
        self._durable = durable

    @property
    def needs_disk_encryption(self) -> bool:
        """Only macOS has the runtime store on a disk."""
        return self.name == "runtime" and sys.platform == "darwin"

    @property
    def where(self) -> str:
        return self.directory

    def get_path(self, profile: str) -> str:
        return session_file.get_path(self.directory, profile)

    def read_generation(self, profile: str) -> str | None:
        try:
            parts = session_file.read(self.directory, profile)
        except (session_file.Damaged, paths.Unsafe, OSError):
            return None
        return parts and parts[0]["GENERATION"]

    def load(self, profile: str) -> Session | None:
        parts = self._read(profile)
        return parts and Session.from_parts(*parts)

    def save(self, session: Session) -> None:
        self._write(session.profile, session.encode())

    def forget(self, profile: str) -> bool:
        try:
            if not paths.check_directory(self.directory):
                return False
            sweep(self.directory)
            # On a read-only disk `unlink` fails even for a file that does not exist.
            if not os.path.lexists(self.get_path(profile)):
                return False
            os.unlink(self.get_path(profile))
        except FileNotFoundError:
            return False
        except (paths.Unsafe, OSError) as error:
            raise self._make_error(error) from None
        return True

    def list_profiles(self) -> list[str]:
        return self._find_profiles(session_file.SUFFIX)

    def clear(self) -> None:
        sweep(self.directory)

    def _find_profiles(self, suffix: str) -> list[str]:
        """Return the profiles that have a file with this suffix. Raises StoreError."""
        try:
            if not paths.check_directory(self.directory):
                return []
            names = os.listdir(self.directory)
        except (paths.Unsafe, OSError) as error:
            raise self._make_error(error) from None
        return session_file.find_profiles(names, suffix)

    def _read(self, profile: str) -> Parts | None:
        try:
            return session_file.read(self.directory, profile)
        except session_file.Damaged as damaged:
            raise DamagedSession(f"The stored session of {profile} is damaged: {damaged}.") from None
        except (paths.Unsafe, OSError) as error:
            raise self._make_error(error) from None

    def _write(self, profile: str, data: bytes) -> None:
        try:
            write_privately(self.get_path(profile), data, durable=self._durable)
        except OSError as error:
            raise self._make_error(error) from None

    def _make_error(self, error: Exception) -> StoreError:
        if isinstance(error, OSError) and not isinstance(error, PermissionError):
            reason, fix = error.strerror, f"Free space on the disk of {self.directory}"
        else:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            fix = f"Make {self.directory} private (chmod 700, its files chmod 600)"
        return StoreError(
            f"The {self.name} store cannot be used: {reason}.", f"{fix}, or choose another store: TCENV_STORE."
        )
