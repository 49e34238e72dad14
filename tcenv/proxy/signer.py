"""Decide what a request is signed with: the session that is in the store now, narrowed to what the run may have.

A new token reaches running programs with their next request. No token leaves this module but in a signature."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tcenv.deployment.credentials import Credentials
from tcenv.errors import Hint, StoreError, TcenvError, login_command
from tcenv.proxy.callers import narrowed
from tcenv.proxy.narrowing import how_many_fit
from tcenv.sessions.lock import is_held
from tcenv.sessions.profile_names import argument_of
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, load_session

# Seconds that a request waits for a reset that is in progress, and between two looks at it.
RESET_TIMEOUT = 10.0
_RESET_INTERVAL = 0.05


class Ended(TcenvError):
    """There is no session to sign with any more. The message says what to type."""


@dataclass(frozen=True)
class Authority:
    """What a request is signed with: credentials, and the scopes that it is narrowed to (None: all that they hold).

    `held` are the scopes that the session may pass on, None where nobody knows them."""

    credentials: Credentials
    scopes: tuple[str, ...] | None
    held: tuple[str, ...] | None = field(repr=False)


class Signer:
    """Follows the session of one profile through resets, renewals and new sign-ins.

    `scopes` is what the run is narrowed to, None for everything. `until` is the end of the run's own time (seconds since the
    epoch), None where it lasts as long as the session."""

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
        self._fixed = not store.keeps
        # What was read earlier may have changed since: the first look reads it once more.
        self._generation: str | None = ""
        self._take(first)

    @property
    def session(self) -> Session | None:
        """Return the session as it was last read."""
        return self._session

    async def current(self) -> Authority:
        """Return what to sign the next request with. Raises Ended."""
        generation = None if self._fixed else self._store.generation(self.profile)
        if generation != self._generation and not self._fixed:
            self._generation = generation
            if self._store.is_file_based:
                self._read()
            else:
                # A keyring may take its time.
                await asyncio.to_thread(self._read)
        return self._authority_or_end()

    async def after(self, refused: Authority) -> Authority | None:
        """Return what to sign with after the deployment has refused `refused`: a newer session, or None if there is none. Wait
        for a reset that is in progress. Raises Ended."""
        end = time.monotonic() + RESET_TIMEOUT
        while True:
            # Look for a reset first and read then: a reset that ends in between has written its session by then.
            going_on = not self._fixed and is_held(self.profile)
            await asyncio.to_thread(self._read)
            if self._session is not None or not going_on:
                authority = self._authority_or_end()
                if authority.credentials != refused.credentials:
                    return authority
            if not going_on or time.monotonic() > end:
                return None
            await asyncio.sleep(_RESET_INTERVAL)

    def _read(self) -> None:
        if self._fixed:
            return
        try:
            self._take(load_session(self._store, self.profile, self.root_url, lambda text: None))
        except StoreError:
            self._take(None)
            self._generation = ""

    def _take(self, session: Session | None) -> None:
        self._session = session
        self._authority: Authority | None = None
        if session is not None:
            held = session.passed_on
            scopes = self._scopes if self._scopes is None else narrowed(held, self._scopes)
            if scopes is None and held != session.scopes and held is not None:
                # Programs do not get the scopes that tcenv asked for to delete its own client.
                fits = how_many_fit(session.credentials.client_id, held) == len(held)
                scopes = held if fits else None
            self._authority = Authority(session.credentials, scopes, held)

    def _authority_or_end(self) -> Authority:
        now = self._clock()
        if self.until is not None and now >= self.until:
            raise Ended("The time that this run was given has passed.")
        again = Hint("Sign in again:", login_command(argument_of(self.profile, self.root_url)))
        if self._session is None or self._authority is None:
            raise Ended(f"Signed out of {self.profile}. {again}")
        if not self._session.is_live(now):
            raise Ended(f"The session of {self.profile} has expired. {again}")
        return self._authority
