"""Find the files that are shell code: one copy, in the checkout or in the installed package."""

from __future__ import annotations

import os

_PACKAGE = os.path.dirname(os.path.abspath(__file__))


def find_folder(name: str) -> str:
    """Return the folder `shell` or `completions`. An editable installation uses those of the checkout, which you edit."""
    checkout = os.path.dirname(_PACKAGE)
    own = os.path.join(checkout, name)
    if os.path.exists(os.path.join(checkout, "pyproject.toml")) and os.path.isdir(own):
        return own
    return os.path.join(_PACKAGE, f"_{name}")


def read(folder: str, name: str) -> str | None:
    """Return the text of the file `name` in `shell` or `completions`, or None if there is none."""
    try:
        with open(os.path.join(find_folder(folder), name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None
