"""Sessions: immutable values that are validated when they are created."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tcenv.deployment.credentials import Credentials
from tcenv.deployment.patterns import CLIENT_ID, SCOPE
from tcenv.deployment.rooturl import parse_root_url
from tcenv.errors import DamagedSession
from tcenv.sessions import session_file
from tcenv.sessions.name_series import drop_deletion_scopes
from tcenv.sessions.profile_names import get_argument, get_stored_argument, is_profile_name
from tcenv.shells import environment

#: tcenv has deleted the client to free its name for a new sign-in, which is not complete yet.
ENDED = "ended"
#: A reset of the token is under way or was interrupted: ask the deployment whether the stored token is still good.
RESETTING = "resetting"
STATES = (ENDED, RESETTING)


@dataclass(frozen=True)
class Session:
    """Permanent credentials on one deployment, with their details. Times are seconds since the epoch.

    `scopes` is None if the deployment did not tell them. `asked` are the requested scopes, with the right to delete the
    session's own client. `name` is the requested client name (of the series, see `name_series`). `state` is empty,
    `ENDED` or `RESETTING`. `chosen` says that the user named the scopes for this sign-in alone, by an option, a variable
    or a purpose. `expansions` says what the roles among its scopes cover (see `expansions`)."""

    profile: str
    root_url: str
    credentials: Credentials
    created: int
    expires: int
    name: str
    scopes: tuple[str, ...] | None
    asked: tuple[str, ...] = ()
    state: str = ""
    chosen: bool = False
    expansions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not is_profile_name(self.profile):
            raise ValueError("not a profile")
        if parse_root_url(self.root_url) != self.root_url:
            raise ValueError("not a root URL")
        if not CLIENT_ID.fullmatch(self.name):
            raise ValueError("not a client name")
        if not all(SCOPE.fullmatch(scope) for scope in (*(self.scopes or ()), *self.asked, *self.expansions)):
            raise ValueError("not a scope")
        if self.state not in ("", *STATES):
            raise ValueError("not a state")

    @property
    def argument(self) -> str:
        """The command-line words that name this session's profile in any environment."""
        return get_argument(self.profile, self.root_url)

    @property
    def stored_argument(self) -> str:
        """The same for commands that take no `--root-url`."""
        return get_stored_argument(self.profile, self.root_url)

    @property
    def renew(self) -> int:
        """The time from which `login` renews this session: for the last tenth of its life, at most the last 10 minutes."""
        return self.expires - min((self.expires - self.created) // 10, 600)

    def is_live(self, now: float | None = None) -> bool:
        return (time.time() if now is None else now) < self.expires

    def has_time_left(self) -> bool:
        """Return whether `login` reuses this session without asking."""
        return not self.state and time.time() < self.renew

    def mark_ended(self) -> Session:
        """Return a copy of this session that is marked as one with a deleted client."""
        now = int(time.time())
        return replace(self, expires=min(self.expires, now), created=min(self.created, now), state=ENDED)

    @property
    def requested_scopes(self) -> tuple[str, ...]:
        """The scopes that the user requested."""
        return self._drop_deletion_scopes(self.asked)

    @property
    def usable_scopes(self) -> tuple[str, ...] | None:
        """The scopes that programs may get, as temporary credentials or through a proxy: those that the session holds,
        without the right to delete its own client unless the user requested that right. None if the deployment did not
        tell the scopes."""
        return None if self.scopes is None else self._drop_deletion_scopes(self.scopes)

    def _drop_deletion_scopes(self, scopes: tuple[str, ...]) -> tuple[str, ...]:
        return drop_deletion_scopes(scopes, self.asked, self.credentials.client_id, self.name)

    @property
    def generation(self) -> str:
        """A string that changes if the token changes or tcenv deletes the client. Prompt hooks compare it."""
        if self.state == ENDED:
            return session_file.ENDED
        return session_file.compute_generation(self.credentials.access_token)

    def make_loading(self, environ: Mapping[str, str] | None = None, *, file: str = "") -> dict[str, str | None]:
        """Return the change that loads this session into `environ` (None: this process's own). `file` is the session's
        file in the store, which prompt hooks compare (empty: none)."""
        fields = self.encode_fields()
        if self.credentials.certificate is not None:
            fields[environment.CERTIFICATE] = self.credentials.certificate
        return environment.make_loading(fields, os.environ if environ is None else environ, file=file)

    def encode_fields(self) -> dict[str, str]:
        """Return the session's values by their keys in its file."""
        fields = {
            environment.GENERATION: self.generation,
            environment.ACCESS_TOKEN: self.credentials.access_token,
            environment.ROOT_URL: self.root_url,
            environment.CLIENT_ID: self.credentials.client_id,
            environment.PROFILE: self.profile,
            environment.EXPIRES: str(self.expires),
            "RENEW": str(self.renew),
            "CREATED": str(self.created),
            "NAME": self.name,
        }
        if self.state:
            fields[session_file.STATE] = self.state
        if self.chosen:
            fields[session_file.CHOSEN] = "yes"
        return fields

    def encode(self) -> bytes:
        """Return the bytes of the session's file (see `session_file`)."""
        return session_file.encode(self.encode_fields(), self.scopes, self.asked, self.expansions)

    @classmethod
    def from_parts(
        cls, fields: dict[str, str], scopes: list[str] | None, asked: list[str], expansions: Sequence[str] = ()
    ) -> Session:
        """Create a session from the parts that `session_file.decode` returned. Raises DamagedSession."""
        try:
            session = cls(
                profile=fields[environment.PROFILE],
                root_url=fields[environment.ROOT_URL],
                credentials=Credentials(fields[environment.CLIENT_ID], fields[environment.ACCESS_TOKEN]),
                created=int(fields["CREATED"]),
                expires=int(fields[environment.EXPIRES]),
                name=fields["NAME"],
                scopes=None if scopes is None else tuple(scopes),
                asked=tuple(asked),
                state=fields.get(session_file.STATE, ""),
                chosen=session_file.CHOSEN in fields,
                expansions=tuple(expansions),
            )
        except Exception as error:
            raise DamagedSession("The stored session is incomplete.") from error
        if str(session.renew) != fields["RENEW"]:
            raise DamagedSession("The stored session's times contradict each other.")
        return session
