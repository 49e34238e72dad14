"""The store that keeps nothing. Its only session is the one that this shell has loaded."""

from __future__ import annotations

import os

from tcenv.deployment.credentials import Credentials
from tcenv.errors import UsageError
from tcenv.sessions.session import Session
from tcenv.shells import environment

# The environment tells when a session ends, but not when it was created. Treat it as nearly over from this many seconds
# before its end.
_NEARLY_OVER = 600


class NoStore:
    """A store that keeps nothing. `login` still exports; `exec`, `status` and `logout` use the session that this shell
    has loaded."""

    name = "none"
    where = ""
    keeps = False
    is_file_based = False
    needs_disk_encryption = False
    asks_after_renewal = False

    def __init__(self, reason: str = "the store is none") -> None:
        self.reason = reason

    def get_path(self, profile: str) -> str:
        return ""

    def read_generation(self, profile: str) -> str | None:
        return None

    def clear(self) -> None:
        return None

    def load(self, profile: str) -> Session | None:
        return load_from_environment(profile)

    def save(self, session: Session) -> None:
        return None

    def forget(self, profile: str) -> bool:
        return load_from_environment(profile) is not None

    def list_profiles(self) -> list[str]:
        name = environment.get_loaded_profile(os.environ)
        return [name] if name and load_from_environment(name) else []


def load_from_environment(profile: str) -> Session | None:
    """Return the session of `profile` from the environment, or None if no session or another one is loaded. The
    environment tells neither its scopes nor when it was created."""
    environ = os.environ
    if environment.get_loaded_profile(environ) != profile:
        return None
    try:
        expires = int(environ[environment.EXPIRES])
        client_id = environ[environment.CLIENT_ID]
        credentials = Credentials(
            client_id, environ[environment.ACCESS_TOKEN], environ.get(environment.CERTIFICATE) or None
        )
        return Session(
            profile=profile,
            root_url=environ[environment.ROOT_URL],
            credentials=credentials,
            created=expires - 10 * _NEARLY_OVER,
            expires=expires,
            name=client_id.rpartition("/")[2],
            scopes=None,
        )
    except (KeyError, ValueError, UsageError):
        return None
