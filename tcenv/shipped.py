"""The files that are shell code: one copy, in the checkout or in the installed package."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def folder(name: str) -> Path:
    """The folder `shell` or `completions`. A checkout's own goes first: an editable install serves what is being edited."""
    if (_PACKAGE.parent / "pyproject.toml").exists() and (_PACKAGE.parent / name).is_dir():
        return _PACKAGE.parent / name
    return _PACKAGE / f"_{name}"


def read(place: str, name: str) -> str | None:
    """The text of the file `name` in `shell` or `completions`, None where there is none."""
    path = folder(place) / name
    return path.read_text(encoding="utf-8") if path.is_file() else None
