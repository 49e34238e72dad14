"""Read which proxy this process runs behind. Its root URL stands in TASKCLUSTER_ROOT_URL there. Hot path."""

from __future__ import annotations

import os

from tcenv.deployment.rooturl import parse_root_url
from tcenv.errors import UsageError
from tcenv.sessions.profile_names import is_profile_name

# The proxy's root URL, the profile and the deployment's root URL, with a blank between them.
VARIABLE = "TCENV_PROXY"
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class EnclosingProxy:
    """A proxy that programs reach at `address` (a root URL), with the profile and the root URL of the deployment behind
    it."""

    __slots__ = ("address", "profile", "root_url")

    def __init__(self, address: str, profile: str, root_url: str) -> None:
        self.address = address
        self.profile = profile
        self.root_url = root_url

    def encode(self) -> str:
        """Return the value of the variable."""
        return f"{self.address} {self.profile} {self.root_url}"

    def has_address(self, root_url: str | None) -> bool:
        """Return whether a root URL is the proxy's, under any name of this machine."""
        if root_url is None:
            return False
        host, port = _split_host_and_port(root_url)
        own_host, own_port = _split_host_and_port(self.address)
        return port == own_port and (host == own_host or host in _LOOPBACK)


def _split_host_and_port(root_url: str) -> tuple[str, str]:
    scheme, _, rest = root_url.rstrip("/").partition("://")
    host, _, port = rest.rpartition(":")
    return (host, port) if scheme == "http" and port.isdecimal() else ("", "")


def read_enclosing_proxy() -> EnclosingProxy | None:
    """Return the proxy that the environment names, or None if it names no valid one."""
    parts = os.environ.get(VARIABLE, "").split(" ")
    if len(parts) != 3 or not is_profile_name(parts[1]):
        return None
    if not _split_host_and_port(parts[0])[1]:
        return None
    try:
        return EnclosingProxy(parts[0], parts[1], parse_root_url(parts[2]))
    except UsageError:
        return None
