"""Define the form of clientIds, access tokens, scopes and headers (auth service, version 106). Imports nothing, because the
port holder must stay small."""

from __future__ import annotations

_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Pattern:
    """A set of characters and a range of lengths."""

    __slots__ = ("_alphabet", "_longest", "_shortest")

    def __init__(self, alphabet: str, shortest: int, longest: int) -> None:
        self._alphabet = frozenset(alphabet)
        self._shortest = shortest
        self._longest = longest

    def fullmatch(self, text: str) -> bool:
        """Return whether the whole of `text` has this pattern."""
        return self._shortest <= len(text) <= self._longest and self._alphabet.issuperset(text)


CLIENT_ID = Pattern(_ALPHANUMERIC + "!@/:.+|_-", 1, 1024)
ACCESS_TOKEN = Pattern(_ALPHANUMERIC + "_-", 22, 66)
SCOPE = Pattern("".join(map(chr, range(0x20, 0x7F))), 1, 1 << 20)

# Characters of an Authorization header; the service answers a longer one with 401.
MAX_HEADER_LENGTH = 4096
