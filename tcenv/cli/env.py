"""`tcenv env`."""

from __future__ import annotations

from typing import Any

from tcenv.cli import messages
from tcenv.cli.hotpath import write_out
from tcenv.cli.statements import evaluation_line, print_change, statements, stdout_is_terminal
from tcenv.errors import NotSignedIn, UsageError
from tcenv.sessions.session import Session
from tcenv.sessions.settled import settled
from tcenv.sessions.stores import in_files, load_session, open_store
from tcenv.settings import profile as profiles
from tcenv.shells import formats


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Print what loads the stored session: in the words of a shell, or in another format."""
    shell, form = options.get("shell"), options.get("format")
    scopes, term = options.get("scopes", []), options.get("duration")
    if form is not None and form not in formats.FORMATS:
        raise UsageError(f"{form!r} is not a format.", f"Accepted: {', '.join(formats.FORMATS)}.")
    if form is not None and shell is not None:
        raise UsageError("--format and --shell exclude each other.")
    if stdout_is_terminal():
        raise UsageError(
            "The output holds a token, and is not for a terminal.",
            f"Evaluate it: {evaluation_line('env', shell)}" if form is None else "Send it to a file or a program.",
        )
    if form is None:
        statements({}, shell)
    session = live_session(argument)
    if scopes or term:
        from tcenv.sessions import temporary

        change = temporary.loading(session, tuple(scopes), term)
    else:
        change = session.variables(kept=in_files(open_store(profiles.store_name())))
    if form is None:
        print_change(change, shell)
    else:
        write_out(formats.render(change, form).encode())
    return 0


def live_session(argument: str | None) -> Session:
    """The stored session of a profile. Raises NotSignedIn when there is none, or it has expired."""
    profile = profiles.resolve(argument, {})
    store = open_store(profiles.store_name())
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    session = settled(session, store, messages.warn)
    command = "tcenv login" + (f" {argument}" if argument else "")
    if session is None:
        if store.name == "none":
            raise NotSignedIn(
                f"No session is kept on this machine for {profile.name}: there is no runtime directory and no keyring.",
                f"{command} still exports one. To keep it in a file: TCENV_STORE=file",
            )
        raise NotSignedIn(f"Not signed in to {profile.name} ({profile.root_url}).", f"Sign in: {command}")
    if not session.is_live():
        raise NotSignedIn(f"The session of {profile.name} has expired.", f"Sign in again: {command}")
    return session
