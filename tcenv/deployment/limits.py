"""Check names, descriptions and scopes before a browser opens: with invalid ones, the sign-in pages crash or never answer."""

from __future__ import annotations

from collections.abc import Sequence

from tcenv.deployment.scopes import check_scope
from tcenv.errors import UsageError

FLOWS = ("auto", "create", "new")
MAX_SCOPES = 20
LONGEST_DESCRIPTION = 10_240
_LONGEST_NAME = 200
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@/:.+|_-")


def check_name(name: str) -> str:
    """Return `name` if it can be the end of a clientId. Raises UsageError."""
    if not 1 <= len(name) <= _LONGEST_NAME or not _NAME.issuperset(name):
        raise UsageError(
            f"{name[:_LONGEST_NAME]!r} cannot be a client's name.",
            f"Accepted: 1 to {_LONGEST_NAME} letters, digits and ! @ / : . + | _ -",
        )
    return name


def check_description(text: str) -> str:
    """Return `text` if it can be a client's description. Raises UsageError."""
    if len(text) > LONGEST_DESCRIPTION:
        raise UsageError(
            f"The description has {len(text):,} characters.", f"Accepted: at most {LONGEST_DESCRIPTION:,}."
        )
    # Python reads bytes of the command line that are not UTF-8 as lone surrogates.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError("The description is not valid text.", "Accepted: any text in UTF-8.")
    return text


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return `scopes` without repetitions if the page can take them. Raises UsageError."""
    unique = tuple(dict.fromkeys(scopes))
    if not 1 <= len(unique) <= MAX_SCOPES:
        raise UsageError(
            f"You cannot ask for {len(unique)} scopes.",
            f"Accepted: 1 to {MAX_SCOPES}. A pattern like queue:* stands for many.",
        )
    for scope in unique:
        check_scope(scope)
    return unique
