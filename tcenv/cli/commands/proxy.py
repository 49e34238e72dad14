"""`tcenv proxy`, and `--proxy` and `--learn` of `exec` and `shell`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tcenv.cli.acquire import BEHIND_A_PROXY, Opened, opened, with_purpose
from tcenv.errors import Hint, UsageError
from tcenv.proxy.background import Background
from tcenv.proxy.held_port import HeldPort, HeldUntil
from tcenv.proxy.start import PreparedRun
from tcenv.sessions.profile_names import called, is_configurable_name
from tcenv.signals import handle_ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.proxy.calllog import CallLog
    from tcenv.proxy.server import Service
    from tcenv.sessions.session import Session
    from tcenv.shells import Shell

# Seconds between two looks at the end of the session that is signed with.
_LOOK_AT_THE_SESSION = 15.0


@dataclass(frozen=True)
class Started:
    """A proxy whose sockets are bound, what a program needs to use it, and the session behind it."""

    background: Background
    prepared: PreparedRun
    opened: Opened
    held: HeldPort


def execute(argument: str | None, options: dict[str, Any], command: list[str]) -> int:
    """Run `command` behind a proxy of its own; its status. Raises UsageError."""
    _check_wanted(options)
    from tcenv.shells.child import run_child

    learn, save = options.get("learn", False), options.get("save")
    if save is not None and not is_configurable_name(save):
        raise UsageError(
            f"{save!r} cannot be a purpose's name.", "Letters, digits, and ._- between them: --save relduty"
        )
    started = _prepared(argument, options)
    started.held.adopt_orphans()
    status = run_child(command, started.prepared.environ, started.background.start)
    started.background.stop(exiting=not learn)
    started.held.end()
    if learn:
        from tcenv.cli.terminal import learn_report

        kept = learn_report.report(started.background.learned, started.opened, save)
        status = status or (0 if kept else 1)
    return status


def subshell(argument: str | None, options: dict[str, Any], shell: Shell) -> int:
    """Run a subshell behind a proxy of its own; its status. Raises UsageError."""
    _check_wanted(options)
    from tcenv.shells.subshell import run_subshell

    started = _prepared(argument, options)
    profile, prepared = started.opened.session.profile, started.prepared
    started.held.adopt_orphans()
    status = run_subshell(shell, prepared.change, profile, environ=prepared.environ, started=started.background.start)
    started.background.stop()
    started.held.end()
    return status


def run(argument: str | None, options: dict[str, Any]) -> int:
    """Be a proxy in the foreground, until Ctrl-C, and print the statements that make a shell use it."""
    import threading

    from tcenv.cli.terminal import job_control, messages
    from tcenv.cli.terminal.shell_output import statements
    from tcenv.output import write_unbuffered

    job_control.refuse_where_the_shell_waits("proxy")
    options = dict(options)
    shell, port = options.pop("shell", None), options.pop("port", 0)
    statements({}, shell)
    started = _prepared(argument, options, port=port, run_only=False)
    ended = threading.Event()
    # Before anybody is told of the port.
    held = HeldUntil(started.prepared.sockets, started.opened.session.expires)
    handle_ending(lambda *_: ended.set())
    write_unbuffered(statements(started.prepared.change, shell))
    if not os.isatty(1):
        # Whoever reads the statements has them all; `source <(tcenv proxy)` waits for nothing else.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    started.background.start()
    session, root_url = started.opened.session, started.prepared.sockets.root_url
    messages.note(f"A signing proxy for {called(session.profile, session.root_url)} at {root_url}, until Ctrl-C.")
    while not ended.wait(_LOOK_AT_THE_SESSION):
        held.note(started.background.session_ends)
    held.note(started.background.session_ends)
    started.background.stop()
    held.end()
    return 0


def _check_wanted(options: Mapping[str, Any]) -> None:
    if options.get("save") and not options.get("learn"):
        raise UsageError("--save keeps what was learned: it needs --learn.")
    if options.get("proxy") or options.get("learn"):
        return
    named = next(key for key in BEHIND_A_PROXY if options.get(key))
    raise UsageError(f"--{named.replace('_', '-')} needs --proxy.")


def _prepared(argument: str | None, options: dict[str, Any], *, port: int = 0, run_only: bool = True) -> Started:
    """Everything that can fail, before a program is started: the session, the scopes, the log, the sockets. `run_only`: the
    programs of one run alone are to use it."""
    from tcenv.proxy import sockets

    options = dict(options)
    own = {key: options.pop(key, None) for key in BEHIND_A_PROXY}
    if own["listen"] and own["unsigned"]:
        raise UsageError("--unsigned is for this machine alone: over --listen, whoever calls has to sign.")
    session = _learning(argument, options) if own["learn"] else opened(argument, options)
    scopes = _checked(session)
    learn = (scopes or ()) if own["learn"] else None
    until = session.until
    bound = sockets.bind(port, own["listen"])
    prepared = PreparedRun(bound, _told(session.session), os.environ, unsigned=bool(own["unsigned"]))
    log = _log(own["log"], prepared.run.without_secrets)
    if own["listen"]:
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
            read_only=bool(own["read_only"]),
            allow_credentials=bool(own["allow_credentials"]),
            log=log,
            learn=learn,
        )

    held = HeldPort(bound)
    background = Background(bound, make_service, announce, held if run_only else None)
    return Started(background, prepared, session, held)


def _told(session: Session) -> dict[str, str]:
    return {name: value for name, value in session.variables({}).items() if value is not None}


def _learning(argument: str | None, options: dict[str, Any]) -> Opened:
    """The session for a run that learns: what that begins with is no reason to sign in with no more."""
    options, purpose = with_purpose(argument, options)
    kept = tuple(options.pop("scopes", ()))
    return replace(opened(argument, options), scopes=kept, purpose=purpose)


def _checked(session: Opened) -> tuple[str, ...] | None:
    """What the run is narrowed to, None for nothing. Raises UsageError for what is not held, or does not fit."""
    if not session.scopes:
        return None
    from tcenv.proxy.narrowing import how_many_fit
    from tcenv.sessions.temporary import check_held

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
    from tcenv.proxy.calllog import CallLog

    return CallLog(path, clean)


def announce(text: str, hint: Hint | None = None) -> None:
    """Tell the user what the proxy has to say, while the terminal is the program's."""
    from tcenv.cli.terminal import messages

    messages.warn(text, *(hint.parts if hint is not None else ()))
