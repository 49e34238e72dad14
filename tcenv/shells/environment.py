"""Turn credentials into a change to the environment: {variable: value, or None to unset it}, in the order to apply it.
Imports almost nothing (hot path)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_URL = "TASKCLUSTER_ROOT_URL"
CLIENT_ID = "TASKCLUSTER_CLIENT_ID"
ACCESS_TOKEN = "TASKCLUSTER_ACCESS_TOKEN"  # noqa: S105 - the variable's name
CERTIFICATE = "TASKCLUSTER_CERTIFICATE"
PROFILE = "TCENV_PROFILE"
EXPIRES = "TCENV_EXPIRES"
# Five words: the profile, the root URL, the generation, the session's file (may hold blanks), and the choice before
# tcenv loaded anything: a root URL, or PROFILE=ROOT_URL if TCENV_PROFILE named one. `-` stands for an empty word.
LOADED = "TCENV_LOADED"

VARIABLES = (ROOT_URL, CLIENT_ID, ACCESS_TOKEN, CERTIFICATE, PROFILE, EXPIRES, LOADED)
# Set in a run behind the proxy with --unsigned. The path of this URL is a secret.
PROXY_URL = "TASKCLUSTER_PROXY_URL"
# The variables whose values are secrets. All code that hides, masks or removes tokens uses this list.
SECRETS = (ACCESS_TOKEN, CERTIFICATE, PROXY_URL)
_NOTHING = "-"
# The key of the generation in `values`. The generation changes with the token.
GENERATION = "GENERATION"
# The characters of names and root URLs. Do not restore a former choice that holds any other character.
_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")
_OF_URLS = _OF_NAMES | frozenset(":/~%+[]")


class Loaded:
    """A session that is loaded into an environment. `before` is the user's earlier choice (see `encode_choice`)."""

    __slots__ = ("before", "file", "generation", "profile", "root_url")

    def __init__(self, profile: str, root_url: str, generation: str, file: str, before: str) -> None:
        self.profile = profile
        self.root_url = root_url
        self.generation = generation
        self.file = file
        self.before = before


def read_loaded(environ: Mapping[str, str]) -> Loaded | None:
    """Return what tcenv has loaded into `environ`, or None if nothing."""
    words = environ.get(LOADED, "").split(" ")
    if len(words) < 5:
        return None
    profile, root_url, generation, *file, before = words
    path = " ".join(file)
    return Loaded(profile, root_url, generation, "" if path == _NOTHING else path, before)


def make_loading(
    values: Mapping[str, str], environ: Mapping[str, str], *, file: str = "", before: str = ""
) -> dict[str, str | None]:
    """Return the change that loads the credentials in `values`, which is keyed by variable, into `environ`. `file` is
    the file of their session (empty: prompt hooks have no file to compare). `before` is the choice that unloading
    restores (empty: the current one).

    Unsets variables that have no value, because a leftover certificate makes every call with permanent credentials fail."""
    change = {variable: values.get(variable) for variable in VARIABLES}
    # A path with other characters would mix up the words, or some shells could not carry it.
    file = file if file.isprintable() and file else _NOTHING
    change[LOADED] = (
        f"{change[PROFILE]} {change[ROOT_URL]} {values.get(GENERATION) or _NOTHING} {file} {before or _read_choice(environ)}"
    )
    return change


def make_selecting(profile: str, root_url: str | None) -> dict[str, str | None]:
    """Return the change that selects `profile` without loading credentials. `root_url` is None if it is unknown."""
    change: dict[str, str | None] = dict.fromkeys(VARIABLES)
    change[ROOT_URL], change[PROFILE] = root_url, profile
    return change


def encode_choice(profile: str, root_url: str) -> str:
    """Return the last word of TCENV_LOADED for these values of TCENV_PROFILE and TASKCLUSTER_ROOT_URL (empty: not
    set)."""
    root_url = root_url if root_url != "" and not set(root_url) - _OF_URLS else _NOTHING
    return f"{profile}={root_url}" if profile and not set(profile) - _OF_NAMES else root_url


def _read_choice(environ: Mapping[str, str]) -> str:
    profile, root_url = environ.get(PROFILE, ""), environ.get(ROOT_URL, "")
    found = read_loaded(environ)
    if found is not None:
        before = _split(found.before)
        profile = before[0] if found.profile == profile else profile
        root_url = before[1] if found.root_url == root_url else root_url
    return encode_choice(profile, root_url)


def make_unloading(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the change that unloads what `environ` has loaded. Restores the former root URL and profile, unless the
    user has chosen others since."""
    found = read_loaded(environ)
    if found is None:
        return {}
    change: dict[str, str | None] = dict.fromkeys(VARIABLES)
    profile, root_url = _split(found.before)
    for variable, loaded, before in ((ROOT_URL, found.root_url, root_url), (PROFILE, found.profile, profile)):
        if environ.get(variable) == loaded:
            change[variable] = before or None
        else:
            del change[variable]
    return change


def _split(before: str) -> tuple[str, str]:
    """Return the profile and the root URL in the last word of TCENV_LOADED, each empty if it is missing or invalid."""
    profile, _, root_url = before.rpartition("=")
    is_url = root_url != _NOTHING and not set(root_url) - _OF_URLS
    return (profile if not set(profile) - _OF_NAMES else "", root_url if is_url else "")


def get_loaded_profile(environ: Mapping[str, str]) -> str | None:
    """Return the profile that is loaded in `environ`. Returns None if none is loaded, or if the user has chosen another
    profile or root URL since."""
    found = read_loaded(environ)
    if found is None or (found.profile, found.root_url) != (environ.get(PROFILE), environ.get(ROOT_URL)):
        return None
    return found.profile


def get_selected_profile(environ: Mapping[str, str]) -> str | None:
    """Return the profile that TCENV_PROFILE names. Returns None if it names none, or if the user has chosen another
    root URL since that profile was loaded."""
    profile, found = environ.get(PROFILE), read_loaded(environ)
    if found is not None and found.profile == profile and found.root_url != environ.get(ROOT_URL):
        return None
    return profile or None


def apply(change: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `environ` with the change applied, for a child process."""
    result = {name: value for name, value in environ.items() if name not in change}
    result.update((name, value) for name, value in change.items() if value is not None)
    return result
