"""Show lines at the end of a terminal that change every second, and take them away without a trace."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv.text import wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tcenv.cli.terminal.messages import StyledStream

# Columns. A terminal that is made narrower, but not as narrow as this, breaks no line. Broken ones may push the first one out of
# the screen, where nothing can be erased.
_WIDTH = 44
# Erases this row and all below. Starts behind the first column, because from the screen's first cell tmux moves what it erases
# into its history.
_ERASE = "\r\x1b[C\x1b[J\r\x1b[K"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"


class MovingLines:
    """Lines below everything that has been said.

    The cursor rests at the start of the first one. A terminal that is resized may break or cut the lines, but it leaves the
    cursor there, so erasing everything behind it is right. (rich's `Live` counts the lines that it has written, and leaves some
    behind when a terminal breaks them anew.) Each change is one write, so that a signal finds the screen in order."""

    def __init__(self, stream: StyledStream) -> None:
        self._styled = stream
        self._descriptor = stream.stream.fileno() if stream.stream is not None else -1
        self._encoding = getattr(stream.stream, "encoding", None) or "utf-8"
        self._lines: Sequence[str] = ()

    def show(self, lines: Sequence[str]) -> None:
        """Replace the lines. Breaks each one between words, to the terminal's present width at most."""
        self._lines = lines = [self._styled.transliterate(line) for line in lines]
        try:
            columns, rows = os.get_terminal_size(self._descriptor)
        except OSError:
            columns, rows = 80, 24
        width = min((columns or 80) - 1, _WIDTH)
        text = "\n".join(wrap(line, width, "  ", "  ") for line in lines)
        shown = text.split("\n")[: max(1, (rows or 24) - 1)]
        up = f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""
        content = "\r\n".join(self._styled.style(line, "dim") for line in shown)
        self._write(f"{_ERASE}{_NO_WRAP}{content}{_WRAP}{up}\r")

    def repeat(self) -> None:
        """Show the last lines again."""
        if self._lines:
            self.show(self._lines)

    def erase(self) -> None:
        """Take the lines off the screen."""
        self._write(_ERASE)

    def _write(self, text: str) -> None:
        # A terminal that has gone is no reason to lose a session.
        with suppress(OSError):
            os.write(self._descriptor, text.encode(self._encoding, "replace"))
