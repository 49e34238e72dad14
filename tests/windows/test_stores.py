"""Run the store contract on Windows: with the user's files, and with Credential Manager.

Windows limits the length of a secret. Wine does not, so the tests add the limit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from keyring.backends.Windows import WinVaultKeyring
from keyring.errors import PasswordDeleteError

from tcenv.errors import StoreError
from tcenv.sessions.stores import open_store
from tests.e2e import test_store_contract as contract
from tests.e2e.test_store_contract import SESSION, Reopen, keeps

__all__ = ["keeps"]

# CRED_MAX_CREDENTIAL_BLOB_SIZE of wincred.h, in bytes.
_LONGEST = 2560


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[WinVaultKeyring]:
    """Return Credential Manager with Windows' limit in front of it."""
    write = WinVaultKeyring.set_password

    def write_if_short(vault: WinVaultKeyring, service: str, username: str, password: str) -> None:
        if len(password.encode("utf-16-le")) > _LONGEST:
            raise OSError(1783, "CredWrite", "The stub received bad data")
        write(vault, service, username, password)

    monkeypatch.setattr(WinVaultKeyring, "set_password", write_if_short)
    vault = WinVaultKeyring()
    yield vault
    for name in ("work", "play"):
        for item in ("1", "2"):
            with suppress(PasswordDeleteError):
                vault.delete_password("tcenv", f"{name}#{item}")


@pytest.fixture(params=["runtime", "file", "keyring", "none"])
def reopen(
    request: pytest.FixtureRequest, vault: WinVaultKeyring, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Reopen:
    """Return a function that opens the store anew. Windows has a runtime directory only if a variable names one."""
    (home / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home / "run"))
    return lambda: open_store(request.param)


class TestEveryStore(contract.TestEveryStore):
    def test_files_are_private(self, reopen: Reopen, home: Path) -> None:
        """Their folder protects them, not a mode."""
        reopen().save(SESSION)
        named = list(home.rglob("*.session"))
        assert all(path.relative_to(home).parts[0] in ("AppData", "run") for path in named)


def test_the_vault_refuses_long_secrets_in_these_tests(vault: WinVaultKeyring) -> None:
    with pytest.raises(OSError, match="CredWrite"):
        vault.set_password("tcenv", "work#1", "x" * 1281)


def test_auto_stores_a_long_session_in_the_credential_manager(vault: WinVaultKeyring) -> None:
    store = open_store("auto")
    assert store.name == "keyring"
    session = replace(SESSION, scopes=tuple(f"queue:scope-{number}:*" for number in range(400)))
    for _ in range(3):
        store.save(session)
        assert open_store("auto").load("work") == session
    assert len([item for item in "12" if vault.get_password("tcenv", f"work#{item}")]) == 1
    assert store.forget("work")
    assert not [item for item in "12" if vault.get_password("tcenv", f"work#{item}")]


def test_a_failed_write_keeps_the_old_session(vault: WinVaultKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store("keyring")
    store.save(SESSION)
    monkeypatch.setattr("tests.windows.test_stores._LONGEST", 10)
    with pytest.raises(StoreError):
        store.save(replace(SESSION, credentials=replace(SESSION.credentials, access_token="B" * 44)))
    assert store.load("work") == SESSION
