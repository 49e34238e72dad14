"""Check when a sign-in reuses a session, and how a reset reports a store that fails."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tcenv.deployment.credentials import Credentials
from tcenv.errors import StoreError
from tcenv.sessions.session import Session
from tcenv.signin import reset
from tcenv.signin.flow import is_usable

ROOT = "https://tc.example.com"


def session(*, state: str = "") -> Session:
    credentials = Credentials("someone/tcenv", "t" * 44)
    return Session("p", ROOT, credentials, 1, 2**33, "tcenv", ("a:b", "c:*"), ("a:b",), state)


@pytest.mark.parametrize(
    ("asked", "held", "wanted", "usable"),
    [
        (("a:*", "b"), ("a:*",), ("b",), True),  # asked for, and given less: it would not be given now either
        (("b",), ("b", "c:*"), ("c:x",), True),  # the client holds more than was asked for
        (("a:*", "b"), ("a:*",), ("a:x", "b"), True),
        (("a:*", "b"), ("a:*",), ("d",), False),
    ],
)
def test_a_session_is_reused_if_it_holds_or_requested_the_scopes(
    asked: tuple[str, ...], held: tuple[str, ...], wanted: tuple[str, ...], usable: bool
) -> None:
    stored = Session("p", ROOT, Credentials("someone/tcenv", "t" * 44), 1, 2**33, "tcenv", held, asked)
    profile = SimpleNamespace(insisted={"scopes"}, client_name="tcenv", scopes=wanted)
    assert is_usable(stored, profile) is usable  # type: ignore[arg-type]


def test_an_updated_session_that_cannot_be_stored_is_reported() -> None:
    """The store has the new token and no room for the new expiry. The shell has both."""
    notes: list[str] = []

    def fail(session: Session) -> None:
        raise StoreError("No space left on device.")

    facts = SimpleNamespace(expires=2**33, expanded=("a:b",))
    updated = reset._update_client(
        session(),
        ("a:b",),
        SimpleNamespace(lifetime=60, description="", scopes=("a:b",), insisted=frozenset()),  # type: ignore[arg-type]
        SimpleNamespace(save=fail),
        SimpleNamespace(update_client=lambda *arguments: facts),  # type: ignore[arg-type]
        SimpleNamespace(note=notes.append),
    )
    assert updated.scopes == ("a:b",)
    assert notes == ["The session could not be stored as it is now: No space left on device."]
