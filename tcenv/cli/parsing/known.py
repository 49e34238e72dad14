"""Describes the values that complete an option or an argument."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Known:
    """The values that complete an option or argument: fixed ones, or the names of `of` (profiles) on this machine."""

    values: tuple[str, ...] = ()
    of: str = ""


def known(*values: str, of: str = "") -> Known:
    """Name the values that complete a parameter. Other values are allowed: the command judges what it gets."""
    return Known(values, of)
