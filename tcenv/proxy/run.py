"""One run of the proxy as its programs know it: under which client and token they call."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, field

# Bytes of chance in a token: as many as the service's own tokens have, and more than anybody guesses.
_CHANCE = 33


@dataclass(frozen=True)
class Run:
    """The client, a token made for this run alone, and, for programs that do not sign, a path that cannot be guessed (None:
    everybody signs)."""

    client_id: str
    token: str = field(repr=False)
    secret: str | None = field(repr=False, default=None)

    @classmethod
    def begin(cls, client_id: str, *, unsigned: bool) -> Run:
        return cls(client_id, _unguessable(), _unguessable() if unsigned else None)

    def without_secrets(self, text: str) -> str:
        """`text` with nothing of this run in it that would let somebody in."""
        for secret in (self.token, self.secret):
            if secret:
                text = text.replace(secret, "…")
        return text


def _unguessable() -> str:
    return base64.urlsafe_b64encode(os.urandom(_CHANCE)).decode()
