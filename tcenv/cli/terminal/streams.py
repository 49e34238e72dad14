"""Repair standard streams before anything uses them: those that the caller has closed, and those whose encoding lacks
characters."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from typing import Any

from tcenv.errors import TcenvError

_NAME = "tcenv-ascii"
# What stands for a character that a stream cannot show.
ASCII = {
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": "'",
    "’": "'",
    "…": "...",
    "·": "-",
    "•": "*",
    "–": "-",
    "—": "-",
    "→": "->",
    "×": "x",
    "≤": "<=",
    "≥": ">=",
    "✓": "ok",
    "✗": "error",
    "\N{NO-BREAK SPACE}": " ",
    "\N{REPLACEMENT CHARACTER}": "#",
}


def replace_closed(arguments: Sequence[str]) -> None:
    """Open /dev/null in place of every closed stream. Otherwise the next file or socket would take the stream's number and
    receive its output. The command that `exec` starts still finds them closed. Raises TcenvError for a closed standard
    output, except for `exec`."""
    missing = [name for name in ("stdout", "stderr") if getattr(sys, name) is None]
    # Python closes these descriptors on exec.
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in missing:
        setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - they live as long as we do
    if "stdout" in missing and arguments[:1] != ["exec"]:
        raise TcenvError("Standard output (1) is closed.", "To discard the output, send it to /dev/null: >/dev/null")


def set_encoding() -> None:
    """Make both streams replace what their encoding lacks: a typographic character by ASCII, any other one by an escape.

    On Windows, a pipe or a file also gets the encoding that its reader expects, and plain line ends, which every shell there
    takes: bash would read a carriage return as a part of the line."""
    codecs.register_error(_NAME, _replace)
    for stream in (sys.stdout, sys.stderr):
        change: dict[str, Any] = {"errors": _NAME}
        if os.name == "nt" and not stream.isatty():
            change["newline"] = "\n"
            if encoding := _find_encoding_on_windows():
                change["encoding"] = encoding
        stream.reconfigure(**change)  # type: ignore[union-attr]


def _find_encoding_on_windows() -> str | None:
    """Return the encoding by which the reader of a pipe decodes: UTF-8 in the shells of MSYS2 and Git, else that of the
    console. Returns None if the user has chosen one, or if there is no console."""
    environ = os.environ
    if environ.get("PYTHONIOENCODING") or sys.flags.utf8_mode:
        return None
    if environ.get("MSYSTEM"):
        return "utf-8"
    import ctypes

    page = ctypes.windll.kernel32.GetConsoleOutputCP()  # type: ignore[attr-defined,unused-ignore]
    try:
        return codecs.lookup(f"cp{page}").name
    except LookupError:
        return None


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(ASCII.get(one) or ascii(one)[1:-1] for one in text), error.end
