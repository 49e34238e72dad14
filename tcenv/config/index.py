"""Read and write the configuration's index, for code that cannot afford a TOML parser: the store, the default, the profiles
and the purposes. tcenv writes it when it reads the whole configuration. Imports almost nothing (hot path)."""

from __future__ import annotations

import os

from tcenv import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_MARK = "\n\n"


class HandOver(Exception):
    """The full command line must carry out this run."""


class Index:
    """The content of the index: `store` and `default` (empty if the file names none), and the profiles."""

    __slots__ = ("_profiles", "default", "store")

    def __init__(self, store: str, default: str, profiles: str) -> None:
        self.store = store
        self.default = default
        self._profiles = f"\n{profiles}\n"

    def find_root_url(self, profile: str) -> str | None:
        """Return the root URL of a configured profile, or None."""
        key = f"\nPROFILE {profile} "
        start = self._profiles.find(key)
        if start < 0:
            return None
        start += len(key)
        return self._profiles[start : self._profiles.index("\n", start)]

    def find_profile(self, root_url: str) -> str | None:
        """Return the one configured profile that has this root URL, or the default among several; None if there is none."""
        found = [name for name in self.list_names() if self.find_root_url(name) == root_url]
        if len(found) == 1:
            return found[0]
        return self.default if self.default in found else None

    def list_names(self) -> list[str]:
        """Return the names of the configured profiles."""
        return [line.split(" ")[1] for line in self._profiles.split("\n") if line[:8] == "PROFILE "]

    def find_purpose(self, profile: str, name: str) -> tuple[list[str], str | None] | None:
        """Return the scopes and the time of a purpose (None: as long as the session). The profile's own purpose goes
        first."""
        for of in (profile, "-"):
            key = f"\nPURPOSE {of} {name}\t"
            start = self._profiles.find(key)
            if start >= 0:
                start += len(key)
                term, *scopes = self._profiles[start : self._profiles.index("\n", start)].split("\t")
                return scopes, term or None
        return None

    def list_purposes(self) -> list[str]:
        """Return the names of all purposes."""
        lines = [line for line in self._profiles.split("\n") if line[:8] == "PURPOSE "]
        return list(dict.fromkeys(line.partition("\t")[0].split(" ")[2] for line in lines))


def read() -> Index | None:
    """Read the index of the configuration. Returns None if there is no configuration. Raises HandOver for a stale or
    damaged index, OSError, ValueError."""
    path = paths.config_file()
    try:
        text = _read_file(path)
    except FileNotFoundError:
        if "TCENV_CONFIG" in os.environ:
            raise HandOver from None
        return None
    known = _read_file(paths.index_file())
    # The index holds a copy of the configuration, since times and sizes do not show every change.
    head, mark, of = known.partition(_MARK)
    first, store, default, profiles = f"{head}\n".split("\n", 3)
    if not mark or of != text or first != f"CONFIG={path}" or store[:6] != "STORE=" or default[:8] != "DEFAULT=":
        raise HandOver
    return Index(store[6:], default[8:], profiles)


def is_configured(word: str) -> bool:
    """Return whether the configuration contains this word."""
    try:
        return word in _read_file(paths.config_file())
    except (OSError, ValueError):
        return False


def _read_file(path: str) -> str:
    descriptor = paths.open_trusted(path, os.O_RDONLY)
    try:
        return os.read(descriptor, os.fstat(descriptor).st_size + 1).decode()
    finally:
        os.close(descriptor)


def encode(
    path: str,
    text: str,
    store: str,
    default: str,
    root_urls: Mapping[str, str],
    purposes: Sequence[tuple[str, str, str, Sequence[str]]] = (),
) -> bytes:
    """Render the index of the configuration at `path`, whose content is `text` and whose profiles have these root URLs.
    `purposes` are profiles (empty: everybody's), names, times (empty: none) and scopes."""
    lines = [
        f"CONFIG={path}",
        f"STORE={store}",
        f"DEFAULT={default}",
        *(f"PROFILE {name} {root_url}" for name, root_url in root_urls.items()),
        # No scope holds a tabulator.
        *("\t".join((f"PURPOSE {of or '-'} {name}", term, *scopes)) for of, name, term, scopes in purposes),
    ]
    return ("\n".join(lines) + _MARK + text).encode()
