"""Define the HTTP answers of the sandbox. An answer is whole or a stream, and knows no connection."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass


@dataclass(slots=True)
class Answer:
    """An HTTP answer.

    `head` holds its own header lines, each with its line end. `stream` makes the body instead of `body`: `length`
    bytes, or chunks if `length` is None. With `raw`, the stream is everything that is sent, head included. `close`
    closes the connection afterwards. `silent` sends nothing and waits. `ahead` shifts the Date header by that many
    seconds."""

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
    """Return a redirect to `location`."""
    return Answer(status, body, f"Location: {location}\r\n{head}")
