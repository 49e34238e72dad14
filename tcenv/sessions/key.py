"""Names of profiles, and the name that a bare root URL goes by. Must stay importable for next to nothing (hot path)."""

from __future__ import annotations

_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LONGEST = 128


def is_profile_name(text: str) -> bool:
    """Whether a session may be stored under `text`: a file's name on every system, and a word in every shell."""
    return 0 < len(text) <= _LONGEST and text[0] in _ALPHANUMERIC and not set(text) - _ALPHANUMERIC - set("._-@")


def is_configurable_name(text: str) -> bool:
    """Whether a profile in the configuration may be called `text` (`@` marks a profile used with another root URL)."""
    return is_profile_name(text) and "@" not in text


def profile_of(root_url: str) -> str:
    """The name of the session of a deployment that no profile names: its host, told apart by scheme, port and path."""
    scheme, _, rest = root_url.partition("://")
    host, _, path = rest.partition("/")
    name = host.replace("[", "").replace("]", "").replace(":", "_")
    if scheme != "https":
        name = f"{scheme}_{name}"
    if path:
        name += "__" + "".join(character if character in _ALPHANUMERIC else "_" for character in path)
    return name
