"""Run a sandbox in the foreground until Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading

from tcenv.sandbox.approve import get_approver_command
from tcenv.sandbox.records import CLIENT_ID
from tcenv.sandbox.server import USER, Sandbox


class CannotListen(Exception):
    """The port is taken or not permitted. The text says which."""


def serve(*, port: int = 0, public: bool = True, user: str = USER, signed_in: bool = False) -> int:
    """Serve on loopback until SIGINT or SIGTERM, and return 0. Print the root URL on stdout.

    Replaces the handlers of these signals. Without `signed_in`, the first page shows the sign-in dialog, as a
    deployment does. Raises ValueError, CannotListen."""
    if not 0 <= port < 65536:
        raise ValueError(f"{port} is not a port. Accepted: 0 (any free one) to 65535.")
    if not CLIENT_ID.fullmatch(user):
        raise ValueError(f"{user!r} cannot be a clientId. Accepted: letters, digits and ! @ / : . + | _ -")
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    try:
        with Sandbox(port=port, public=public, user=user, signed_in=signed_in) as sandbox:
            print(sandbox.root_url, flush=True)
            print(
                f"A {'public' if public else 'private'} Taskcluster sandbox, on loopback only. It runs until Ctrl-C, "
                "and stores nothing.\n"
                "Sign in to it from another terminal:\n"
                f'  eval "$(TASKCLUSTER_ROOT_URL={sandbox.root_url} tcenv login)"\n'
                "Your browser opens. To approve without a browser, run this first:\n"
                f"  export BROWSER='{get_approver_command()}'",
                file=sys.stderr,
                flush=True,
            )
            done.wait()
    except OSError as error:
        raise CannotListen(
            f"The sandbox cannot listen on port {port}: {os.strerror(error.errno) if error.errno else error}."
        ) from None
    return 0
