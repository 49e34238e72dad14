"""The answers to requests. An answer is whole or a stream, and knows no connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Answer:
    """An answer of HTTP. `head` are its own header lines, each with its end of line. `stream` makes the body instead of
    `body`: `length` bytes, or as many as it likes, in chunks of its own. With `raw`, the stream is everything that is sent,
    head included. `close` hangs up afterwards; `silent` sends nothing at all, and waits; `ahead` puts the Date that many
    seconds off."""

    status: int = 200
    body: bytes = b""
    head: str = ""
    stream: Callable[[], AsyncIterator[bytes]] | None = None
    length: int | None = None
    raw: bool = False
    close: bool = False
    silent: bool = False
    ahead: float = 0.0


def redirect(location: str, body: bytes = b"", head: str = "", status: int = 303) -> Answer:
    """To somewhere else."""
    return Answer(status, body, f"Location: {location}\r\n{head}")
