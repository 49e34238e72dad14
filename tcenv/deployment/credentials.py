"""Hold the credentials that sign calls, check their form, and never show their token."""

from __future__ import annotations

from dataclasses import dataclass, field

from tcenv.deployment.patterns import ACCESS_TOKEN, CLIENT_ID


@dataclass(frozen=True)
class Credentials:
    """A clientId and an accessToken; temporary credentials also have a certificate (JSON text). Raises ValueError for a
    clientId or a token that does not have its pattern."""

    client_id: str
    access_token: str = field(repr=False)
    certificate: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not CLIENT_ID.fullmatch(self.client_id):
            raise ValueError("not a clientId")
        if not ACCESS_TOKEN.fullmatch(self.access_token):
            raise ValueError("not an accessToken")

    def for_taskcluster(self) -> dict[str, str]:
        """Return what a client of the `taskcluster` package takes. It changes the dictionary, so each call makes a new one."""
        result = {"clientId": self.client_id, "accessToken": self.access_token}
        if self.certificate is not None:
            result["certificate"] = self.certificate
        return result
