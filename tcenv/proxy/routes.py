"""What a request to the proxy is about: the raw target, taken apart without altering a byte, and judged in the form in which
the strictest and the laxest server would read it. Knows no HTTP library, no session and no caller."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

# Printable ASCII without what no client sends raw: blanks, a fragment, a backslash that some servers take for a slash.
_RAW = re.compile(r"/[!\"$-\[\]-~]*", re.ASCII)
_CALL = re.compile(r"/(?:api/)?([a-z][a-z0-9-]*)/(v[0-9]+)((?:/[^?]*)?)(?:\?(.*))?")
_DOTS = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\;]|$)")


class BadTarget(Exception):
    """A target that clients do not send, and that servers would not agree about."""


@dataclass(frozen=True)
class Call:
    """A call of an API: `rest` is the raw path behind the version, `query` the raw query without its question mark."""

    service: str
    version: str
    rest: str
    query: str

    @property
    def path(self) -> str:
        """The raw path on the deployment."""
        return f"/api/{self.service}/{self.version}{self.rest}"

    @property
    def resource(self) -> str:
        """The raw path on the deployment with the raw query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """The decoded parts of the path behind the version; an encoded slash does not part them."""
        return tuple(unquote(segment) for segment in self.rest.split("/") if segment)


def parse(resource: str) -> Call | None:
    """Return the call that a raw path and query name; None if they belong to no API. Raises BadTarget."""
    if not _RAW.fullmatch(resource):
        raise BadTarget
    path, _, _ = resource.partition("?")
    # Encoded twice is not decoded by anybody; encoded once some servers read as what it stands for.
    if _DOTS.search(unquote(path)):
        raise BadTarget
    match = _CALL.fullmatch(resource)
    if match is None:
        return None
    return Call(match[1], match[2], match[3], match[4] or "")
