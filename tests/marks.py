"""Replace a generated part of a page, which stands between two marks."""

from __future__ import annotations


def replace_between(page: str, marks: tuple[str, str], text: str) -> str:
    """Return `page` with `text` between its two marks, each on a line of its own."""
    head, begin, rest = page.partition(marks[0])
    _, end, tail = rest.partition(marks[1])
    return f"{head}{begin}\n{text}\n{end}{tail}"
