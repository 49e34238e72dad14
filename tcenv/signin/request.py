"""What is asked for, and the URL that asks for it. Everything that would crash the deployment's page, or end there without
an answer, is refused here, before a browser opens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tcenv.errors import UsageError

FLOWS = ("auto", "create", "new")
# The retired deployment whose page is the one that the original guide describes.
_NEW_PAGE = ("https://taskcluster.net",)
MOST_SCOPES = 20
LONGEST_DESCRIPTION = 10_240
_NAME = re.compile(r"[A-Za-z0-9!@/:.+|_-]+")
_SCOPE = re.compile(r"[ -~]+")
# The part of the fromNow grammar that the page and the Python client share, in its fixed order.
_UNITS = (
    ("years", 365 * 86400, "years?|y"),
    ("months", 30 * 86400, "months?|mo"),
    ("weeks", 7 * 86400, "weeks?|w"),
    ("days", 86400, "days?|d"),
    ("hours", 3600, "hours?|h"),
    ("minutes", 60, "minutes?|min|m"),
    ("seconds", 1, "seconds?|sec|s"),
)
_FROM_NOW = re.compile(
    r"\s*" + "".join(rf"(?:(?P<{name}>\d{{1,9}})\s*(?:{unit})(?![a-z])\s*)?" for name, _, unit in _UNITS),
    re.ASCII | re.I,
)


def parse_expires(text: str) -> int:
    """The seconds that a fromNow text like `1d`, `3h`, `2 days 3 hours` or `90m` stands for (a month has 30 days, a year
    365). Raises UsageError for what the page would not take (it crashes), and for no time at all."""
    match = _FROM_NOW.fullmatch(text)
    seconds = sum(int(match[name] or 0) * size for name, size, _ in _UNITS) if match else 0
    if seconds <= 0:
        raise UsageError(
            f"{text!r} is not a time from now.",
            "Accepted: 8h, 1d, 90m, 2 days 3 hours, 1w, 1mo, 1y, largest unit first.",
        )
    if seconds > 1000 * 365 * 86400:
        raise UsageError(f"{text!r} is further away than clients last.", "Accepted: up to 1000y.")
    return seconds


def check_name(name: str) -> str:
    """`name`, fit to be the end of a clientId. Raises UsageError."""
    if not _NAME.fullmatch(name) or len(name) > 200:
        raise UsageError(f"{name!r} cannot be a client's name.", "Accepted: letters, digits and ! @ / : . + | _ -")
    return name


def check_description(text: str) -> str:
    """`text`, fit to be a client's description. Raises UsageError."""
    if len(text) > LONGEST_DESCRIPTION:
        raise UsageError(
            f"The description has {len(text):,} characters.", f"Accepted: at most {LONGEST_DESCRIPTION:,}."
        )
    return text


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """`scopes` without repetitions, as many as the page can take. Raises UsageError."""
    unique = tuple(dict.fromkeys(scopes))
    if not 1 <= len(unique) <= MOST_SCOPES:
        raise UsageError(
            f"{len(unique)} scopes cannot be asked for.",
            f"Accepted: 1 to {MOST_SCOPES}. A pattern like queue:* stands for many.",
        )
    for scope in unique:
        if not _SCOPE.fullmatch(scope):
            raise UsageError(f"{scope!r} is not a scope.", "Accepted: printable ASCII characters, at least one.")
    return unique


def resolve_flow(flow: str, root_url: str) -> str:
    """Which of the two pages to open: `create`, or `new` where it is the deployment's own."""
    if flow == "auto":
        return "new" if root_url in _NEW_PAGE else "create"
    return flow


@dataclass(frozen=True)
class SigninRequest:
    """The question to the user: a client called `name`, with `scopes`, until `expires` (fromNow text)."""

    root_url: str
    flow: str
    name: str
    description: str
    scopes: tuple[str, ...]
    expires: str
    callback_url: str

    @property
    def url(self) -> str:
        """The address of the deployment's page with the question in it. `+` is sent as %2B: the page would read a space."""
        pairs = [("name", self.name), ("description", self.description)]
        pairs += [("scope", scope) for scope in self.scopes]
        # The page does not mind the case; the Python client would.
        pairs += [("expires", self.expires.lower()), ("callback_url", self.callback_url)]
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)
        return f"{self.root_url}/auth/clients/{self.flow}?{query}"
