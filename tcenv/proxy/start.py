"""Start a run behind the proxy: make its token, prepare the environment of its programs, and run its command. Hot path.

`run_command` imports almost nothing before the command has started."""

from __future__ import annotations

import os

from tcenv import core_dumps
from tcenv.output import exit_now
from tcenv.proxy import child_environment, sockets
from tcenv.proxy.background import Background
from tcenv.proxy.held_port import RunPort
from tcenv.shells.child import run_child
from tcenv.shells.environment import CLIENT_ID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

    from tcenv.errors import Announce
    from tcenv.proxy.server import Service
    from tcenv.proxy.sockets import Sockets


class PreparedRun:
    """A run with bound sockets. `change` is the environment change that makes a shell use the proxy, `environ` the
    environment for one program."""

    __slots__ = ("change", "environ", "run", "sockets")

    def __init__(
        self, sockets: Sockets, session: Mapping[str, str], environ: Mapping[str, str], *, unsigned: bool
    ) -> None:
        """Prepare the run. `session` is keyed by variable, as in the stores."""
        self.sockets = sockets
        self.run = child_environment.Run.create(session[CLIENT_ID], unsigned=unsigned)
        self.change = child_environment.make_change(self.run, sockets.root_url, session, environ)
        self.environ = child_environment.apply_change(self.change, session, environ)


def run_command(
    fields: Mapping[str, str],
    command: Sequence[str],
    announce: Announce,
    *,
    unsigned: bool,
    read_only: bool,
    allow_credentials: bool,
) -> NoReturn:
    """Run `command` behind a proxy for the session with these `fields`, and exit with the command's status. `announce` gets
    messages for the user.

    Raises TcenvError only before the command has started."""
    prepared = PreparedRun(sockets.bind(), fields, os.environ, unsigned=unsigned)
    held = RunPort(prepared.sockets)

    def make_service() -> Service:
        """Create the service on the proxy's thread. It reads the session from the store again."""
        from tcenv.config.profile import read_store_name
        from tcenv.proxy.server import Service
        from tcenv.sessions.session import Session
        from tcenv.sessions.stores import open_store

        return Service(
            sockets=prepared.sockets,
            run=prepared.run,
            store=open_store(read_store_name()),
            initial_session=Session.from_parts(dict(fields), None, []),
            announce=announce,
            read_only=read_only,
            allow_credentials=allow_credentials,
        )

    background = Background(prepared.sockets, make_service, announce, held)
    status = 1
    try:
        held.adopt_orphans()
        core_dumps.hide_memory()
        status = run_child(command, prepared.environ, background.start)
        background.stop(exiting=True)
        held.end()
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        announce(f"{command[0]} could not be run ({type(error).__name__}).", None)
    finally:
        exit_now(status)
