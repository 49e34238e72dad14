"""`tcenv proxy`."""

from __future__ import annotations

import os
from typing import NamedTuple

from tcenv.cli import proxied_run
from tcenv.cli.acquire import Wanted
from tcenv.proxy.held_port import HeldUntil
from tcenv.sessions.profile_names import called
from tcenv.signals import handle_ending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tcenv.cli.parsing import options as o

# Seconds between two looks at the end of the session that the proxy signs with.
_SESSION_CHECK = 15.0


class Options(NamedTuple):
    """A signing proxy in the foreground: programs that use it need no token. Prints the statements that make a shell use it.

    Examples:
        tcenv proxy > proxy.env
        tcenv proxy community --read-only --log calls.log
    """

    profile: o.ProfileArgument = None
    root_url: o.RootUrl = None
    scopes: o.CutScopes = ()
    purpose: o.As = None
    duration: o.For = None
    no_login: o.NoLogin = False
    port: o.ProxyPort = None
    listen: o.Listen = None
    log: o.Log = None
    read_only: o.ReadOnly = False
    unsigned: o.Unsigned = False
    allow_credentials: o.AllowCredentials = False
    shell: o.Shell = None


def run(options: Options) -> int:
    """Be a proxy in the foreground, until Ctrl-C, and print the statements that make a shell use it."""
    import threading

    from tcenv.cli.terminal import job_control, messages
    from tcenv.cli.terminal.shell_output import statements
    from tcenv.output import write_unbuffered

    job_control.refuse_where_the_shell_waits("proxy")
    shell = options.shell
    statements({}, shell)
    started = proxied_run.prepare(
        Wanted.of(options), proxied_run.ProxyOptions.of(options), port=options.port or 0, run_only=False
    )
    ended = threading.Event()
    # Before anybody learns of the port.
    held = HeldUntil(started.prepared.sockets, started.opened.session.expires)
    handle_ending(lambda *_: ended.set())
    write_unbuffered(statements(started.prepared.change, shell))
    if not os.isatty(1):
        # Whoever reads the statements has them all; `source <(tcenv proxy)` waits for nothing else.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    started.background.start()
    session, root_url = started.opened.session, started.prepared.sockets.root_url
    messages.note(f"A signing proxy for {called(session.profile, session.root_url)} at {root_url}, until Ctrl-C.")
    while not ended.wait(_SESSION_CHECK):
        held.note(started.background.session_ends)
    held.note(started.background.session_ends)
    started.background.stop()
    held.end()
    return 0
