"""Write to the standard streams only what their encoding has: a typographic character becomes ASCII, and any other an escape."""

from __future__ import annotations

import codecs
import os
import sys
from typing import Any

_NAME = "tcenv-ascii"
_ASCII = {
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


def prepare() -> None:
    """Make both streams replace what their encoding lacks. On Windows, a pipe or a file also gets the encoding that its reader
    expects, and plain line ends, which every shell there takes: bash would see a carriage return as a part of the line."""
    codecs.register_error(_NAME, _replace)
    for stream in (sys.stdout, sys.stderr):
        change: dict[str, Any] = {"errors": _NAME}
        if os.name == "nt" and not stream.isatty():
            change["newline"] = "\n"
            if encoding := _find_encoding_on_windows():
                change["encoding"] = encoding
        stream.reconfigure(**change)  # type: ignore[union-attr]


def _find_encoding_on_windows() -> str | None:
    """Return the encoding by which the reader of a pipe decodes: UTF-8 in the shells of MSYS2 and Git, else that of the console.
    Returns None where the user has chosen one, or where there is no console."""
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
    return "".join(_ASCII.get(one) or ascii(one)[1:-1] for one in text), error.end
