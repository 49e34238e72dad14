"""Check the contract that every store must pass. A new store is one line in STORES."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tcenv.deployment.credentials import Credentials
from tcenv.errors import DamagedSession
from tcenv.sessions.session import Session
from tcenv.sessions.stores import Store, open_store
from tests.programs import require

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


# A bus that starts no service: a second one would answer instead of the unlocked one.
_BUS = """<busconfig><type>session</type><listen>unix:tmpdir=/tmp</listen><policy context="default">
<allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>"""


def _wait_for_the_service() -> None:
    """Wait until the service's login collection can be used."""
    from keyring.backends.SecretService import Keyring

    end = time.monotonic() + 60
    while True:
        try:
            Keyring().get_preferred_collection().connection.close()
            return
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


@contextmanager
def secret_service() -> Iterator[None]:
    """Run a real Secret Service, unlocked, on its own bus."""
    import keyring.core
    from keyring.backends import fail

    config = Path(os.environ["HOME"], "bus.conf")
    config.write_text(_BUS)
    bus = subprocess.Popen(
        [require("dbus-daemon"), f"--config-file={config}", "--nofork", "--print-address=1"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert bus.stdout is not None
    former = os.environ.get("DBUS_SESSION_BUS_ADDRESS")
    os.environ["DBUS_SESSION_BUS_ADDRESS"] = bus.stdout.readline().strip()
    service = subprocess.Popen(
        [require("gnome-keyring-daemon"), "--foreground", "--unlock", "--components=secrets"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert service.stdin is not None
        service.stdin.write(b"\n")
        service.stdin.close()
        _wait_for_the_service()
        keyring.core.init_backend()
        yield
    finally:
        for process in (service, bus):
            process.terminate()
            process.wait(60)
        if former is None:
            del os.environ["DBUS_SESSION_BUS_ADDRESS"]
        else:
            os.environ["DBUS_SESSION_BUS_ADDRESS"] = former
        keyring.core.set_keyring(fail.Keyring())


@contextmanager
def _nothing() -> Iterator[None]:
    yield


# name -> the service that it needs, and whether it keeps anything
STORES = {
    "runtime": (_nothing, True),
    "file": (_nothing, True),
    "keyring": (secret_service, True),
    "none": (_nothing, False),
}


@pytest.fixture(params=STORES)
def kept(request: pytest.FixtureRequest) -> Iterator[tuple[Callable[[], Store], bool]]:
    """Return a function that opens the store anew, as each process does, and whether the store keeps anything."""
    ready, keeps = STORES[request.param]
    with ready():
        yield lambda: open_store(request.param), keeps


class TestEveryStore:
    """Check the contract of `tcenv.sessions.stores.Store`."""

    def test_a_store_has_its_name(self, kept: tuple[Callable[[], Store], bool], request: pytest.FixtureRequest) -> None:
        assert kept[0]().name == request.node.callspec.params["kept"]

    def test_a_new_store_is_empty(self, kept: tuple[Callable[[], Store], bool]) -> None:
        store = kept[0]()
        assert store.load("work") is None
        assert store.list_profiles() == []
        assert store.forget("work") is False

    def test_another_process_loads_the_saved_session(self, kept: tuple[Callable[[], Store], bool]) -> None:
        opened, keeps = kept
        opened().save(SESSION)
        assert opened().load("work") == (SESSION if keeps else None)
        assert opened().list_profiles() == (["work"] if keeps else [])

    @pytest.mark.parametrize("scopes", [None, (), tuple(f"queue:scope-{n}:*" for n in range(300))])
    def test_scopes_can_be_unknown_none_or_many(
        self, kept: tuple[Callable[[], Store], bool], scopes: tuple[str, ...] | None
    ) -> None:
        opened, keeps = kept
        session = replace(SESSION, scopes=scopes)
        opened().save(session)
        assert opened().load("work") == (session if keeps else None)

    def test_a_later_session_replaces_the_former(self, kept: tuple[Callable[[], Store], bool]) -> None:
        opened, keeps = kept
        opened().save(SESSION)
        newer = replace(SESSION, credentials=replace(SESSION.credentials, access_token="B" * 44))
        opened().save(newer)
        assert opened().load("work") == (newer if keeps else None)
        assert opened().list_profiles() == (["work"] if keeps else [])

    def test_the_generation_can_be_read_without_the_token(self, kept: tuple[Callable[[], Store], bool]) -> None:
        """Hooks and direnv compare the first line of a file, which changes with the token. A forgotten session has none."""
        opened, keeps = kept
        assert opened().read_generation("work") is None
        for token in (TOKEN, "B" * 44):
            session = replace(SESSION, credentials=replace(SESSION.credentials, access_token=token))
            opened().save(session)
            if keeps:
                assert opened().read_generation("work") == session.generation
                first = Path(opened().get_path("work")).read_text().splitlines()[0]
                assert first == f"GENERATION={session.generation}"
        opened().forget("work")
        assert opened().read_generation("work") is None

    def test_profiles_are_independent(self, kept: tuple[Callable[[], Store], bool]) -> None:
        opened, keeps = kept
        other = replace(SESSION, profile="play", root_url="https://other.example.com")
        opened().save(SESSION)
        opened().save(other)
        assert opened().list_profiles() == (["play", "work"] if keeps else [])
        assert opened().forget("work") is keeps
        assert opened().load("work") is None
        assert opened().load("play") == (other if keeps else None)

    def test_a_forgotten_session_is_gone(self, kept: tuple[Callable[[], Store], bool]) -> None:
        opened, keeps = kept
        opened().save(SESSION)
        assert opened().forget("work") is keeps
        assert opened().forget("work") is False
        assert opened().load("work") is None
        assert opened().list_profiles() == []

    def test_no_file_holds_the_token_of_a_forgotten_session(
        self, kept: tuple[Callable[[], Store], bool], home: Path
    ) -> None:
        opened, _ = kept
        opened().save(SESSION)
        opened().save(replace(SESSION, credentials=replace(SESSION.credentials, access_token="C" * 44)))
        opened().forget("work")
        plain = [path for path in home.rglob("*") if path.is_file() and b"C" * 44 in path.read_bytes()]
        assert plain == []

    def test_files_are_private(self, kept: tuple[Callable[[], Store], bool], home: Path) -> None:
        opened, _ = kept
        opened().save(SESSION)
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
