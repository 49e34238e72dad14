"""Find the live session that a command means, by the configuration's index and the session's file. Leaves anything unusual
to the full command line. Imports almost nothing (hot path)."""

from __future__ import annotations

import os
import time

from tcenv import paths
from tcenv.config import index
from tcenv.config.index import HandOver
from tcenv.sessions import session_file
from tcenv.sessions.profile_names import get_profile_name, is_profile_name
from tcenv.shells import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.sessions.session_file import Parts

# With one of these variables set, the stored session may not be the one that is meant: the full command line decides.
_DECIDING = ("TCENV_ROOT_URL", "TCENV_PROXY")
_DECIDING_TO_SIGN_IN = (*_DECIDING, "TCENV_NAME", "TCENV_SCOPE", "TCENV_RESET")
_BOOLEANS = ("0", "1", "false", "true", "no", "yes", "off", "on")
_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
# The other variables that `resolve` checks for every command.
_CHECKED = (
    *("TCENV_PORT", "TCENV_TIMEOUT", "TCENV_LOGIN_EXPIRES", "TCENV_FLOW", "TCENV_NAME", "TCENV_SCOPE", "TCENV_RETRY"),
    *("TCENV_DESCRIPTION", "TCENV_BROWSER", "TCENV_NO_BROWSER", "TCENV_NO_SELF_DELETE"),
)


def find(argument: str | None, *, for_signing_in: bool, with_token: bool = True) -> tuple[Parts, str]:
    """Find the live session that a command means. `argument` is a profile or a root URL (None: not given). `for_signing_in`
    takes only a session that needs no renewal yet. `with_token` reads the token from the keyring if it is there.

    Returns the parts of its file (see `session_file.decode`) and its path. Raises HandOver if the full command line must
    decide, and the errors of reading the file."""
    environ = os.environ
    if any(variable in environ for variable in (_DECIDING_TO_SIGN_IN if for_signing_in else _DECIDING)):
        raise HandOver
    for variable in _CHECKED:
        if variable in environ and environ[variable] and not _is_plain(variable, environ[variable]):
            raise HandOver
    known = index.read()
    store = _find_store(known)
    if store is None:
        raise HandOver
    directory = store[1]
    here = environ.get("TASKCLUSTER_ROOT_URL")
    profile = root_url = None
    if argument and "://" in argument:
        here = argument
    else:
        profile = argument or environment.get_selected_profile(environ)
    if profile is None:
        if here:
            root_url = here
            profile = (known and known.find_profile(here)) or get_profile_name(here)
        else:
            profile = (known and known.default) or ""
    if not is_profile_name(profile) or "@" in profile:
        raise HandOver
    found = session_file.read(directory, profile)
    if found is None:
        raise HandOver
    fields = found[0]
    held = fields["TASKCLUSTER_ROOT_URL"]
    configured = known and known.find_root_url(profile)
    if (get_profile_name(held) != profile) if configured is None else (configured != held):
        raise HandOver
    # The full command line handles other spellings of the same root URL.
    if root_url not in (None, held) or "STATE" in fields:
        raise HandOver
    if time.time() >= int(fields["RENEW" if for_signing_in else "TCENV_EXPIRES"]):
        raise HandOver
    if with_token and session_file.ITEM in fields:
        add_token_from_keyring(fields)
    return found, session_file.get_path(directory, profile)


def add_token_from_keyring(fields: dict[str, str]) -> None:
    """Add the token to the fields of a session whose file names an item of the keyring. Raises HandOver if the Secret
    Service does not answer at once."""
    from tcenv.sessions import secret_service

    if not secret_service.is_known():
        raise HandOver
    name = session_file.name_item(fields[environment.PROFILE], fields[session_file.ITEM])
    try:
        text = secret_service.read_item(name) or ""
    except secret_service.Unavailable:
        raise HandOver from None
    generation, _, token = text.partition(" ")
    if not token or generation != fields[environment.GENERATION]:
        raise HandOver  # a writer is replacing both
    fields[environment.ACCESS_TOKEN] = token


def _is_plain(variable: str, value: str) -> bool:
    """Return whether the full command line certainly accepts this value of an option's variable."""
    if variable == "TCENV_PORT":
        return len(value) < 5 and value.isascii() and value.isdecimal()
    if variable in ("TCENV_TIMEOUT", "TCENV_LOGIN_EXPIRES"):
        number = value[:-1]
        return value[-1] in "smhd" and len(number) < 4 and number.isascii() and number.isdecimal() and number[0] != "0"
    if variable == "TCENV_FLOW":
        return value in ("auto", "create", "new")
    if variable == "TCENV_NAME":
        return len(value) < 40 and _NAME.issuperset(value)
    if variable in ("TCENV_SCOPE", "TCENV_DESCRIPTION"):
        plain = len(value) < 1000 and value.isascii() and value.isprintable()
        if variable == "TCENV_DESCRIPTION":
            return plain and "{" not in value
        return plain and "**" not in value and 0 < len(value.split()) <= 20
    if variable == "TCENV_BROWSER":
        return True
    return variable in ("TCENV_NO_BROWSER", "TCENV_NO_SELF_DELETE", "TCENV_RETRY") and value in _BOOLEANS


def _find_store(known: index.Index | None) -> tuple[str, str] | None:
    """Return the name and the directory of the store that the environment or the configuration chooses."""
    return paths.find_store(os.environ.get("TCENV_STORE") or (known and known.store) or "auto")


def find_stored(argument: str | None, *, with_token: bool) -> tuple[dict[str, str], list[str] | None, str] | None:
    """Return the fields and scopes (see `session_file.decode`) of the live session that a command means, and the name of
    its store. For `with_token` see `find`. Returns None if the full command line must decide."""
    try:
        (fields, scopes, *_), _ = find(argument, for_signing_in=False, with_token=with_token)
        store = _find_store(index.read())
    except Exception:
        return None
    return store and (fields, scopes, store[0])
