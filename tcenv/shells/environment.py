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

# The root URL that was loaded; then, a blank apart, `-` where the session is kept in no file that a prompt hook could look for,
# and what the root URL was before tcenv loaded anything (nothing where there was none).
LOADED = "TCENV_LOADED"

VARIABLES = (ROOT_URL, CLIENT_ID, ACCESS_TOKEN, CERTIFICATE, PROFILE, EXPIRES, LOADED)
# Of a run behind the proxy with --unsigned: the path of this URL is a secret.
PROXY_URL = "TASKCLUSTER_PROXY_URL"
# The variables whose values are secrets. Everything that hides, masks or removes a token goes by this list.
SECRETS = (ACCESS_TOKEN, CERTIFICATE, PROXY_URL)
_UNKEPT = "-"
# What a root URL may be written with: anything else was none, and is not brought back.
_OF_URLS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:/._~%@+[]-")


def loading(values: Mapping[str, str], environ: Mapping[str, str], *, kept: bool = True) -> dict[str, str | None]:
    """The change that loads the credentials in `values`, which is keyed by variable, into `environ`; `kept` says whether
    their session is in a file of the runtime or file store.

    A variable without a value is unset: a certificate left over beside permanent credentials makes every call fail."""
    change = {variable: values.get(variable) for variable in VARIABLES}
    words = (change[ROOT_URL], "" if kept else _UNKEPT, root_url_before(environ))
    change[LOADED] = " ".join(word for word in words if word)
    return change


def unloading(environ: Mapping[str, str]) -> dict[str, str | None]:
    """The change that removes what is loaded in `environ`; the root URL becomes what it was before, unless another one has
    been chosen since."""
    change: dict[str, str | None] = dict.fromkeys(VARIABLES)
    loaded = environ.get(LOADED)
    if loaded and loaded.partition(" ")[0] != environ.get(ROOT_URL, ""):
        del change[ROOT_URL]
    else:
        change[ROOT_URL] = root_url_before(environ) or None
    return change


def root_url_before(environ: Mapping[str, str]) -> str:
    """What the root URL was before tcenv loaded anything into `environ`; empty where there was none."""
    here, loaded = environ.get(ROOT_URL, ""), environ.get(LOADED)
    if loaded:
        first, _, before = loaded.partition(" ")
        before = here if first != here else before.removeprefix(_UNKEPT + " ")
    else:
        # A version that did not note it has loaded this one.
        before = "" if environ.get(PROFILE) and environ.get(EXPIRES) else here
    return before if before != _UNKEPT and not set(before) - _OF_URLS else ""


def loaded_profile(environ: Mapping[str, str]) -> str | None:
    """The profile that `TCENV_PROFILE` names; None where it names none, or where another root URL has been chosen since that
    was loaded."""
    loaded = environ.get(LOADED)
    if loaded and loaded.partition(" ")[0] != environ.get(ROOT_URL, ""):
        return None
    return environ.get(PROFILE) or None


def applied(change: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    """A copy of `environ` with the change made, for a child process."""
    result = {name: value for name, value in environ.items() if name not in change}
    result.update((name, value) for name, value in change.items() if value is not None)
    return result
