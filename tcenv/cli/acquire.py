"""What `exec`, `shell` and `proxy` share: the session, signed in to first if need be, and what of it the child is to have."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tcenv.cli.terminal import messages
from tcenv.cli.terminal.progress import Waiting
from tcenv.config import profile as profiles
from tcenv.errors import CredentialsRejected, Hint, NotSignedIn, UsageError, login_command
from tcenv.sessions import temporary
from tcenv.sessions.profile_names import called
from tcenv.sessions.recovery import settled
from tcenv.sessions.session import ENDED, Session
from tcenv.sessions.stores import Store, in_files, load_session, open_store
from tcenv.signin.flow import ensure_session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# The options that only make sense behind a proxy, by key.
BEHIND_A_PROXY = ("proxy", "learn", "save", "listen", "log", "read_only", "unsigned", "allow_credentials")


@dataclass(frozen=True)
class Opened:
    """A live session, and how much of it is wanted: `scopes` (none given: all), for `term` (fromNow text; None: as long as it
    lasts), by the name of `purpose` (None: none was named)."""

    session: Session
    store: Store
    scopes: tuple[str, ...] = ()
    term: str | None = None
    purpose: str | None = None

    @property
    def until(self) -> float | None:
        """When what is wanted ends (seconds since the epoch), None where the session's end is meant. Raises UsageError."""
        if self.term is None:
            return None
        from tcenv.deployment.fromnow import parse_expires

        return time.time() + parse_expires(self.term)


def opened(argument: str | None, options: dict[str, Any]) -> Opened:
    """The session that the options mean, signed in to first if need be. Raises NotSignedIn where `--no-login` forbids it."""
    options, purpose = with_purpose(argument, options)
    term = options.pop("duration", None)
    no_login = options.pop("no_login", False)
    reset = options.pop("reset", False) or bool(profiles.flag("TCENV_RESET"))
    retry = options.pop("retry", False) or bool(profiles.flag("TCENV_RETRY"))
    scopes = tuple(options.pop("scopes", ()))
    store = open_store(profiles.store_name(), messages.warn)
    if no_login:
        return Opened(live_session(argument), store, scopes, term, purpose)
    profile = resolve_to_open(argument, options)
    stored = load_session(store, profile.name, profile.root_url, lambda text: None) if scopes else None
    if scopes and (stored is None or not stored.has_time_left()):
        # Nothing to cut from: what the command needs is what is asked for.
        wanted = {"expires": term} if purpose and term and "expires" not in options else {}
        profile = resolve_to_open(argument, {**options, **wanted, "scopes": list(scopes)})
    display = Waiting(profile)
    session = ensure_session(profile, store, display, reset=reset, retry=retry)
    if store.name == "none" and display.is_new:
        messages.note(f"The session is not kept, and serves this run alone: {nothing_kept()}.")
        messages.hint("To load it in this shell, for all runs from it:", login_command(profile.argument))
    return Opened(session, store, scopes, term, purpose)


def with_purpose(argument: str | None, options: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The options with the scopes and the time of the purpose that they name in its place, and its name. Raises UsageError."""
    options = dict(options)
    name = options.pop("purpose", None)
    if name is None:
        return options, None
    if options.get("scopes"):
        raise UsageError(
            "--as and --scope exclude each other.",
            Hint("A purpose is a set of scopes:", ("tcenv", "purpose", "set", "--help")),
        )
    root_url = {"root_url": options["root_url"]} if options.get("root_url") else {}
    purpose = profiles.purpose(name, profiles.resolve(argument, root_url))
    options["scopes"] = list(purpose.scopes)
    if purpose.term is not None and not options.get("duration"):
        options["duration"] = purpose.term
    return options, name


def session_and_change(argument: str | None, options: dict[str, Any]) -> tuple[Session, dict[str, str | None]]:
    """The session, signed in to first if need be, and the change that loads it: cut to `--scope` and `--for` if given.
    Raises NotSignedIn where `--no-login` forbids signing in."""
    found = opened(argument, options)
    if found.scopes or found.term:
        return found.session, temporary.loading(found.session, found.scopes, found.term)
    return found.session, found.session.variables(kept=in_files(found.store))


def resolve_to_open(argument: str | None, options: dict[str, Any]) -> profiles.Profile:
    """The profile to sign in to. Here, that nothing names a deployment is a usage error."""
    try:
        return profiles.resolve(argument, options)
    except profiles.NoDeployment as missing:
        raise UsageError(missing.message, missing.hint) from None


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
    command = login_command(profile.argument)
    if store.name == "none" and stored:
        raise NotSignedIn(
            f"No session of {profile.name} is kept: {nothing_kept()}.",
            Hint("To keep it in a file: TCENV_STORE=file. To sign in for this shell alone:", command),
        )
    session = load_session(store, profile.name, profile.root_url, messages.warn)
    session = settled(session, store, messages.warn, until=time.monotonic() + profile.timeout)
    if session is None:
        raise NotSignedIn(f"Not signed in to {called(profile.name, profile.root_url)}.", Hint("Sign in:", command))
    if session.state == ENDED:
        raise NotSignedIn(
            f"The session of {profile.name} was ended by a reset that nobody approved: its client is deleted.",
            Hint("Sign in again:", command),
        )
    if not session.is_live():
        raise NotSignedIn(f"The session of {profile.name} has expired.", Hint("Sign in again:", command))
    return session


def rejected(session: Session, rejection: CredentialsRejected) -> CredentialsRejected:
    """The same rejection, with the hint that names the session's profile."""
    if rejection.reason == "clock":
        return rejection
    return CredentialsRejected(
        rejection.message, Hint("Sign in again:", login_command(session.argument, "--reset")), reason=rejection.reason
    )


def nothing_kept() -> str:
    """Why no session is kept."""
    if profiles.store_name() == "none":
        return "the store is none"
    return "this machine has no runtime directory and no keyring"
