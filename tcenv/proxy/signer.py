"""Choose the credentials that sign a request: those of the session that is in the store now, narrowed to the run's scopes.

Running programs use a new token from their next request on. Tokens leave this module only as signatures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tcenv.deployment.credentials import Credentials
from tcenv.errors import Hint, StoreError, TcenvError, make_login_command
from tcenv.proxy.callers import narrow
from tcenv.proxy.header_length import count_fitting
from tcenv.sessions.lock import is_held
from tcenv.sessions.profile_names import get_argument
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, load_session
from tcenv.sessions.temporary import shorten

# Seconds that a request waits for a reset in progress, and between two checks of it.
RESET_TIMEOUT = 10.0
_RESET_INTERVAL = 0.05


class SessionEnded(TcenvError):
    """No session is left to sign with. The message tells which command to type."""


@dataclass(frozen=True)
class Authority:
    """The credentials that sign a request, and the scopes to which it is narrowed (None: all that they hold).

    `held` are the scopes that the session may pass on, None if they are unknown. `shorten` leaves out of a list of
    scopes those that another one covers."""

    credentials: Credentials
    scopes: tuple[str, ...] | None
    held: tuple[str, ...] | None = field(repr=False)
    shorten: Callable[[Sequence[str]], tuple[str, ...]] = field(default=tuple, repr=False, compare=False)


class Signer:
    """Follow the session of one profile through resets, renewals and new sign-ins.

    `scopes` are those to which the run is narrowed (None: not narrowed). `until` is the run's own end (seconds since
    the epoch; None: the run lasts as long as the session). `session` is the session as it was last read."""

    def __init__(
        self,
        store: Store,
        first: Session,
        *,
        scopes: tuple[str, ...] | None = None,
        until: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.profile = first.profile
        self.root_url = first.root_url
        self.until = until
        self._store = store
        self._scopes = scopes
        self._clock = clock
        self._is_fixed = not store.keeps
        # Force the first check to read the store: the session may have changed since it was read for the start.
        self._generation: str | None = ""
        self._use_session(first)

    async def get_authority(self) -> Authority:
        """Return the credentials and scopes for the next request. Raises SessionEnded."""
        generation = None if self._is_fixed else self._store.read_generation(self.profile)
        if generation != self._generation and not self._is_fixed:
            self._generation = generation
            if self._store.is_file_based:
                self._read()
            else:
                # A keyring may be slow.
                await asyncio.to_thread(self._read)
        return self._require_authority()

    async def find_newer(self, refused: Authority) -> Authority | None:
        """Return the authority of a newer session after the deployment has refused `refused`, or None if there is none.
        Waits for a reset in progress. Raises SessionEnded."""
        end = time.monotonic() + RESET_TIMEOUT
        while True:
            # Look for a reset before reading: a reset that ends between the two has already stored its session.
            is_resetting = not self._is_fixed and is_held(self.profile)
            await asyncio.to_thread(self._read)
            if self.session is not None or not is_resetting:
                authority = self._require_authority()
                if authority.credentials != refused.credentials:
                    return authority
            if not is_resetting or time.monotonic() > end:
                return None
            await asyncio.sleep(_RESET_INTERVAL)

    def _read(self) -> None:
        if self._is_fixed:
            return
        try:
            self._use_session(load_session(self._store, self.profile, self.root_url, lambda text: None))
        except StoreError:
            self._use_session(None)
            self._generation = ""

    def _use_session(self, session: Session | None) -> None:
        self.session = session
        self._authority: Authority | None = None
        if session is not None:
            held = session.usable_scopes
            scopes = self._scopes if self._scopes is None else narrow(held, self._scopes)
            if scopes is None and held != session.scopes and held is not None:
                # Programs do not get the scopes that tcenv requested to delete its own client.
                shorter = shorten(held, session.expansions, session.scopes)
                fits = count_fitting(session.credentials.client_id, shorter) == len(shorter)
                scopes = held if fits else None
            self._authority = Authority(
                session.credentials,
                scopes,
                held,
                lambda asked: shorten(asked, session.expansions, session.scopes),
            )

    def _require_authority(self) -> Authority:
        now = self._clock()
        if self.until is not None and now >= self.until:
            raise SessionEnded("This run has expired.")
        hint = Hint("Sign in again:", make_login_command(get_argument(self.profile, self.root_url)))
        if self.session is None or self._authority is None:
            raise SessionEnded(f"Signed out of {self.profile}. {hint}")
        if not self.session.is_live(now):
            raise SessionEnded(f"The session of {self.profile} has expired. {hint}")
        return self._authority
