"""`tcenv env`."""

from __future__ import annotations

import time

from tcenv.cli.terminal import messages
from tcenv.cli.terminal.shell_output import evaluation_line, print_change, statements, stdout_is_terminal
from tcenv.config import profile as profiles
from tcenv.errors import CredentialsRejected, NotSignedIn, UsageError
from tcenv.hotpath import write_last
from tcenv.sessions.profile_names import called
from tcenv.sessions.recovery import settled
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import in_files, load_session, open_store
from tcenv.shells import formats

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Print what loads the stored session: in the words of a shell, or in another format."""
    shell, form = options.get("shell"), options.get("format")
    purpose = options.get("purpose")
    if form is not None and form not in formats.FORMATS:
        raise UsageError(f"{form!r} is not a format.", f"Accepted: {', '.join(formats.FORMATS)}.")
    if form is not None and shell is not None:
        raise UsageError("--format and --shell exclude each other.")
    if stdout_is_terminal():
        raise UsageError(
            "The output holds a token, and is not for a terminal.",
            f"Evaluate it: {evaluation_line(_as_typed(argument, options), shell)}"
            if form is None
            else "Send it to a file or a program.",
        )
    if form is None:
        statements({}, shell)
    session = live_session(argument, stored=True)
    if purpose:
        from tcenv.cli.acquire import with_purpose

        options, _ = with_purpose(argument, options)
    scopes, term = options.get("scopes", []), options.get("duration")
    if scopes or term:
        from tcenv.sessions import temporary

        change = temporary.loading(session, tuple(scopes), term)
    else:
        change = session.variables(kept=in_files(open_store(profiles.store_name())))
    if form is None:
        print_change(change, shell)
    else:
        write_last(formats.render(change, form).encode())
    return 0


def _as_typed(argument: str | None, options: dict[str, Any]) -> str:
    """This command in the words that it was given, besides the shell's."""
    import shlex

    words = ["env", *([argument] if argument else [])]
    for scope in options.get("scopes", ()):
        words += ["--scope", scope]
    for option, key in (("--as", "purpose"), ("--for", "duration")):
        words += [option, options[key]] if key in options else []
    return shlex.join(words)


def session_to_ask_with(argument: str | None, options: dict[str, Any]) -> tuple[Session, float]:
    """The session of a profile, and until when the deployment may be asked (time.monotonic): the `timeout` of the options, or the
    profile's. Raises as `live_session` does."""
    profile = profiles.resolve(argument, {"timeout": options.get("timeout")})
    return _live(profile), time.monotonic() + profile.timeout


def live_session(argument: str | None, *, stored: bool = False) -> Session:
    """The session of a profile; `stored`: only one that is kept, where a store that keeps none would give what this shell has
    loaded. Raises NotSignedIn when there is none, or it has expired."""
    return _live(profiles.resolve(argument, {}), stored=stored)


def _live(profile: profiles.Profile, *, stored: bool = False) -> Session:
    store = open_store(profiles.store_name(), messages.warn)
    command = f"tcenv login {profile.argument}"
    if store.name == "none" and stored:
        raise NotSignedIn(
            f"No session of {profile.name} is kept: {nothing_kept()}.",
            f"To keep it in a file: TCENV_STORE=file. To sign in for this shell alone: {command}",
        )
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    session = settled(session, store, messages.warn, until=time.monotonic() + profile.timeout)
    if session is None:
        raise NotSignedIn(f"Not signed in to {called(profile.name, profile.root_url)}.", f"Sign in: {command}")
    if session.state == ENDED:
        raise NotSignedIn(
            f"The session of {profile.name} was ended by a reset that nobody approved: its client is deleted.",
            f"Sign in again: {command}",
        )
    if not session.is_live():
        raise NotSignedIn(f"The session of {profile.name} has expired.", f"Sign in again: {command}")
    return session


def rejected(session: Session, rejection: CredentialsRejected) -> CredentialsRejected:
    """The same rejection, with the hint that names the session's profile."""
    if rejection.reason == "clock":
        return rejection
    return CredentialsRejected(
        rejection.message, f"Sign in again: tcenv login {session.argument} --reset", reason=rejection.reason
    )


def nothing_kept() -> str:
    """Why no session is kept."""
    if profiles.store_name() == "none":
        return "the store is none"
    return "this machine has no runtime directory and no keyring"
