"""What tcenv says to people: always on stderr, through rich, plain when that is no terminal. Never shows a token, and shows
nothing from outside before `printable` has been over it."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

from tcenv.text import printable

if TYPE_CHECKING:
    from rich.console import Console

    from tcenv.errors import TcenvError


@cache
def console() -> Console:
    """The one console for people."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def _line(mark: str, style: str, text: str) -> None:
    from rich.text import Text

    console().print(Text.assemble((mark, style), " ", printable(text)))


def done(text: str) -> None:
    _line("✓" if _fancy() else "tcenv:", "green", text)


def note(text: str) -> None:
    _line("·" if _fancy() else "tcenv:", "dim", text)


def warn(text: str) -> None:
    _line("!" if _fancy() else "tcenv: warning:", "yellow", text)


def hint(text: str) -> None:
    _line("→" if _fancy() else "tcenv:", "cyan", text)


def error(failure: TcenvError) -> None:
    _line("✗" if _fancy() else "tcenv: error:", "bold red", failure.message)
    if failure.hint:
        hint(failure.hint)


def _fancy() -> bool:
    return console().is_terminal and (getattr(sys.stderr, "encoding", "") or "").lower().startswith("utf")
