"""What is asked for, and the URL that asks for it."""

from __future__ import annotations

from dataclasses import dataclass

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import FLOWS, check_description, check_name, check_scopes
from tcenv.errors import UsageError

# The web server in front of the page takes 8,177 bytes of request target (docs/taskcluster.md), encoded, and answers 414 to more.
_LONGEST_URL = 8000
# The retired deployment whose page is the one that the original guide describes.
_NEW_PAGE = ("https://taskcluster.net",)


def resolve_flow(flow: str, root_url: str) -> str:
    """Which of the two pages to open: `create`, or `new` where it is the deployment's own."""
    if flow == "auto":
        return "new" if root_url.rstrip("/") in _NEW_PAGE else "create"
    return flow


@dataclass(frozen=True)
class SigninRequest:
    """The question to the user: a client called `name`, with `scopes`, until `expires` (fromNow text), on the page of `flow`
    (`create` or `new`). Making one that the page cannot answer raises UsageError."""

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
                f"The address of the sign-in page would have {len(self.url):,} characters, and the deployment takes "
                f"{_LONGEST_URL:,}.",
                "Ask for fewer scopes, or patterns (queue:*), or give a shorter --description.",
            )

    @property
    def url(self) -> str:
        """The address of the deployment's page with the question in it. `+` is sent as %2B: the page would read a space."""
        pairs = [("name", self.name), ("description", self.description)]
        pairs += [("scope", scope) for scope in self.scopes]
        # The page does not mind the case; the Python client would.
        pairs += [("expires", self.expires.lower()), ("callback_url", self.callback_url)]
        query = "&".join(f"{key}={_encoded(value)}" for key, value in pairs)
        return f"{self.root_url.rstrip('/')}/auth/clients/{self.flow}?{query}"


_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-~")


def _encoded(text: str) -> str:
    """`text` percent-encoded, as `urllib.parse.quote` does with nothing safe; the browser would wait for the import of that."""
    return "".join(chr(byte) if byte in _PLAIN else f"%{byte:02X}" for byte in text.encode())
