"""What is asked for, and the URL that asks for it. Everything that would crash the deployment's page, or end there without
an answer, is refused here, before a browser opens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tcenv.errors import UsageError

FLOWS = ("auto", "create", "new")
# The retired deployment whose page is the one that the original guide describes.
_NEW_PAGE = ("https://taskcluster.net",)
MOST_SCOPES = 20
LONGEST_DESCRIPTION = 10_240
_LONGEST_NAME = 200
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@/:.+|_-")

_DAY = 86400
_FURTHEST = 1000 * 365 * _DAY
_SPACE = " \t\n\r\f\v"
_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# The part of the fromNow grammar that the page and the Python client share, in its fixed order: spellings, seconds.
_UNITS = (
    (("y", "year", "years"), 365 * _DAY),
    (("mo", "month", "months"), 30 * _DAY),
    (("w", "week", "weeks"), 7 * _DAY),
    (("d", "day", "days"), _DAY),
    (("h", "hour", "hours"), 3600),
    (("m", "min", "minute", "minutes"), 60),
    (("s", "sec", "second", "seconds"), 1),
)


def parse_expires(text: str) -> int:
    """The seconds that a fromNow text like `1d`, `3h`, `2 days 3 hours` or `90m` stands for (a month has 30 days, a year
    365). Raises UsageError for what the page would not take (it crashes), and for no time at all."""
    seconds = _from_now(text)
    if not seconds:
        raise UsageError(
            f"{text!r} is not a time from now.",
            "Accepted: 8h, 1d, 90m, 2 days 3 hours, 1w, 1mo, 1y, largest unit first.",
        )
    if seconds > _FURTHEST:
        raise UsageError(f"{text!r} is further away than clients last.", "Accepted: up to 1000y.")
    return seconds


def _from_now(text: str) -> int:
    """The seconds of `text`, 0 where it is not of the grammar."""
    if not text.isascii():
        return 0
    rest = text.lower().strip(_SPACE)
    units = iter(_UNITS)
    seconds = 0
    while rest:
        number, rest = _leading(rest, _DIGITS)
        word, rest = _leading(rest.lstrip(_SPACE), _LETTERS)
        # The iterator goes on from the last unit found: each one at most once, in order.
        size = next((size for spellings, size in units if word in spellings), None)
        if size is None or not 1 <= len(number) <= 12:
            return 0
        seconds += int(number) * size
        rest = rest.lstrip(_SPACE)
    return seconds


def _leading(text: str, characters: str) -> tuple[str, str]:
    rest = text.lstrip(characters)
    return text[: len(text) - len(rest)], rest


def check_name(name: str) -> str:
    """`name`, fit to be the end of a clientId. Raises UsageError."""
    if not 1 <= len(name) <= _LONGEST_NAME or not _NAME.issuperset(name):
        raise UsageError(
            f"{name[:_LONGEST_NAME]!r} cannot be a client's name.",
            f"Accepted: 1 to {_LONGEST_NAME} letters, digits and ! @ / : . + | _ -",
        )
    return name


def check_description(text: str) -> str:
    """`text`, fit to be a client's description. Raises UsageError."""
    if len(text) > LONGEST_DESCRIPTION:
        raise UsageError(
            f"The description has {len(text):,} characters.", f"Accepted: at most {LONGEST_DESCRIPTION:,}."
        )
    # Lone surrogates are bytes of the command line that are no text.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError("The description holds bytes that are no text.", "Accepted: any text in UTF-8.")
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
        if not (scope and scope.isascii() and scope.isprintable()):
            raise UsageError(f"{scope!r} is not a scope.", "Accepted: printable ASCII characters, at least one.")
    return unique


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

    @property
    def url(self) -> str:
        """The address of the deployment's page with the question in it. `+` is sent as %2B: the page would read a space."""
        pairs = [("name", self.name), ("description", self.description)]
        pairs += [("scope", scope) for scope in self.scopes]
        # The page does not mind the case; the Python client would.
        pairs += [("expires", self.expires.lower()), ("callback_url", self.callback_url)]
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)
        return f"{self.root_url.rstrip('/')}/auth/clients/{self.flow}?{query}"
