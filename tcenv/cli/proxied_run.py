"""Run a command, a subshell or nothing with a signing proxy: the common part of `tcenv proxy` and `--proxy`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

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
    from tcenv.shells import Shell

    # Opens a port on another machine that leads to a port of this one, for a session's variables. Returns the far port.
    Forward = Callable[[int, Mapping[str, str]], int]

# How long a run of an agent may call, and the name of its log, if the user names neither.
_AGENT_TERM = "1h"
_AGENT_LOG = "agent-calls.log"


class ProxyOptions(NamedTuple):
    """The options of a run with a proxy. A command leaves out those that it lacks."""

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
class ProxyRun:
    """A proxy whose sockets are bound, what a program needs to use it, and the session behind it."""

    background: Background
    prepared: PreparedRun
    opened: OpenedSession
    port: RunPort


def execute(choice: SessionOptions, options: ProxyOptions, command: list[str]) -> int:
    """Run `command` with a proxy of its own. Returns its status. Raises UsageError."""
    options.check()
    if options.agent:
        choice, options = _complete_for_agent(choice, options)
    if options.save is not None and not is_configurable_name(options.save):
        raise UsageError(
            f"{options.save!r} is not a valid purpose name.", "Letters, digits, and ._- between them: --save relduty"
        )
    plan = None
    if options.container:
        plan = containers.make_plan(
            command, os.environ, containers.find_address, is_root=_is_root(), listen=options.listen
        )
    run = prepare(choice, options, plan=plan)
    bound, environ = run.prepared.sockets, run.prepared.environ
    if plan is not None:
        command = plan.complete(command, bound.port, environ)
    gate = Gate() if plan is not None and plan.own_network else None
    if gate is not None:
        command = [command[0], *gate.options, *command[1:]]

    def begin() -> None:
        if gate is not None:
            bound.inside = tuple(gate.open(bound.port))
        run.background.start()

    run.port.adopt_orphans()
    status = run_child(command, environ, begin)
    run.background.stop(exiting=not options.learn)
    run.port.end()
    if options.learn:
        is_saved = learn_report.report(run.background.learn_result, run.opened, options.save)
        status = status or (0 if is_saved else 1)
    return status


def execute_subshell(choice: SessionOptions, options: ProxyOptions, shell: Shell) -> int:
    """Run a subshell with a proxy of its own. Returns its status. Raises UsageError."""
    options.check()
    run = prepare(choice, options)
    profile, prepared = run.opened.session.profile, run.prepared
    run.port.adopt_orphans()
    status = run_subshell(shell, prepared.change, profile, environ=prepared.environ, started=run.background.start)
    run.background.stop()
    run.port.end()
    return status


def prepare(
    choice: SessionOptions,
    options: ProxyOptions,
    *,
    port: int = 0,
    run_only: bool = True,
    plan: Plan | None = None,
    forward: Forward | None = None,
    probe: Probe | None = None,
) -> ProxyRun:
    """Prepare everything that can fail before a program starts: the session, the scopes, the log, the sockets. `run_only`
    says that only the programs of one run on this machine use the proxy. `plan` tells how a container reaches it. `forward`
    opens the port on another machine by which programs there call, and `probe` shows that it leads to this proxy."""
    core_dumps.hide_memory()
    if options.unsigned and (options.listen or (plan is not None and plan.listen)):
        raise UsageError("--unsigned works only on this machine: callers through --listen must sign.")
    opened = _open_for_learning(choice) if options.learn else open_session(choice)
    if options.agent and opened.term is None:
        opened = replace(opened, term=_AGENT_TERM)
    _check_scopes(opened)
    learn = opened.scopes if options.learn else None
    end = opened.compute_end()
    bound = sockets.bind(port, options.listen or (plan.listen if plan is not None else None))
    bound.name = plan.name if plan is not None and options.listen is None else None
    variables = {name: value for name, value in opened.session.make_loading({}).items() if value is not None}
    if forward is not None:
        bound.far_port = forward(bound.port, variables)
    prepared = PreparedRun(bound, variables, os.environ, unsigned=options.unsigned)
    log = CallLog(options.log, prepared.run.remove_secrets) if options.log else None
    if bound.outside is not None:
        announce(f"Anybody who can reach {bound.root_url} can connect. The proxy answers only signed calls there.")

    def make_service() -> Service:
        from tcenv.proxy.server import Service

        return Service(
            sockets=bound,
            run=prepared.run,
            store=opened.store,
            initial_session=opened.session,
            announce=announce,
            scopes=opened.scopes or learn,
            until=end,
            read_only=options.read_only,
            allow_credentials=options.allow_credentials,
            refuse_secrets=options.agent and not (choice.scopes or choice.purpose),
            log=log,
            starting_scopes=learn,
            probe=probe,
        )

    run_port = RunPort(bound)
    background = Background(bound, make_service, announce, run_port if run_only else None)
    return ProxyRun(background, prepared, opened, run_port)


def _complete_for_agent(choice: SessionOptions, options: ProxyOptions) -> tuple[SessionOptions, ProxyOptions]:
    """Return the options of an agent's run, with defaults for what the user did not name. Raises UsageError."""
    is_narrowed = bool(choice.scopes or choice.purpose)
    log = options.log or os.path.join(paths.state_directory(), _AGENT_LOG)
    if options.log is None:
        make_private_directory(os.path.dirname(log))
    rights = "with the scopes that you named" if is_narrowed else "read-only, without secrets and private artifacts"
    messages.note(f"An agent's run, {rights}. Its calls are logged in {log}.")
    options = options._replace(log=log, read_only=options.read_only or not is_narrowed)
    return choice._replace(no_login=True), options


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _open_for_learning(choice: SessionOptions) -> OpenedSession:
    """Return the session for a run that learns. A sign-in asks for the profile's scopes, not just for those that the run
    starts with."""
    narrowed = apply_purpose(choice)
    opened = open_session(narrowed._replace(scopes=(), purpose=None))
    return replace(opened, scopes=narrowed.scopes, purpose=choice.purpose)


def _check_scopes(opened: OpenedSession) -> None:
    """Raise UsageError for a requested scope of which the session holds nothing, and for more scopes than fit into a request.
    The run keeps its patterns, since a later session may hold more of them."""
    if not opened.scopes:
        return
    session = opened.session
    held = narrow(session.encode_fields(), session.usable_scopes, session.asked, opened.scopes, opened.note_narrowing)
    if count_fitting(session.credentials.client_id, held) < len(held):
        held = shorten(held, session.expansions, session.scopes)
    fitting = count_fitting(session.credentials.client_id, held)
    if fitting < len(held):
        raise UsageError(
            f"{len(held)} scopes do not fit into the 4,096 characters of a request's header; {fitting} of them do.",
            "Name the scopes that the program needs: --scope S, once for each.",
        )


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
