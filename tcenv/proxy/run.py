"""One run of the proxy as its programs know it: under which client and token they call. Hot path."""

from __future__ import annotations

import binascii
import os

# Bytes of chance in a token: as many as the service's own tokens have, and more than anybody guesses.
_CHANCE = 33


class Run:
    """The client, a token made for this run alone, and, for programs that do not sign, a path that cannot be guessed (None:
    everybody signs). Shows neither."""

    __slots__ = ("client_id", "secret", "token")

    def __init__(self, client_id: str, token: str, secret: str | None = None) -> None:
        self.client_id = client_id
        self.token = token
        self.secret = secret

    @classmethod
    def begin(cls, client_id: str, *, unsigned: bool) -> Run:
        return cls(client_id, _unguessable(), _unguessable() if unsigned else None)

    def __repr__(self) -> str:
        return f"Run({self.client_id!r})"

    def without_secrets(self, text: str) -> str:
        """`text` with nothing of this run in it that would let somebody in."""
        for secret in (self.token, self.secret):
            if secret:
                text = text.replace(secret, "…")
        return text


def _unguessable() -> str:
    text = binascii.b2a_base64(os.urandom(_CHANCE), newline=False).decode()
    return text.replace("+", "-").replace("/", "_")
