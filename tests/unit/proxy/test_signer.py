"""Load the session that signs calls: from a store without files, and without a store."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from tcenv.deployment.credentials import Credentials
from tcenv.proxy import signer as module
from tcenv.sessions.no_store import NoStore
from tcenv.sessions.session import Session
from tests.proxy import CLIENT, make_session

NEWER = "NewerTokenThatNoProgramMayEverSee_-123456789"


class Keyring:
    """A store that keeps tokens in no file, but knows their generation."""

    name = "keyring"
    where = "keyring"
    keeps = True
    reason = ""
    is_file_based = False
    needs_disk_encryption = False
    asks_after_renewal = False

    def __init__(self, session: Session | None) -> None:
        self.session = session
        self.loads = 0

    def get_path(self, profile: str) -> str:
        return ""

    def read_generation(self, profile: str) -> str | None:
        return self.session.generation if self.session else None

    def load(self, profile: str) -> Session | None:
        self.loads += 1
        return self.session

    def save(self, session: Session) -> None:
        self.session = session

    def forget(self, profile: str) -> bool:
        return False

    def list_profiles(self) -> list[str]:
        return []

    def clear(self) -> None:
        return None


def test_a_keyring_is_read_for_a_new_generation_and_after_a_refusal() -> None:
    first = make_session("https://tc.example.com")
    newer = dataclasses.replace(first, credentials=Credentials(CLIENT, NEWER))

    async def check() -> None:
        store = Keyring(first)
        source = module.Signer(store, first)
        authority = await source.get_authority()
        for _ in range(100):
            assert await source.get_authority() is authority
        assert store.loads <= 1
        assert await source.find_newer(authority) is None
        store.session = newer
        again = await source.find_newer(authority)
        assert again is not None
        assert again.credentials.access_token == NEWER
        # The refusal did not read the generation, so the next call does.
        assert (await source.get_authority()).credentials == newer.credentials
        store.session = None
        with pytest.raises(module.SessionEnded):
            await source.get_authority()

    asyncio.run(check())


def test_without_a_store_the_loaded_session_is_used() -> None:
    first = make_session("https://tc.example.com")

    async def check() -> None:
        source = module.Signer(NoStore(), first, scopes=("queue:a", "hooks:x"))
        authority = await source.get_authority()
        assert authority.scopes == ("queue:a",)
        assert await source.find_newer(authority) is None

    asyncio.run(check())


def test_the_scope_to_delete_the_own_client_is_not_passed_on() -> None:
    """tcenv requests this scope for itself, and gives it to no program."""
    own = f"auth:delete-client:{CLIENT}"
    asked = ("queue:a", own)
    first = make_session("https://tc.example.com", scopes=asked, asked=asked)

    async def check() -> None:
        assert (await module.Signer(NoStore(), first).get_authority()).scopes == ("queue:a",)
        wide = dataclasses.replace(first, asked=("*",))
        assert (await module.Signer(NoStore(), wide).get_authority()).scopes is None

    asyncio.run(check())
