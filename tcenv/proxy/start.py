"""`exec --proxy` for a stored session with time left, importing next to nothing before the command is under way. Hot path.

From the moment that the command has been started nothing is raised: there is nobody left to hand over to."""

from __future__ import annotations

import os
import sys

from tcenv.proxy import sockets
from tcenv.proxy.background import Background
from tcenv.proxy.child_environment import Prepared
from tcenv.shells.child import run_child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import NoReturn

    from tcenv.proxy.plan import Plan


def run_behind(fields: Mapping[str, str], flags: Collection[str], command: Sequence[str]) -> NoReturn:
    """Run `command` behind a proxy for the session whose `fields` are given, by the proxy's options in `flags`, and end with
    its status. Raises TcenvError while nothing has been started."""
    bound = sockets.bind()
    prepared = Prepared(bound, fields, os.environ, unsigned="unsigned" in flags)
    background = Background(bound, lambda: _plan(prepared, fields, flags), _announce)
    status = 1
    try:
        status = run_child(command, prepared.environ, background.start)
        background.stop(hastily=True)
    except KeyboardInterrupt:
        status = 130
    except Exception as error:
        _announce(f"{command[0]} could not be run ({type(error).__name__})")
    finally:
        # Not by way of the interpreter's end, which takes as long as the proxy took to import.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                status = status or 1
        os._exit(status)


def _plan(prepared: Prepared, fields: Mapping[str, str], flags: Collection[str]) -> Plan:
    """On the proxy's thread: the session is read once more, from the store as it is by then."""
    from tcenv.config.profile import store_name
    from tcenv.proxy.credential_calls import OwnClient
    from tcenv.proxy.plan import Plan
    from tcenv.sessions.session import Session
    from tcenv.sessions.stores import open_store

    return Plan(
        sockets=prepared.sockets,
        run=prepared.run,
        store=open_store(store_name()),
        first=Session.from_parts(dict(fields), None, []),
        own=OwnClient.of(prepared.run.client_id),
        announce=_announce,
        read_only="read_only" in flags,
        allow_credentials="allow_credentials" in flags,
    )


def _announce(text: str) -> None:
    from tcenv.text import printable

    print(f"tcenv: {printable(text)}", file=sys.stderr, flush=True)
