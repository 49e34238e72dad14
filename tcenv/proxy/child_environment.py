"""Prepare the environment of programs behind the proxy: the proxy's address and the run's token, without any copy of
the session's token. Hot path."""

from __future__ import annotations

import binascii
import os

from tcenv.config.enclosing_proxy import VARIABLE, EnclosingProxy
from tcenv.shells import environment, secrets_in_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# Variables that would make an HTTP client call this proxy through the network's proxy.
_PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NO_PROXY_VARIABLES = ("no_proxy", "NO_PROXY")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")

# Random bytes in a token, as many as in the service's own tokens.
_RANDOM_BYTES = 33


class Run:
    """The credentials of a run's programs: a clientId, a token for this run only, and a secret path for programs that
    do not sign (None: all of them sign). Its repr shows neither token nor path."""

    __slots__ = ("client_id", "secret", "token")

    def __init__(self, client_id: str, token: str, secret: str | None = None) -> None:
        self.client_id = client_id
        self.token = token
        self.secret = secret

    @classmethod
    def create(cls, client_id: str, *, unsigned: bool) -> Run:
        """Make a run with a new token. With `unsigned`, also make a secret path."""
        return cls(client_id, _make_token(), _make_token() if unsigned else None)

    def __repr__(self) -> str:
        return f"Run({self.client_id!r})"

    def remove_secrets(self, text: str) -> str:
        """Return `text` with the token and the secret path replaced."""
        for secret in (self.token, self.secret):
            if secret:
                text = text.replace(secret, "…")
        return text


def make_change(
    run: Run, root_url: str, session: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str | None]:
    """Return the environment change that makes programs use the proxy at `root_url`. None unsets a variable."""
    proxy = EnclosingProxy(root_url, session[environment.PROFILE], session[environment.ROOT_URL])
    change: dict[str, str | None] = dict.fromkeys(environment.VARIABLES)
    change[environment.ROOT_URL] = root_url
    change[environment.CLIENT_ID] = run.client_id
    change[environment.ACCESS_TOKEN] = run.token
    change[environment.PROXY_URL] = f"{root_url}/{run.secret}" if run.secret else None
    change[VARIABLE] = proxy.encode()
    if any(environ.get(name) for name in _PROXY_VARIABLES):
        host = root_url.partition("://")[2].rpartition(":")[0].strip("[]")
        for name in _NO_PROXY_VARIABLES:
            hosts = [part for part in environ.get(name, "").split(",") if part.strip()]
            added = [each for each in dict.fromkeys((*_LOOPBACK, host)) if each not in hosts]
            change[name] = ",".join([*hosts, *added])
    return change


def apply_change(
    change: Mapping[str, str | None], session: Mapping[str, str], environ: Mapping[str, str]
) -> dict[str, str]:
    """Return `environ` after `change`, without the variables that hold a copy of the session's token."""
    removed = dict.fromkeys(secrets_in_environment.find_copies(environ, session[environment.ACCESS_TOKEN]))
    return environment.apply({**removed, **change}, environ)


def _make_token() -> str:
    text = binascii.b2a_base64(os.urandom(_RANDOM_BYTES), newline=False).decode()
    return text.replace("+", "-").replace("/", "_")
