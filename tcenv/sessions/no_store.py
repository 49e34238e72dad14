"""The store for where nothing can be kept."""

from __future__ import annotations

from tcenv.sessions.session import Session


class NoStore:
    """Keeps nothing: `login` still exports, and everything that reads says what is missing."""

    name = "none"

    def load(self, profile: str) -> Session | None:
        return None

    def save(self, session: Session) -> None:
        return None

    def forget(self, profile: str) -> bool:
        return False

    def profiles(self) -> list[str]:
        return []
