"""Carry out `tcenv hook` on the hot path. A prompt hook calls it if the session's file has changed or the session ends
soon. direnv's library calls it if a directory selects a profile. Imports almost nothing, and leaves anything unusual to
the full command line."""

from __future__ import annotations

import os
import time

from tcenv import output
from tcenv.config import live_session
from tcenv.errors import make_login_command
from tcenv.sessions import session_file
from tcenv.sessions.profile_names import get_argument, is_profile_name
from tcenv.shells import environment, load_shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Change = dict[str, str | None]
    FromKeyring = Callable[[Mapping[str, str]], Mapping[str, str] | None]
    # What to tell the user: prose, and commands as tuples of words.
    Message = tuple[str | tuple[str, ...], ...]

# Remind the user of a session's end this many seconds before it.
_REMINDER = 600
# Variables that direnv's library sets: the inputs of its decision, and the file for tcenv's answer.
INPUTS, MEMO = "__TCENV_INPUTS", "__TCENV_MEMO"
# Tells direnv which file to watch besides the configuration.
WATCH = "__TCENV_WATCH"


def run(words: Sequence[str], say: Callable[..., None]) -> int | None:
    """Carry out `tcenv hook` with these words, and return the exit status. Returns None, and prints nothing, if the full
    command line must decide. `say` prints a message, in which commands are tuples of words."""
    try:
        if len(words) == 1:
            change, message = reload(os.environ, _read_from_keyring)
        elif words[1] == "--for-directory" and len(words) <= 3 and not words[-1].startswith("--as"):
            change, message = _load_for_directory(words[2] if len(words) == 3 else None), ()
        else:
            return None
        if os.isatty(1) or output.is_readable_by_others():
            return None  # never show a token on a terminal or in a file that others can read
        text = load_shell(words[0]).export(change).encode()
    except Exception:  # the full command line explains any failure
        return None
    if message:
        say(*message)
    output.write_last(text)
    return 0


def _read_from_keyring(fields: Mapping[str, str]) -> Mapping[str, str] | None:
    complete = dict(fields)
    live_session.add_token_from_keyring(complete)
    return complete


def reload(environ: Mapping[str, str], from_keyring: FromKeyring) -> tuple[Change, Message]:
    """Return the change that brings `environ` up to date with the file of the session that it has loaded, and what to say
    about it. If the token is not in the session's file, `from_keyring` returns the fields with the token.

    Raises Damaged, Unsafe, OSError."""
    loaded, token = environment.read_loaded(environ), environ.get(environment.ACCESS_TOKEN)
    if loaded is None or not token or "TCENV_PROXY" in environ or not is_profile_name(loaded.profile):
        return {}, ()
    if (
        loaded.root_url != environ.get(environment.ROOT_URL)
        or session_file.compute_generation(token) != loaded.generation
    ):
        return {}, ()  # the user has chosen another deployment or set other credentials since
    if loaded.file and environ.get(environment.CERTIFICATE):
        return {}, ()
    login = make_login_command(get_argument(loaded.profile, loaded.root_url))
    end, now = _parse_seconds(environ.get(environment.EXPIRES, "")), time.time()

    def unload(why: str) -> tuple[Change, Message]:
        return environment.make_unloading(environ), (f"{loaded.profile}: {why}. Sign in again:", login)

    expired = "the session has expired" if end and now >= end else ""
    fields = _read_stored(loaded)
    if fields is None:
        return unload(expired or "signed out elsewhere")
    if fields.get(environment.ROOT_URL) == loaded.root_url and fields[environment.GENERATION] != loaded.generation:
        if fields[environment.GENERATION] == session_file.ENDED:
            return unload("its client was deleted")
        if "STATE" not in fields and now < int(fields[environment.EXPIRES]):
            complete = fields if fields[environment.ACCESS_TOKEN] else from_keyring(fields)
            if complete is not None:
                return environment.make_loading(complete, environ, file=loaded.file, before=loaded.before), ()
    if expired:
        return unload(expired)
    if end and now >= end - _REMINDER:
        return {}, (f"{loaded.profile} expires in {int(end - now) // 60} min. Renew it:", (*login, "--reset"))
    return {}, ()


def _parse_seconds(text: str) -> int:
    return int(text) if text.isdecimal() and text.isascii() and len(text) < 16 else 0


def _read_stored(loaded: environment.Loaded) -> Mapping[str, str] | None:
    """Return the fields of the loaded session's file. Returns None if the file is gone, and an empty mapping if tcenv
    cannot know that."""
    directory = loaded.file.rpartition("/")[0]
    if loaded.file != session_file.get_path(directory, loaded.profile) or not os.path.isabs(directory):
        return {}
    parts = session_file.read(directory, loaded.profile)
    if parts is not None:
        return parts[0]
    # If the directory is missing too (another machine, a container), nothing is known.
    return None if os.path.isdir(directory) or os.path.isdir(os.path.dirname(directory)) else {}


def _load_for_directory(argument: str | None) -> Change:
    """Return the change that loads the stored session of a directory's profile. Raises HandOver and others."""
    if "TCENV_PROXY" in os.environ:
        return {}
    found, file = live_session.find(argument, for_signing_in=False)
    change = select(found[0], file, os.environ)
    if session_file.ITEM not in found[0]:
        remember(change, found[0], file)
    return change


def select(fields: Mapping[str, str], file: str, environ: Mapping[str, str]) -> Change:
    """Return the change that loads a session into a directory that selects its profile; unloading leaves the profile
    selected."""
    before = environment.encode_choice(fields[environment.PROFILE], fields[environment.ROOT_URL])
    change = environment.make_loading(fields, environ, file=file, before=before)
    change[WATCH] = file or None
    return change


def remember(change: Change, fields: Mapping[str, str], file: str) -> None:
    """Write the change, without the token, for direnv's library. The library loads it again without this program as long
    as its inputs and the first line of the session's file stay the same. It reads the token from that file."""
    inputs, memo = os.environ.get(INPUTS), os.environ.get(MEMO)
    if not inputs or not memo or not file:
        return
    from tcenv.files import write_privately

    rest = {name: value for name, value in change.items() if name != environment.ACCESS_TOKEN}
    first = f"{environment.GENERATION}={fields[environment.GENERATION]}"
    # direnv evaluates bash.
    parts = (inputs, file, first, fields[environment.EXPIRES], load_shell("bash").export(rest))
    try:
        write_privately(memo, "".join(f"{part}\0" for part in parts).encode("utf-8", "surrogateescape"))
    except Exception:  # direnv is only slower without it
        return
