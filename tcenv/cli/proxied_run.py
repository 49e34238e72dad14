"""Runs a command, a subshell or nothing at all with a signing proxy: what `tcenv proxy` and `--proxy` have in common."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv import core_dumps
from tcenv.cli.acquire import Opened, Wanted, apply_purpose, opened
from tcenv.cli.terminal import learn_report, messages
from tcenv.errors import Hint, UsageError
from tcenv.proxy import sockets
from tcenv.proxy.background import Background
from tcenv.proxy.calllog import CallLog
from tcenv.proxy.held_port import HeldPort
from tcenv.proxy.narrowing import how_many_fit
from tcenv.proxy.start import PreparedRun
from tcenv.sessions.profile_names import is_configurable_name
from tcenv.sessions.temporary import check_held
from tcenv.shells.child import run_child
from tcenv.shells.subshell import run_subshell

if TYPE_CHECKING:
    from tcenv.proxy.calllog import CallLog
    from tcenv.proxy.server import Service
    from tcenv.sessions.session import Session
    from tcenv.shells import Shell


class ProxyOptions(NamedTuple):
    """The options of a run with a proxy."""

    proxy: bool = False
    learn: bool = False
    save: str | None = None
    listen: str | None = None
    log: str | None = None
    read_only: bool = False
    unsigned: bool = False
    allow_credentials: bool = False

    @classmethod
    def of(cls, options: object) -> ProxyOptions:
        """Take them from the options of a command, as far as that has them."""
        defaults: dict[str, Any] = cls._field_defaults
        return cls(**{key: getattr(options, key, default) for key, default in defaults.items()})

    def check(self) -> None:
        """Raise UsageError where one of them needs another."""
        if self.save and not self.learn:
            raise UsageError("--save keeps what was learned: it needs --learn.")
        if not (self.proxy or self.learn):
            named = next(key for key, value in self._asdict().items() if value)
            raise UsageError(f"--{named.replace('_', '-')} needs --proxy.")


@dataclass(frozen=True)
class Started:
    """A proxy whose sockets are bound, what a program needs to use it, and the session behind it."""

    background: Background
    prepared: PreparedRun
    opened: Opened
    held: HeldPort


def execute(wanted: Wanted, options: ProxyOptions, command: list[str]) -> int:
    """Run `command` with a proxy of its own. Returns its status. Raises UsageError."""
    options.check()
    learn, save = options.learn, options.save
    if save is not None and not is_configurable_name(save):
        raise UsageError(
            f"{save!r} cannot be a purpose's name.", "Letters, digits, and ._- between them: --save relduty"
        )
    started = prepare(wanted, options)
    started.held.adopt_orphans()
    status = run_child(command, started.prepared.environ, started.background.start)
    started.background.stop(exiting=not learn)
    started.held.end()
    if learn:
        kept = learn_report.report(started.background.learned, started.opened, save)
        status = status or (0 if kept else 1)
    return status


def subshell(wanted: Wanted, options: ProxyOptions, shell: Shell) -> int:
    """Run a subshell with a proxy of its own. Returns its status. Raises UsageError."""
    options.check()
    started = prepare(wanted, options)
    profile, prepared = started.opened.session.profile, started.prepared
    started.held.adopt_orphans()
    status = run_subshell(shell, prepared.change, profile, environ=prepared.environ, started=started.background.start)
    started.background.stop()
    started.held.end()
    return status


def prepare(wanted: Wanted, options: ProxyOptions, *, port: int = 0, run_only: bool = True) -> Started:
    """Do everything that can fail before a program is started: the session, the scopes, the log, the sockets. `run_only` says
    that only the programs of one run use the proxy."""
    core_dumps.hide_memory()
    if options.listen and options.unsigned:
        raise UsageError("--unsigned is for this machine alone: over --listen, whoever calls has to sign.")
    session = _learning(wanted) if options.learn else opened(wanted)
    scopes = _checked(session)
    learn = (scopes or ()) if options.learn else None
    until = session.until
    bound = sockets.bind(port, options.listen)
    prepared = PreparedRun(bound, _told(session.session), os.environ, unsigned=options.unsigned)
    log = _log(options.log, prepared.run.without_secrets)
    if options.listen:
        announce(f"Whoever reaches {bound.root_url} can try to call: signed calls alone are answered there.")

    def make_service() -> Service:
        from tcenv.proxy.server import Service

        return Service(
            sockets=bound,
            run=prepared.run,
            store=session.store,
            first=session.session,
            announce=announce,
            scopes=scopes if learn is None else learn,
            until=until,
            read_only=options.read_only,
            allow_credentials=options.allow_credentials,
            log=log,
            learn=learn,
        )

    held = HeldPort(bound)
    background = Background(bound, make_service, announce, held if run_only else None)
    return Started(background, prepared, session, held)


def _told(session: Session) -> dict[str, str]:
    return {name: value for name, value in session.variables({}).items() if value is not None}


def _learning(wanted: Wanted) -> Opened:
    """Return the session for a run that learns. A sign-in asks for the profile's scopes, not just for those that the run
    starts with."""
    full = apply_purpose(wanted)
    session = opened(full._replace(scopes=(), purpose=None))
    return replace(session, scopes=full.scopes, purpose=wanted.purpose)


def _checked(session: Opened) -> tuple[str, ...] | None:
    """Return the scopes that the run is narrowed to, or None. Raises UsageError for scopes that are not held or do not fit."""
    if not session.scopes:
        return None
    check_held(session.session.passed_on, session.scopes, session.session.fields())
    fitting = how_many_fit(session.session.credentials.client_id, session.scopes)
    if fitting < len(session.scopes):
        raise UsageError(
            f"{len(session.scopes)} scopes do not fit into the 4,096 characters of a request's header; {fitting} of them do.",
            "Name fewer, or patterns that end in *.",
        )
    return session.scopes


def _log(path: str | None, clean: Callable[[str], str]) -> CallLog | None:
    if not path:
        return None
    return CallLog(path, clean)


def announce(text: str, hint: Hint | None = None) -> None:
    """Tell the user what the proxy has to say, while the terminal is the program's."""
    messages.warn(text, *(hint.parts if hint is not None else ()))
