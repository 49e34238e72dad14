"""Parse times from now, like `1d` or `2 days 3 hours`: the part of the fromNow grammar that the sign-in page and the Python
client share. Hot path, so without `re`."""

from __future__ import annotations

from tcenv.errors import UsageError

_DAY = 86400
_LONGEST = 1000 * 365 * _DAY
_SPACE = " \t\n\r\f\v"
_DIGITS = "0123456789"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
# The units in their fixed order: spellings, seconds.
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
    """Return the seconds of a text like `1d`, `2 days 3 hours` or `90m`. A month has 30 days, a year 365.

    Raises UsageError for a text that would crash the page, and for zero."""
    seconds = _from_now(text)
    if not seconds:
        raise UsageError(
            f"{text!r} is not a duration.",
            "Accepted: 8h, 1d, 90m, 2 days 3 hours, 1w, 1mo, 1y, largest unit first.",
        )
    if seconds > _LONGEST:
        raise UsageError(f"{text!r} is longer than a client can last.", "Accepted: up to 1000y.")
    return seconds


def _from_now(text: str) -> int:
    """Return the seconds of `text`, or 0 if it is not in the grammar."""
    if not text.isascii():
        return 0
    rest = text.lower().strip(_SPACE)
    units = iter(_UNITS)
    seconds = 0
    while rest:
        number, rest = _split_leading(rest, _DIGITS)
        word, rest = _split_leading(rest.lstrip(_SPACE), _LETTERS)
        # The iterator continues after the last unit, so each unit comes at most once, and in this order.
        size = next((size for spellings, size in units if word in spellings), None)
        if size is None or not 1 <= len(number) <= 12:
            return 0
        seconds += int(number) * size
        rest = rest.lstrip(_SPACE)
    return seconds


def _split_leading(text: str, characters: str) -> tuple[str, str]:
    """Split `text` after its longest start that has only `characters`."""
    rest = text.lstrip(characters)
    return text[: len(text) - len(rest)], rest
