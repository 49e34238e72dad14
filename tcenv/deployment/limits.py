"""What the deployment's sign-in pages take: names, descriptions, scopes, and which pages there are. What would crash them, or end
there without an answer, is refused here, before a browser opens."""

from __future__ import annotations

from collections.abc import Sequence

from tcenv.deployment.scopes import check_scope
from tcenv.errors import UsageError

FLOWS = ("auto", "create", "new")
MOST_SCOPES = 20
LONGEST_DESCRIPTION = 10_240
_LONGEST_NAME = 200
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!@/:.+|_-")


def check_name(name: str) -> str:
    """`name`, fit to be the end of a clientId. Raises UsageError."""
    if not 1 <= len(name) <= _LONGEST_NAME or not _NAME.issuperset(name):
        raise UsageError(
            f"{name[:_LONGEST_NAME]!r} cannot be a client's name.",
            f"Accepted: 1 to {_LONGEST_NAME} letters, digits and ! @ / : . + | _ -",
        )
    return name


def check_description(text: str) -> str:
    """`text`, fit to be a client's description. Raises UsageError."""
    if len(text) > LONGEST_DESCRIPTION:
        raise UsageError(
            f"The description has {len(text):,} characters.", f"Accepted: at most {LONGEST_DESCRIPTION:,}."
        )
    # Lone surrogates are bytes of the command line that are no text.
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise UsageError("The description holds bytes that are no text.", "Accepted: any text in UTF-8.")
    return text


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """`scopes` without repetitions, as many as the page can take. Raises UsageError."""
    unique = tuple(dict.fromkeys(scopes))
    if not 1 <= len(unique) <= MOST_SCOPES:
        raise UsageError(
            f"{len(unique)} scopes cannot be asked for.",
            f"Accepted: 1 to {MOST_SCOPES}. A pattern like queue:* stands for many.",
        )
    for scope in unique:
        check_scope(scope)
    return unique
