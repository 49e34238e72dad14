"""A session as a change to the environment: {variable: value, or None to unset it}, in the order in which it is applied.
Must stay importable for next to nothing (hot path)."""

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
# Five words: profile, root URL, generation, the session's file (it may hold blanks), and what was chosen before tcenv loaded
# anything: a root URL, or PROFILE=ROOT_URL where TCENV_PROFILE named one. `-` stands for what there is not.
LOADED = "TCENV_LOADED"

VARIABLES = (ROOT_URL, CLIENT_ID, ACCESS_TOKEN, CERTIFICATE, PROFILE, EXPIRES, LOADED)
# Of a run behind the proxy with --unsigned: the path of this URL is a secret.
PROXY_URL = "TASKCLUSTER_PROXY_URL"
# The variables whose values are secrets. Everything that hides, masks or removes a token goes by this list.
SECRETS = (ACCESS_TOKEN, CERTIFICATE, PROXY_URL)
_NOTHING = "-"
# The key under which `values` hold the generation, which changes with the token.
GENERATION = "GENERATION"
# What a name and a root URL may be written with: anything else was none, and is not brought back.
_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-")
_OF_URLS = _OF_NAMES | frozenset(":/~%+[]")


class Loaded:
    """What tcenv has loaded into an environment: `before` is what was chosen by then, as `chosen` writes it."""

    __slots__ = ("before", "file", "generation", "profile", "root_url")

    def __init__(self, profile: str, root_url: str, generation: str, file: str, before: str) -> None:
        self.profile = profile
        self.root_url = root_url
        self.generation = generation
        self.file = file
        self.before = before


def loaded(environ: Mapping[str, str]) -> Loaded | None:
    """Return what `environ` says that tcenv has loaded; None where it says nothing."""
    words = environ.get(LOADED, "").split(" ")
    if len(words) < 5:
        return None
    profile, root_url, generation, *file, before = words
    path = " ".join(file)
    return Loaded(profile, root_url, generation, "" if path == _NOTHING else path, before)


def loading(
    values: Mapping[str, str], environ: Mapping[str, str], *, file: str = "", before: str = ""
) -> dict[str, str | None]:
    """Return the change that loads the credentials in `values`, which is keyed by variable, into `environ`. `file` is the file
    of their session (empty: prompt hooks have none to compare), `before` what unloading brings back (empty: what is chosen now).

    A variable without a value is unset: a certificate left over beside permanent credentials makes every call fail."""
    change = {variable: values.get(variable) for variable in VARIABLES}
    # Shells could not tell the words of another path apart, or not carry it.
    file = file if file.isprintable() and file else _NOTHING
    change[LOADED] = (
        f"{change[PROFILE]} {change[ROOT_URL]} {values.get(GENERATION) or _NOTHING} {file} {before or _chosen_before(environ)}"
    )
    return change


def selecting(profile: str, root_url: str | None) -> dict[str, str | None]:
    """Return the change that makes `profile` the one that is meant, without credentials; `root_url` is None where it is not
    known."""
    change: dict[str, str | None] = dict.fromkeys(VARIABLES)
    change[ROOT_URL], change[PROFILE] = root_url, profile
    return change


def chosen(profile: str, root_url: str) -> str:
    """Return the last word of TCENV_LOADED for what TCENV_PROFILE and TASKCLUSTER_ROOT_URL say (empty: nothing)."""
    root_url = root_url if root_url != "" and not set(root_url) - _OF_URLS else _NOTHING
    return f"{profile}={root_url}" if profile and not set(profile) - _OF_NAMES else root_url


def _chosen_before(environ: Mapping[str, str]) -> str:
    profile, root_url = environ.get(PROFILE, ""), environ.get(ROOT_URL, "")
    found = loaded(environ)
    if found is not None:
        before = _split(found.before)
        profile = before[0] if found.profile == profile else profile
        root_url = before[1] if found.root_url == root_url else root_url
    return chosen(profile, root_url)


def unloading(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Return the change that removes what is loaded in `environ`: root URL and profile become what they were before, unless
    others have been chosen since."""
    found = loaded(environ)
    if found is None:
        return {}
    change: dict[str, str | None] = dict.fromkeys(VARIABLES)
    profile, root_url = _split(found.before)
    for variable, ours, before in ((ROOT_URL, found.root_url, root_url), (PROFILE, found.profile, profile)):
        if environ.get(variable) == ours:
            change[variable] = before or None
        else:
            del change[variable]
    return change


def _split(before: str) -> tuple[str, str]:
    """Return profile and root URL of the last word of TCENV_LOADED, each empty where there was none, or none that could be."""
    profile, _, root_url = before.rpartition("=")
    is_url = root_url != _NOTHING and not set(root_url) - _OF_URLS
    return (profile if not set(profile) - _OF_NAMES else "", root_url if is_url else "")


def loaded_profile(environ: Mapping[str, str]) -> str | None:
    """Return the profile that is loaded in `environ`; None where there is none, or another one or another root URL has been
    chosen since."""
    found = loaded(environ)
    if found is None or (found.profile, found.root_url) != (environ.get(PROFILE), environ.get(ROOT_URL)):
        return None
    return found.profile


def selected_profile(environ: Mapping[str, str]) -> str | None:
    """Return the profile that TCENV_PROFILE names; None where it names none, or where another root URL has been chosen since
    that one was loaded."""
    profile, found = environ.get(PROFILE), loaded(environ)
    if found is not None and found.profile == profile and found.root_url != environ.get(ROOT_URL):
        return None
    return profile or None


def applied(change: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """Return a copy of `environ` with the change made, for a child process."""
    result = {name: value for name, value in environ.items() if name not in change}
    result.update((name, value) for name, value in change.items() if value is not None)
    return result
