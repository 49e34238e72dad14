"""Names of profiles, and the name that a bare root URL goes by. Must stay importable for next to nothing (hot path)."""

from __future__ import annotations

_ALPHANUMERIC = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_LONGEST = 128
# What of a root URL's path has no place in a profile's name; `_` begins each of these, so that no two paths meet.
_ESCAPES = {"/": "__", "_": "_u", "~": "_t"}


def is_profile_name(text: str) -> bool:
    """Whether a session may be stored under `text`: a file's name on every system, and a word in every shell."""
    return 0 < len(text) <= _LONGEST and text[0] in _ALPHANUMERIC and not set(text) - _ALPHANUMERIC - set("._-@")


def is_configurable_name(text: str) -> bool:
    """Whether a profile in the configuration may be called `text` (`@` marks a profile used with another root URL)."""
    return is_profile_name(text) and "@" not in text


def argument_of(key: str, root_url: str) -> str:
    """Return the words of a command that name the session `key` of a deployment, whatever is set or loaded, with a blank between
    them."""
    if key == profile_of(root_url):
        return root_url
    base, at, _ = key.partition("@")
    return f"{base} --root-url {root_url}" if at else key


def stored_argument_of(key: str, root_url: str) -> str:
    """Return the argument for commands that know only stored sessions and take no `--root-url`."""
    return key if "@" in key else argument_of(key, root_url)


def called(key: str, root_url: str) -> str:
    """Return how messages name the session `key` of a deployment. A name that is made of the root URL adds nothing to it."""
    return root_url if key == profile_of(root_url) else f"{key} ({root_url})"


def profile_of(root_url: str) -> str:
    """Return the name for the session of a deployment without a profile: its host, with scheme, port and path where they differ
    from the usual. No two root URLs (as `parse_root_url` spells them) share a name."""
    scheme, _, rest = root_url.partition("://")
    host, _, path = rest.partition("/")
    if host[:1] == "[" and scheme == "https":
        address, _, port = host[1:].partition("]")
        # Behind a host, `_` is followed by a port or a path: never by a dot.
        name = "ip6_." + address.replace(":", "_") + port.replace(":", "_.")
    else:
        name = host.replace("[", "").replace("]", "").replace(":", "_")
    if scheme != "https":
        name = f"{scheme}_{name}"
    if path:
        name += "__" + "".join(_ESCAPES.get(character, character) for character in path)
    if len(name) > _LONGEST:
        import hashlib

        name = f"{name[:80]}_.{hashlib.sha256(root_url.encode()).hexdigest()[:40]}"
    return name
