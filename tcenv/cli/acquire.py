"""Open the session for `exec`, `shell`, `ssh` and `proxy`: sign in first if necessary, and narrow it to what the child
gets."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tcenv import paths
from tcenv.cli.terminal import messages
from tcenv.cli.terminal.progress import SignInProgress
from tcenv.config import profile as profiles
from tcenv.config.profile import Overrides
from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import MAX_SCOPES
from tcenv.deployment.scopes import remove_covered
from tcenv.errors import CredentialsRejected, Hint, NotSignedIn, UsageError, make_login_command
from tcenv.sessions import known_clients, temporary
from tcenv.sessions.missing_scopes import fit_for_the_page
from tcenv.sessions.profile_names import get_display_name
from tcenv.sessions.recovery import recover
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import Store, load_session, open_store
from tcenv.signin.flow import ensure_session

if TYPE_CHECKING:
    from tcenv.cli.run_options import RunOptions


@dataclass(frozen=True)
class OpenedSession:
    """A live session, and the part of it that a program gets: `scopes` (empty: all), `term` (fromNow text; None: as long as
    the session) and the name of the `purpose` (None: the user named none). `is_narrowing_known` is true if a sign-in has
    just said which of the scopes the session holds."""

    session: Session
    store: Store
    scopes: tuple[str, ...] = ()
    term: str | None = None
    purpose: str | None = None
    is_narrowing_known: bool = False

    def note_narrowing(self, text: str) -> None:
        """Say that the session holds a part of a pattern, unless the sign-in has just said so."""
        if not self.is_narrowing_known:
            messages.note(text)

    def compute_end(self) -> float | None:
        """Return when the term ends (seconds since the epoch), or None for the session's own end. Raises UsageError."""
        if self.term is None:
            return None
        return time.time() + parse_expires(self.term)


class SessionOptions(NamedTuple):
    """The options of a command that choose a session. `scopes` and `duration` narrow it to temporary credentials, and
    `purpose` names both."""

    profile: str | None
    overrides: Overrides
    scopes: tuple[str, ...] = ()
    duration: str | None = None
    purpose: str | None = None
    no_login: bool = False
    reset: bool = False
    retry: bool = False

    @classmethod
    def from_options(cls, options: RunOptions) -> SessionOptions:
        """Take them from the options of `exec`, `shell` or `ssh`."""
        return cls(
            options.profile,
            Overrides.from_options(options)._replace(scopes=()),
            options.scopes,
            options.duration,
            options.purpose,
            options.no_login,
            options.reset,
            options.retry,
        )


def open_session(options: SessionOptions) -> OpenedSession:
    """Return the session that the options choose, and sign in first if there is none. Raises NotSignedIn if `--no-login`
    forbids that."""
    reset = options.reset or bool(profiles.read_flag("TCENV_RESET"))
    retry = options.retry or bool(profiles.read_flag("TCENV_RETRY"))
    options = apply_purpose(options)
    scopes, term, overrides = options.scopes, options.duration, options.overrides
    store = open_store(profiles.read_store_name(), messages.warn)
    if options.no_login:
        session = _load_live(profiles.resolve(options.profile, Overrides(root_url=overrides.root_url)))
        return OpenedSession(session, store, scopes, term, options.purpose)
    profile = resolve_for_sign_in(options.profile, overrides)
    stored = load_session(store, profile.name, profile.root_url, lambda text: None) if scopes else None
    if scopes and (stored is None or not stored.has_time_left()):
        # Without a session to narrow, ask for what the command needs.
        scopes = _drop_covered(options, profile.argument)
        expires = overrides.expires or (term if options.purpose else None)
        profile = resolve_for_sign_in(options.profile, overrides._replace(expires=expires, scopes=scopes))
    progress = SignInProgress(profile)
    session = ensure_session(profile, store, progress, reset=reset, retry=retry)
    if progress.is_new:
        warn_of_plain_disk(store)
        if not store.keeps:
            messages.note(f"The session is not stored, so only this run has it: {store.reason}.")
            messages.hint("To load it in this shell:", make_login_command(profile.argument))
    is_narrowing_known = progress.is_new and bool(scopes) and session.requested_scopes == scopes
    return OpenedSession(session, store, options.scopes, term, options.purpose, is_narrowing_known)


def _drop_covered(options: SessionOptions, argument: str) -> tuple[str, ...]:
    """Return the scopes that no other one covers. Raises UsageError for more scopes than a sign-in takes."""
    scopes = remove_covered(options.scopes)
    if len(scopes) <= MAX_SCOPES:
        return scopes
    count = f"{len(scopes)} scopes, and a sign-in takes {MAX_SCOPES} at most"
    message = f"The purpose {options.purpose} has {count}." if options.purpose else f"These are {count}."
    patterns = [scope for scope in fit_for_the_page(scopes) or () if scope not in scopes]
    more = f". Or use patterns that cover them: {', '.join(patterns)}" if patterns else ""
    raise UsageError(message, Hint("To sign in with the profile's scopes first:", make_login_command(argument), more))


def warn_of_plain_disk(store: Store) -> None:
    """Warn once that the new session is on a disk without encryption, and say how to keep its token in the keychain."""
    if not store.needs_disk_encryption:
        return
    from tcenv import macos

    if macos.should_warn_of_plain_disk():
        messages.warn("This session is on the Mac's disk, which FileVault does not encrypt.")
        messages.hint(
            f'To keep tokens in the keychain: TCENV_STORE=keyring, or store = "keyring" in {paths.config_file()}'
        )


def apply_purpose(options: SessionOptions) -> SessionOptions:
    """Replace the named purpose by its scopes and its time. Raises UsageError."""
    if options.purpose is None:
        return options
    if options.scopes:
        raise UsageError(
            "Use either --as or --scope.", Hint("A purpose is a set of scopes:", ("tcenv", "purpose", "set", "--help"))
        )
    profile = profiles.resolve(options.profile, Overrides(root_url=options.overrides.root_url))
    purpose = profiles.find_purpose(options.purpose, profile)
    return options._replace(scopes=tuple(purpose.scopes), duration=options.duration or purpose.term)


def load_session_and_change(options: SessionOptions) -> tuple[Session, dict[str, str | None]]:
    """Return the session, and sign in first if there is none; also the change that loads it, narrowed to `--scope` and
    `--for`. Raises NotSignedIn if `--no-login` forbids a sign-in."""
    opened = open_session(options)
    session = opened.session
    if opened.scopes or opened.term:
        return session, temporary.make_loading(session, opened.scopes, opened.term, opened.note_narrowing)
    return session, session.make_loading(file=opened.store.get_path(session.profile))


def resolve_for_sign_in(argument: str | None, overrides: Overrides) -> profiles.Profile:
    """Resolve the profile to sign in to. Raises UsageError, also if nothing names a deployment."""
    try:
        return profiles.resolve(argument, overrides)
    except profiles.NoDeployment as missing:
        raise UsageError(missing.message, missing.hint) from None


def find_session_and_deadline(argument: str | None, timeout: str | None) -> tuple[Session, float]:
    """Return the session of a profile, and the deadline (time.monotonic) for asking its deployment: the time of the option
    `timeout`, else the profile's. Raises as `find_live_session` does."""
    profile = profiles.resolve(argument, Overrides(timeout=timeout))
    return _load_live(profile), time.monotonic() + profile.timeout


def find_live_session(argument: str | None, *, stored: bool = False) -> Session:
    """Return the session of a profile. `stored` excludes what only this shell has loaded. Raises NotSignedIn if there is no
    session, or if it has expired."""
    return _load_live(profiles.resolve(argument), stored=stored)


def _load_live(profile: profiles.Profile, *, stored: bool = False) -> Session:
    store = open_store(profiles.read_store_name(), messages.warn)
    command = make_login_command(profile.argument)
    if not store.keeps and stored:
        raise NotSignedIn(
            f"No session of {profile.name} is stored: {store.reason}.",
            Hint("To store it in a file, set TCENV_STORE=file. To sign in for this shell only:", command),
        )
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    session = recover(session, store, messages.warn, deadline=time.monotonic() + profile.timeout)
    if session is None:
        raise NotSignedIn(
            f"Not signed in to {get_display_name(profile.name, profile.root_url)}.", Hint("Sign in:", command)
        )
    if session.state == ENDED:
        raise NotSignedIn(
            f"A reset that nobody approved ended the session of {profile.name}: its client is deleted.",
            Hint("Sign in again:", command),
        )
    if not session.is_live():
        raise NotSignedIn(f"The session of {profile.name} has expired.", Hint("Sign in again:", command))
    return session


def explain_rejection(session: Session, rejection: CredentialsRejected) -> CredentialsRejected:
    """Remember why the deployment rejects a client, and return the rejection with a hint that names the session's
    profile."""
    known_clients.note_rejection(session.root_url, session.credentials.client_id, rejection.reason)
    if rejection.reason == "clock":
        return rejection
    return CredentialsRejected(
        rejection.message,
        Hint("Sign in again:", make_login_command(session.argument, "--reset")),
        reason=rejection.reason,
    )
