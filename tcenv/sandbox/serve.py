"""Running a sandbox in the foreground until Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading

from tcenv.errors import TcenvError
from tcenv.sandbox.server import Sandbox


def serve(*, port: int = 0, public: bool = True) -> int:
    """Serve on loopback until SIGINT or SIGTERM. Prints the root URL, and nothing else, on stdout; 0 in the end."""
    done = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: done.set())
    try:
        with Sandbox(port=port, public=public) as sandbox:
            print(sandbox.root_url, flush=True)
            print(
                f"A {'public' if public else 'private'} Taskcluster sandbox, on loopback alone. In another terminal:\n"
                f"  TASKCLUSTER_ROOT_URL={sandbox.root_url} tcenv login\n"
                "Without a browser, BROWSER='python -m tcenv.sandbox.approve %s' approves by itself. Ctrl-C ends it.",
                file=sys.stderr,
                flush=True,
            )
            done.wait()
    except OSError as error:
        raise TcenvError(f"The sandbox cannot listen on port {port}: {error.strerror or error}.") from None
    return 0
