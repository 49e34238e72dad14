"""What a program that runs behind the proxy is given: the proxy's address, the run's token, and an environment in which the
session's own is nowhere. Hot path."""

from __future__ import annotations

from tcenv.config.inside_proxy import BEHIND, Behind
from tcenv.proxy.run import Run
from tcenv.shells import environment, secrets_in_environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tcenv.proxy.sockets import Sockets

PROXY_URL = "TASKCLUSTER_PROXY_URL"
# Through these an HTTP client would call the proxy by another proxy.
_VIA = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_NOT_VIA = ("no_proxy", "NO_PROXY")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Prepared:
    """A run whose sockets are bound: what a program has to be told (`change`), and the environment for one (`environ`)."""

    __slots__ = ("change", "environ", "run", "sockets")

    def __init__(
        self, sockets: Sockets, session: Mapping[str, str], environ: Mapping[str, str], *, unsigned: bool
    ) -> None:
        """`session` is keyed by variable, as sessions are stored."""
        self.sockets = sockets
        self.run = Run.begin(session[environment.CLIENT_ID], unsigned=unsigned)
        behind = Behind(sockets.root_url, session[environment.PROFILE], session[environment.ROOT_URL])
        self.change = _change(self.run, sockets.root_url, behind, environ)
        removed = dict.fromkeys(secrets_in_environment.holding(environ, session[environment.ACCESS_TOKEN]))
        self.environ = environment.applied({**removed, **self.change}, environ)


def _change(run: Run, root_url: str, behind: Behind, environ: Mapping[str, str]) -> dict[str, str | None]:
    """The change to the environment that makes programs use the proxy at `root_url`."""
    made: dict[str, str | None] = dict.fromkeys(environment.VARIABLES)
    made[environment.ROOT_URL] = root_url
    made[environment.CLIENT_ID] = run.client_id
    made[environment.ACCESS_TOKEN] = run.token
    made[PROXY_URL] = f"{root_url}/{run.secret}" if run.secret else None
    made[BEHIND] = behind.encode()
    if any(environ.get(name) for name in _VIA):
        host = root_url.partition("://")[2].rpartition(":")[0].strip("[]")
        for name in _NOT_VIA:
            known = [part for part in environ.get(name, "").split(",") if part.strip()]
            made[name] = ",".join([*known, *(each for each in dict.fromkeys((*_LOOPBACK, host)) if each not in known)])
    return made
