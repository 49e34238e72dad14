"""Describe the client that the user must approve, and build the address of the sign-in page for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.parse import quote

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import FLOWS, check_description, check_name, check_scopes
from tcenv.errors import UsageError

# The web server in front of the page takes 8,177 bytes of request target (docs/taskcluster.md), encoded, and answers 414 to more.
_LONGEST_URL = 8000
# Seconds to wait for a sandbox.
_TIMEOUT = 3.0
# Deployments that have the older sign-in page.
_WITH_OLDER_PAGE = ("https://taskcluster.net",)


def resolve_flow(flow: str, root_url: str) -> str:
    """Return which of the two pages to open: `create`, or `new` on a deployment that has the older one."""
    if flow == "auto":
        return "new" if root_url.rstrip("/") in _WITH_OLDER_PAGE else "create"
    return flow


def has_new_page(root_url: str) -> bool:
    """Return whether the deployment is known to have the page `new`. A sandbox says so itself."""
    if root_url.rstrip("/") in _WITH_OLDER_PAGE:
        return True
    if not root_url.startswith("http://"):  # on loopback alone
        return False
    from tcenv.deployment.http import Client, Unreachable, Unusable

    client = Client()
    client.deadline = time.monotonic() + _TIMEOUT
    try:
        answer = client.send("GET", f"{root_url.rstrip('/')}/sandbox/pages").json()
    except (Unreachable, Unusable):
        return False
    pages = answer.get("pages") if isinstance(answer, dict) else None
    return isinstance(pages, list) and "new" in pages


@dataclass(frozen=True)
class SigninRequest:
    """A client called `name` with `scopes` until `expires` (fromNow text), on the page `flow` (`create` or `new`). Raises
    UsageError for a request that the page cannot answer."""

    root_url: str
    flow: str
    name: str
    description: str
    scopes: tuple[str, ...]
    expires: str
    callback_url: str

    def __post_init__(self) -> None:
        if self.flow not in ("create", "new"):
            raise UsageError(f"{self.flow!r} is not a sign-in page.", f"Accepted: {', '.join(FLOWS)}.")
        check_name(self.name)
        check_description(self.description)
        check_scopes(self.scopes)
        parse_expires(self.expires)
        if len(self.url) > _LONGEST_URL:
            raise UsageError(
                f"The address of the sign-in page would have {len(self.url):,} characters. The deployment accepts "
                f"{_LONGEST_URL:,}.",
                "Ask for fewer scopes, or patterns (queue:*), or give a shorter --description.",
            )

    @property
    def url(self) -> str:
        """The address of the page, with the request in its query. Encodes `+`, because the page reads a plain one as a space."""
        pairs = [("name", self.name), ("description", self.description)]
        pairs += [("scope", scope) for scope in self.scopes]
        # The page ignores the case; the Python client does not.
        pairs += [("expires", self.expires.lower()), ("callback_url", self.callback_url)]
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)
        return f"{self.root_url.rstrip('/')}/auth/clients/{self.flow}?{query}"
