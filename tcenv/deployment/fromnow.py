"""The fromNow grammar of times, `1d` or `2 days 3 hours`: the part of it that the sign-in page and the Python client share."""

from __future__ import annotations

from tcenv.errors import UsageError

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
