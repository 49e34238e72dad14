"""Check the names of profiles, and name the profile of a bare root URL. Imports almost nothing (hot path)."""

from __future__ import annotations

_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LONGEST = 128
# Leaves room for an ending, and for the name of a temporary file beside it, in the 255 bytes that file systems take.
_LONGEST_FILE_NAME = 192
_RESERVED = frozenset(
    ("con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(10)))
)
# Characters of a root URL's path that a profile's name cannot hold. Each escape begins with `_`, so no two paths get
# one name.
_ESCAPES = {"/": "__", "_": "_u", "~": "_t"}


def is_profile_name(text: str) -> bool:
    """Return whether `text` can name a stored session: a word in every shell, whose `get_file_name` is not too long."""
    is_word = 0 < len(text) <= _LONGEST and text[0] in _ALPHANUMERIC and not set(text) - _ALPHANUMERIC - set("._-@")
    return is_word and len(get_file_name(text)) <= _LONGEST_FILE_NAME


def get_file_name(profile: str) -> str:
    """Return the part of a file's name that stands for a profile. macOS and Windows ignore case there, so `+` marks each
    capital letter; and Windows reserves some names, with any ending."""
    if profile.islower() and profile.partition(".")[0] not in _RESERVED:
        return profile
    name = "".join(f"+{letter.lower()}" if letter.isupper() else letter for letter in profile)
    return f"++{name}" if name.partition(".")[0] in _RESERVED else name


def get_profile_of_file(name: str) -> str:
    """Return the profile that `get_file_name` gives this name."""
    first, *others = name.removeprefix("++").split("+")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


def is_configurable_name(text: str) -> bool:
    """Return whether a profile in the configuration may have the name `text`. (`@` marks a profile with another root
    URL.)"""
    return is_profile_name(text) and "@" not in text


def get_argument(key: str, root_url: str) -> str:
    """Return the words that name the session `key` of a deployment on a command line, separated by blanks. They work
    with any environment and any selected profile."""
    if key == get_profile_name(root_url):
        return root_url
    base, at, _ = key.partition("@")
    return f"{base} --root-url {root_url}" if at else key


def get_stored_argument(key: str, root_url: str) -> str:
    """Return the argument that names a session for the commands that know only stored sessions and take no
    `--root-url`."""
    return key if "@" in key else get_argument(key, root_url)


def get_display_name(key: str, root_url: str) -> str:
    """Return the name of the session `key` for messages. Leaves out a name that was made from the root URL."""
    return root_url if key == get_profile_name(root_url) else f"{key} ({root_url})"


def get_profile_name(root_url: str) -> str:
    """Return the profile name for a deployment without a profile: its host, and the scheme, port and path that differ
    from the usual. No two root URLs (in the spelling of `parse_root_url`) share a name."""
    scheme, _, rest = root_url.partition("://")
    host, _, path = rest.partition("/")
    if host[:1] == "[" and scheme == "https":
        address, _, port = host[1:].partition("]")
        # After a host, a port or a path follows `_`, and never a dot.
        name = "ip6_." + address.replace(":", "_") + port.replace(":", "_.")
    else:
        name = host.replace("[", "").replace("]", "").replace(":", "_")
    if scheme != "https":
        name = f"{scheme}_{name}"
    if path:
        name += "__" + "".join(_ESCAPES.get(character, character) for character in path)
    if len(name) > _LONGEST or len(get_file_name(name)) > _LONGEST_FILE_NAME:
        import hashlib

        name = f"{name[:80]}_.{hashlib.sha256(root_url.encode()).hexdigest()[:40]}"
    return name
