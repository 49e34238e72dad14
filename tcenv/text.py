"""Write words and times for people."""

from __future__ import annotations


def replace_unprintable(text: str) -> str:
    """Return `text` with U+FFFD in place of each character that is not printable, so that a terminal obeys none of it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def end_sentence(text: str) -> str:
    """Add a full stop to `text` if it has none, so that a sentence can follow. The messages of a deployment have none."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def format_duration(seconds: float) -> str:
    """Write a span in its two largest units: `1 d 3 h`, `7 h 12 min`, `45 s`."""
    left = max(0, int(seconds))
    parts: list[str] = []
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        if left >= size or (unit == "s" and not parts):
            parts.append(f"{left // size} {unit}")
            left %= size
        elif parts:
            break
        if len(parts) == 2:
            break
    return " ".join(parts)


def format_count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 session`, `2 sessions`, `no session`."""
    return f"{number or 'no'} {noun}{'s' if number > 1 else ''}"


def format_time(seconds: float) -> str:
    """Write a time of day on this machine, with the date if that is not today."""
    import time

    then, now = time.localtime(seconds), time.localtime()
    return time.strftime("%H:%M" if then[:3] == now[:3] else "%Y-%m-%d %H:%M", then)


def wrap(text: str, width: int, first: str = "", rest: str = "") -> str:
    """Return `text` broken between words into lines of at most `width` columns, the first one behind `first`, all others
    behind `rest`. A word that is longer than a line stays whole, since the user may copy it."""
    lines: list[str] = []
    line, room = first, width
    empty = True
    for word in text.split(" "):
        if not empty and len(line) + 1 + len(word) > room:
            lines.append(line)
            line, empty = rest, True
        line += word if empty else f" {word}"
        empty = False
    return "\n".join([*lines, line])
