"""Check the contract that every store must pass. A new store is one line in STORES."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

from tcenv import paths
from tcenv.deployment.credentials import Credentials
from tcenv.errors import DamagedSession
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, open_store
from tests.secret_service import run_secret_service

TOKEN = "A" * 43 + "-"
SESSION = Session(
    profile="work",
    root_url="https://tc.example.com",
    credentials=Credentials("mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv-host", TOKEN),
    created=1_700_000_000,
    expires=1_700_086_400,
    name="tcenv-host",
    scopes=("queue:*", "assume:repo:github.com/a/b:*"),
    asked=("queue:*", "secrets:get:x"),
)


# name -> the service that it needs
STORES: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "runtime": nullcontext,
    "file": nullcontext,
    "keyring": run_secret_service,
    "none": nullcontext,
}
Reopen = Callable[[], Store]


@pytest.fixture(params=STORES)
def reopen(request: pytest.FixtureRequest) -> Iterator[Reopen]:
    """Return a function that opens the store anew, as each process does."""
    with STORES[request.param]():
        yield lambda: open_store(request.param)


@pytest.fixture
def keeps(reopen: Reopen) -> bool:
    """Return whether the store keeps anything."""
    return reopen().name != "none"


class TestEveryStore:
    """Check the contract of `tcenv.sessions.stores.Store`."""

    def test_a_store_has_its_name(self, reopen: Reopen, request: pytest.FixtureRequest) -> None:
        assert reopen().name == request.node.callspec.params["reopen"]

    def test_code_that_opens_no_store_finds_its_files(self, reopen: Reopen, keeps: bool) -> None:
        store = reopen()
        found = paths.find_store(store.name)
        assert found == ((store.name, os.path.dirname(store.get_path("work"))) if keeps else None)

    def test_a_new_store_is_empty(self, reopen: Reopen) -> None:
        store = reopen()
        assert store.load("work") is None
        assert store.list_profiles() == []
        assert store.forget("work") is False

    def test_another_process_loads_the_saved_session(self, reopen: Reopen, keeps: bool) -> None:
        reopen().save(SESSION)
        assert reopen().load("work") == (SESSION if keeps else None)
        assert reopen().list_profiles() == (["work"] if keeps else [])

    @pytest.mark.parametrize("scopes", [None, (), tuple(f"queue:scope-{n}:*" for n in range(300))])
    def test_scopes_can_be_unknown_none_or_many(
        self, reopen: Reopen, keeps: bool, scopes: tuple[str, ...] | None
    ) -> None:
        session = replace(SESSION, scopes=scopes)
        reopen().save(session)
        assert reopen().load("work") == (session if keeps else None)

    def test_a_later_session_replaces_the_former(self, reopen: Reopen, keeps: bool) -> None:
        reopen().save(SESSION)
        newer = replace(SESSION, credentials=replace(SESSION.credentials, access_token="B" * 44))
        reopen().save(newer)
        assert reopen().load("work") == (newer if keeps else None)
        assert reopen().list_profiles() == (["work"] if keeps else [])

    def test_the_generation_can_be_read_without_the_token(self, reopen: Reopen, keeps: bool) -> None:
        """Hooks and direnv compare the first line of a file, which changes with the token. A forgotten session has none."""
        assert reopen().read_generation("work") is None
        for token in (TOKEN, "B" * 44):
            session = replace(SESSION, credentials=replace(SESSION.credentials, access_token=token))
            reopen().save(session)
            if keeps:
                assert reopen().read_generation("work") == session.generation
                first = Path(reopen().get_path("work")).read_text().splitlines()[0]
                assert first == f"GENERATION={session.generation}"
        reopen().forget("work")
        assert reopen().read_generation("work") is None

    def test_profiles_are_independent(self, reopen: Reopen, keeps: bool) -> None:
        other = replace(SESSION, profile="play", root_url="https://other.example.com")
        reopen().save(SESSION)
        reopen().save(other)
        assert reopen().list_profiles() == (["play", "work"] if keeps else [])
        assert reopen().forget("work") is keeps
        assert reopen().load("work") is None
        assert reopen().load("play") == (other if keeps else None)

    def test_a_forgotten_session_is_gone(self, reopen: Reopen, keeps: bool) -> None:
        reopen().save(SESSION)
        assert reopen().forget("work") is keeps
        assert reopen().forget("work") is False
        assert reopen().load("work") is None
        assert reopen().list_profiles() == []

    def test_no_file_holds_the_token_of_a_forgotten_session(self, reopen: Reopen, home: Path) -> None:
        reopen().save(SESSION)
        reopen().save(replace(SESSION, credentials=replace(SESSION.credentials, access_token="C" * 44)))
        reopen().forget("work")
        plain = [path for path in home.rglob("*") if path.is_file() and b"C" * 44 in path.read_bytes()]
        assert plain == []

    def test_files_are_private(self, reopen: Reopen, home: Path) -> None:
        reopen().save(SESSION)
        for path in home.rglob("*"):
            if path.is_file() and TOKEN.encode() in path.read_bytes():
                assert path.stat().st_mode & 0o777 == 0o600
                assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["runtime", "file"])
def test_a_file_under_another_profiles_name_is_damaged(name: str, home: Path) -> None:
    store = open_store(name)
    store.save(SESSION)
    path = next(home.rglob("work.session"))
    path.rename(path.with_name("play.session"))
    with pytest.raises(DamagedSession):
        store.load("play")
