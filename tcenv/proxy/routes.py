"""Parse the raw target of a request without changing a byte. Refuse a target that servers would read in different
ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote

# Printable ASCII except characters that no client sends raw: blanks, `#`, and the backslash, which some servers read as
# a slash.
_RAW = re.compile(r"/[!\"$-\[\]-~]*", re.ASCII)
_CALL = re.compile(r"/(?:api/)?([a-z][a-z0-9-]*)/(v[0-9]+)((?:/[^?]*)?)(?:\?(.*))?")
_DOTS = re.compile(r"(?:^|[/\\])\.\.?(?:[/\\;]|$)")


class BadTarget(Exception):
    """The target is one that no client sends and that servers would read in different ways."""


@dataclass(frozen=True)
class Call:
    """A call of an API. `rest` is the raw path after the version, `query` the raw query without its question mark."""

    service: str
    version: str
    rest: str
    query: str

    @property
    def path(self) -> str:
        """Return the raw path on the deployment."""
        return f"/api/{self.service}/{self.version}{self.rest}"

    @property
    def resource(self) -> str:
        """Return the raw path on the deployment with the raw query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @cached_property
    def segments(self) -> tuple[str, ...]:
        """Return the decoded parts of the path after the version. An encoded slash does not separate parts."""
        return tuple(unquote(segment) for segment in self.rest.split("/") if segment)


def parse(resource: str) -> Call | None:
    """Return the call of a raw path and query, or None if it is no call of an API. Raises BadTarget."""
    if not _RAW.fullmatch(resource):
        raise BadTarget
    path, _, _ = resource.partition("?")
    # Some servers decode the path before they resolve dots. None decodes it twice.
    if _DOTS.search(unquote(path)):
        raise BadTarget
    match = _CALL.fullmatch(resource)
    if match is None:
        return None
    return Call(match[1], match[2], match[3], match[4] or "")
