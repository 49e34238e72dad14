"""Credentials as the deployment defines them: validated when made, masked when shown."""

from __future__ import annotations

from dataclasses import dataclass, field

_ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


class Form:
    """What a text may be: so many characters of an alphabet. (The import of `re` is what every login would wait for.)"""

    __slots__ = ("_alphabet", "_least", "_most")

    def __init__(self, alphabet: str, least: int, most: int) -> None:
        self._alphabet = frozenset(alphabet)
        self._least = least
        self._most = most

    def fullmatch(self, text: str) -> bool:
        """Whether `text` is of this form, from its first character to its last."""
        return self._least <= len(text) <= self._most and self._alphabet.issuperset(text)


# As the deployment defines them (auth service, schemas for clients and access tokens).
CLIENT_ID = Form(_ALPHANUMERIC + "!@/:.+|_-", 1, 1024)
ACCESS_TOKEN = Form(_ALPHANUMERIC + "_-", 22, 66)
SCOPE = Form("".join(map(chr, range(0x20, 0x7F))), 1, 1 << 20)


@dataclass(frozen=True)
class Credentials:
    """What signs a call. The token and the certificate (JSON text, temporary credentials alone) are never shown."""

    client_id: str
    access_token: str = field(repr=False)
    certificate: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not CLIENT_ID.fullmatch(self.client_id):
            raise ValueError("not a clientId")
        if not ACCESS_TOKEN.fullmatch(self.access_token):
            raise ValueError("not an accessToken")

    def for_taskcluster(self) -> dict[str, str]:
        """A new dictionary each time: the `taskcluster` client changes in place the one that it is given."""
        result = {"clientId": self.client_id, "accessToken": self.access_token}
        if self.certificate is not None:
            result["certificate"] = self.certificate
        return result
