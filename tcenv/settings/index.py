"""The configuration's index, for readers that cannot afford a TOML parser: which store, which default, which root URL a profile
has. Written when the configuration is read in full. Must stay importable for next to nothing (hot path)."""

from __future__ import annotations

import os

from tcenv import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class HandOver(Exception):
    """This run is not one for the hot path: the full command line has the word."""


class Index:
    """What the index says: `store` and `default` (empty where the file names none), and the profiles."""

    __slots__ = ("_profiles", "default", "store")

    def __init__(self, store: str, default: str, profiles: str) -> None:
        self.store = store
        self.default = default
        self._profiles = "\n" + profiles

    def root_url(self, profile: str) -> str | None:
        """The root URL of a configured profile, None for one that is not."""
        key = f"\nPROFILE {profile} "
        start = self._profiles.find(key)
        if start < 0:
            return None
        start += len(key)
        return self._profiles[start : self._profiles.index("\n", start)]

    def profile_of(self, root_url: str) -> str | None:
        """The one configured profile that has this root URL, or the default among several; None where it is nobody's."""
        found = [name for name in self.names() if self.root_url(name) == root_url]
        if len(found) == 1:
            return found[0]
        return self.default if self.default in found else None

    def names(self) -> list[str]:
        """The configured profiles."""
        return [line.split(" ")[1] for line in self._profiles.split("\n") if line]


def read() -> Index | None:
    """The index of the configuration, None where there is no configuration. Raises HandOver where it is stale or damaged,
    OSError, ValueError."""
    path = paths.config_file()
    try:
        config = os.stat(path)
    except FileNotFoundError:
        if "TCENV_CONFIG" in os.environ:
            raise HandOver from None
        return None
    descriptor = os.open(paths.index_file(), os.O_RDONLY)
    try:
        status = os.fstat(descriptor)
        text = os.read(descriptor, 1 << 24).decode()
    finally:
        os.close(descriptor)
    head, store, default, profiles = text.split("\n", 3)
    if (
        status.st_mtime_ns != config.st_mtime_ns
        or head != f"CONFIG={path} {config.st_size}"
        or store[:6] != "STORE="
        or default[:8] != "DEFAULT="
        or text[-1:] != "\n"
    ):
        raise HandOver
    return Index(store[6:], default[8:], profiles)


def encode(path: str, status: os.stat_result, store: str, default: str, root_urls: Mapping[str, str]) -> bytes:
    """The index of the configuration at `path` (its `status` when it was read), whose profiles have these root URLs."""
    lines = [
        f"CONFIG={path} {status.st_size}",
        f"STORE={store}",
        f"DEFAULT={default}",
        *(f"PROFILE {name} {root_url}" for name, root_url in root_urls.items()),
    ]
    return ("\n".join(lines) + "\n").encode()
