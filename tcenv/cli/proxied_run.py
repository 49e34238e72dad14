"""Run a command, a subshell or nothing with a signing proxy: the common part of `tcenv proxy` and `--proxy`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from tcenv import core_dumps, paths
from tcenv.cli.acquire import OpenedSession, SessionOptions, apply_purpose, open_session
from tcenv.cli.terminal import learn_report, messages
from tcenv.cli.terminal.command_line import get_option_name
from tcenv.containers import plan as containers
from tcenv.containers.own_network import Gate
from tcenv.containers.plan import Plan
from tcenv.errors import Hint, UsageError
from tcenv.files import make_private_directory
from tcenv.proxy import sockets
from tcenv.proxy.background import Background
from tcenv.proxy.call_log import CallLog
from tcenv.proxy.header_length import count_fitting
from tcenv.proxy.held_port import RunPort
from tcenv.proxy.start import PreparedRun
from tcenv.sessions.profile_names import is_configurable_name
from tcenv.sessions.temporary import narrow, shorten
from tcenv.shells.child import run_child
from tcenv.shells.subshell import run_subshell

if TYPE_CHECKING:
    from tcenv.proxy.probe import Probe
    from tcenv.proxy.server import Service
    from tcenv.sessions.session import Session
    from tcenv.shells import Shell

    # Opens a port on another machine that leads to a port of this one, for a session's variables. Returns the far port.
    Forward = Callable[[int, Mapping[str, str]], int]

# How long a run of an agent may call, and the name of its log, where the user names neither.
_AGENT_TERM = "1h"
_AGENT_LOG = "agent-calls.log"


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
    agent: bool = False
    container: bool = False

    @classmethod
    def of(cls, options: object) -> ProxyOptions:
        """Take them from the options of a command. Those that it does not have get their defaults."""
        defaults: dict[str, Any] = cls._field_defaults
        return cls(**{key: getattr(options, key, default) for key, default in defaults.items()})

    def check(self) -> None:
        """Raise UsageError if one option needs another."""
        if self.save and not self.learn:
            raise UsageError("--save needs --learn.")
        if self.agent and self.learn:
            raise UsageError("--agent and --learn exclude each other.")
        if not (self.proxy or self.learn or self.agent or self.container):
            named = next(key for key, value in self._asdict().items() if value)
            raise UsageError(f"{get_option_name(named)} needs --proxy.")


@dataclass(frozen=True)
class Started:
    """A proxy whose sockets are bound, what a program needs to use it, and the session behind it."""

    background: Background
    prepared: PreparedRun
    opened: OpenedSession
    held: RunPort


def execute(wanted: SessionOptions, options: ProxyOptions, command: list[str]) -> int:
    """Run `command` with a proxy of its own. Returns its status. Raises UsageError."""
    options.check()
    if options.agent:
        wanted, options = _complete_for_agent(wanted, options)
    learn, save = options.learn, options.save
    if save is not None and not is_configurable_name(save):
        raise UsageError(
            f"{save!r} is not a valid purpose name.", "Letters, digits, and ._- between them: --save relduty"
        )
    plan = None
    if options.container:
        plan = containers.make(command, os.environ, containers.find_address, is_root=_is_root(), listen=options.listen)
    started = prepare(wanted, options, plan=plan)
    bound, environ = started.prepared.sockets, started.prepared.environ
    if plan is not None:
        command = plan.complete(command, bound.port, environ)
    gate = Gate() if plan is not None and plan.own_network else None
    if gate is not None:
        command = [command[0], *gate.options, *command[1:]]

    def begin() -> None:
        if gate is not None:
            bound.inside = tuple(gate.open(bound.port))
        started.background.start()

    started.held.adopt_orphans()
    status = run_child(command, environ, begin)
    started.background.stop(exiting=not learn)
    started.held.end()
    if learn:
        kept = learn_report.report(started.background.learned, started.opened, save)
        status = status or (0 if kept else 1)
    return status


def execute_subshell(wanted: SessionOptions, options: ProxyOptions, shell: Shell) -> int:
    """Run a subshell with a proxy of its own. Returns its status. Raises UsageError."""
    options.check()
    started = prepare(wanted, options)
    profile, prepared = started.opened.session.profile, started.prepared
    started.held.adopt_orphans()
    status = run_subshell(shell, prepared.change, profile, environ=prepared.environ, started=started.background.start)
    started.background.stop()
    started.held.end()
    return status


def prepare(
    wanted: SessionOptions,
    options: ProxyOptions,
    *,
    port: int = 0,
    run_only: bool = True,
    plan: Plan | None = None,
    forward: Forward | None = None,
    probe: Probe | None = None,
) -> Started:
    """Prepare everything that can fail before a program starts: the session, the scopes, the log, the sockets. `run_only`
    says that only the programs of one run on this machine use the proxy. `plan` tells how a container reaches it. `forward`
    opens the port on another machine by which programs there call, and `probe` shows that it leads to this proxy."""
    core_dumps.hide_memory()
    if options.unsigned and (options.listen or (plan is not None and plan.listen)):
        raise UsageError("--unsigned works only on this machine: callers through --listen must sign.")
    session = _open_for_learning(wanted) if options.learn else open_session(wanted)
    if options.agent and session.term is None:
        session = replace(session, term=_AGENT_TERM)
    scopes = _check_scopes(session)
    learn = (scopes or ()) if options.learn else None
    until = session.until
    bound = sockets.bind(port, options.listen or (plan.listen if plan is not None else None))
    bound.name = plan.name if plan is not None and options.listen is None else None
    told = _list_variables(session.session)
    if forward is not None:
        bound.far_port = forward(bound.port, told)
    prepared = PreparedRun(bound, told, os.environ, unsigned=options.unsigned)
    log = CallLog(options.log, prepared.run.remove_secrets) if options.log else None
    if bound.outside is not None:
        announce(f"Anybody who can reach {bound.root_url} can connect. The proxy answers only signed calls there.")

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
            no_secrets=options.agent and not (wanted.scopes or wanted.purpose),
            log=log,
            learn=learn,
            probe=probe,
        )

    held = RunPort(bound)
    background = Background(bound, make_service, announce, held if run_only else None)
    return Started(background, prepared, session, held)


def _complete_for_agent(wanted: SessionOptions, options: ProxyOptions) -> tuple[SessionOptions, ProxyOptions]:
    """Return the options of an agent's run, with defaults for what the user did not name. Raises UsageError."""
    narrowed = bool(wanted.scopes or wanted.purpose)
    log = options.log or os.path.join(paths.state_directory(), _AGENT_LOG)
    if options.log is None:
        make_private_directory(os.path.dirname(log))
    options = options._replace(log=log, read_only=options.read_only or not narrowed)
    what = "read-only, without secrets and private artifacts" if not narrowed else "with the scopes that you named"
    messages.note(f"An agent's run, {what}. Its calls are logged in {log}.")
    return wanted._replace(no_login=True), options


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _list_variables(session: Session) -> dict[str, str]:
    return {name: value for name, value in session.make_loading({}).items() if value is not None}


def _open_for_learning(wanted: SessionOptions) -> OpenedSession:
    """Return the session for a run that learns. A sign-in asks for the profile's scopes, not just for those that the run
    starts with."""
    full = apply_purpose(wanted)
    session = open_session(full._replace(scopes=(), purpose=None))
    return replace(session, scopes=full.scopes, purpose=wanted.purpose)


def _check_scopes(session: OpenedSession) -> tuple[str, ...] | None:
    """Return the requested scopes of the run, or None if it is not narrowed. Keeps patterns, since a later session may hold
    more of them. Raises UsageError for a scope of which the session holds nothing, and for more than fit into a request."""
    if not session.scopes:
        return None
    whole = session.session
    held = narrow(whole.encode_fields(), whole.usable_scopes, whole.asked, session.scopes, session.tell_narrowing)
    if count_fitting(whole.credentials.client_id, held) < len(held):
        held = shorten(held, whole.expansions, whole.scopes)
    fitting = count_fitting(whole.credentials.client_id, held)
    if fitting < len(held):
        raise UsageError(
            f"{len(held)} scopes do not fit into the 4,096 characters of a request's header; {fitting} of them do.",
            "Name the scopes that the program needs: --scope S, once for each.",
        )
    return session.scopes


def announce(text: str, hint: Hint | None = None) -> None:
    """Tell the user what the proxy reports, while a program uses the terminal."""
    raw = _is_raw_terminal()
    if raw:
        os.write(2, b"\r\n")
    messages.warn(text, *(hint.parts if hint is not None else ()))
    if raw:
        os.write(2, b"\r")


def _is_raw_terminal() -> bool:
    """Return whether stderr is a terminal on which a line feed does not return to the first column."""
    try:
        import termios

        return not termios.tcgetattr(2)[1] & termios.OPOST
    except Exception:  # no terminal, or not on this system
        return False
