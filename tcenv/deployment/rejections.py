"""Find out why a deployment rejects credentials, from the message of its AuthenticationFailed."""

from __future__ import annotations

from typing import NamedTuple


class Rejection(NamedTuple):
    """The reason why a deployment rejects credentials: its name (see CredentialsRejected), a sentence without its full stop,
    and a hint if another sign-in does not help."""

    reason: str
    sentence: str
    hint: str | None = None


# The phrases of an AuthenticationFailed.
_REJECTIONS = {
    "has expired": Rejection("expired", "The client has expired"),
    "is disabled": Rejection("disabled", "The client is disabled: its owner may have lost scopes"),
    "not found": Rejection("deleted", "The client no longer exists"),
    "Bad mac": Rejection("bad-token", "The token was reset elsewhere, or is not the client's"),
    "Stale timestamp": Rejection(
        "clock",
        "This machine's clock is wrong, so the deployment refuses its signatures",
        "Set the clock (timedatectl set-ntp true), and try again.",
    ),
}


def find_rejection(message: str) -> Rejection | None:
    """Return the meaning of the message of an AuthenticationFailed, or None if it is unknown."""
    return next((rejection for phrase, rejection in _REJECTIONS.items() if phrase in message), None)
