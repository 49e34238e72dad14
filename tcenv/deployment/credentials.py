"""Credentials as the deployment defines them: validated when made, masked when shown."""

from __future__ import annotations

import re

from tcenv.values import dataclass, field

# Both as the deployment defines them (auth service, schemas for clients and access tokens).
CLIENT_ID = re.compile(r"[A-Za-z0-9!@/:.+|_-]{1,1024}")
ACCESS_TOKEN = re.compile(r"[a-zA-Z0-9_-]{22,66}")
SCOPE = re.compile(r"[ -~]+")


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
