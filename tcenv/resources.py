"""The files that are shell code: one copy, in the checkout or in the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_PLACES = {"shell": _PACKAGE / "_shell", "completions": _PACKAGE / "_completions"}


def read(folder: str, name: str) -> str | None:
    """The text of `name` in `shell` or `completions`, None where there is none. A checkout's own folder goes first: an
    editable install serves what is being edited."""
    for place in (_PACKAGE.parent / folder, _PLACES[folder]):
        if (_PACKAGE.parent / "pyproject.toml").exists() or place == _PLACES[folder]:
            path = place / name
            if path.is_file():
                return path.read_text(encoding="utf-8")
    return None
