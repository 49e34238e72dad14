"""Carry out `tcenv hook` in the runs that the hot path leaves to the full command line."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tcenv import paths, prompt_hook
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.shell_output import print_change, render_statements
from tcenv.config import profile as profiles
from tcenv.errors import Hint, NotSignedIn, StoreError, TcenvError, UsageError, make_login_command
from tcenv.sessions import session_file, temporary
from tcenv.sessions.profile_names import get_display_name
from tcenv.sessions.recovery import recover
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import Store, load_session, open_store
from tcenv.shells import environment

if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o

# Seconds to wait for the store and the deployment. A prompt waits for this command.
_TIMEOUT = 2.0


class Options(NamedTuple):
    """Print the statements that reload or unload this shell's session, for prompt hooks and direnv. Never opens a browser.

    Examples:
        tcenv hook bash
        tcenv hook bash --for-directory community
    """

    words: o.HookWords
    for_directory: o.ForDirectory = False
    purpose: o.As = None


def run(options: Options) -> int:
    """Print the statements that bring this shell up to date, or that select a directory's profile. If that fails, returns 1
    and prints one line and no statement."""
    shell, *named = options.words
    if len(named) > 1 or ((named or options.purpose) and not options.for_directory):
        raise UsageError("tcenv hook takes a shell, and a profile with --for-directory.")
    render_statements({}, shell)
    try:
        with _limit_time():
            if options.for_directory:
                return _print_selection(named[0] if named else None, options.purpose, shell)
            change, message = prompt_hook.reload(os.environ, _read_from_keyring)
    except (TcenvError, session_file.Damaged, paths.Unsafe, OSError) as failure:
        messages.report_error(TcenvError(getattr(failure, "message", "") or f"The session cannot be read: {failure}."))
        return 1
    if message:
        messages.note(*message)
    print_change(change, shell)
    return 0


@contextmanager
def _limit_time() -> Iterator[None]:
    """Raise StoreError in a block that takes longer than `_TIMEOUT`."""

    def raise_timeout(number: int, frame: object) -> None:
        raise StoreError("The session's store has not answered in time.")

    if not hasattr(signal, "setitimer"):
        yield
        return
    signal.signal(signal.SIGALRM, raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, _TIMEOUT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _read_from_keyring(fields: Mapping[str, str]) -> Mapping[str, str] | None:
    """Return the fields of the profile's session in the keyring, or None if there is none. Raises StoreError."""
    store = open_store("keyring", unlock=False)
    session = store.load(fields[environment.PROFILE])
    return None if session is None else session.encode_fields()


def _print_selection(argument: str | None, purpose: str | None, shell: str) -> int:
    """Print the statements that select a directory's profile: with its session, or without credentials if it has none."""
    try:
        profile = profiles.resolve(argument)
    except profiles.UnknownProfile as unknown:
        name = argument or os.environ.get(environment.PROFILE, "")
        messages.report_error(TcenvError(f"{unknown.message} {unknown.hint}"))
        print_change(environment.make_selecting(name, None), shell)
        return unknown.exit_code
    except profiles.NoDeployment as missing:
        messages.note(missing.message)
        print_change({}, shell)
        return 0
    store = open_store(profiles.read_store_name(), messages.warn, unlock=False)
    file = store.get_path(profile.name)
    change = environment.make_selecting(profile.name, profile.root_url)
    try:
        session = _load_live(profile, store)
        if purpose:
            narrowing = profiles.find_purpose(purpose, profile)
            change = temporary.make_loading(session, narrowing.scopes, narrowing.term, messages.note)
        else:
            change = prompt_hook.select(session.encode_fields(), file, os.environ)
    except NotSignedIn as none:
        messages.note(none.message, *(none.hint.parts if none.hint else ()))
    if not purpose and store.is_file_based and change[environment.ACCESS_TOKEN]:
        prompt_hook.remember(change, session.encode_fields(), file)
    change[prompt_hook.WATCH] = file or None
    print_change(change, shell)
    return 0


def _load_live(profile: profiles.Profile, store: Store) -> Session:
    """Return the live session of a profile. Raises NotSignedIn, StoreError, DeploymentError."""
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    session = recover(session, store, messages.warn, deadline=time.monotonic() + _TIMEOUT)
    if session is None or session.state == ENDED or not session.is_live():
        raise NotSignedIn(
            f"Not signed in to {get_display_name(profile.name, profile.root_url)}.",
            Hint("Sign in:", make_login_command(profile.argument)),
        )
    return session
