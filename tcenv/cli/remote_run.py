"""Run a shell or a command on another machine, with a signing proxy on this one: `tcenv ssh`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

from tcenv.cli import proxied_run
from tcenv.cli.acquire import SessionOptions
from tcenv.cli.terminal import messages
from tcenv.config.enclosing_proxy import VARIABLE
from tcenv.errors import TcenvError
from tcenv.proxy.child_environment import apply_change
from tcenv.proxy.probe import Probe
from tcenv.remote import far_port
from tcenv.remote.client import SSH_FAILED, Client
from tcenv.remote.connection import Connection
from tcenv.shells import environment
from tcenv.shells.child import run_child
from tcenv.signals import BlockedSignals


def execute(
    choice: SessionOptions,
    options: proxied_run.ProxyOptions,
    host: str,
    ssh_options: Sequence[str],
    command: Sequence[str],
) -> int:
    """Run `command` on `host`, or the login shell there if it is empty. Returns its status, or that of ssh. Raises
    UsageError, TcenvError."""
    client = Client(host, ssh_options, _drop_session({}))
    connection = Connection(client, messages.note)
    probe = Probe()

    def forward(port: int, session: Mapping[str, str]) -> int:
        client.environ = _drop_session(session)
        connection.open()
        return connection.forward(port)

    background = None
    try:
        run = proxied_run.prepare(choice, options, run_only=False, forward=forward, probe=probe)
        background = run.background
        with BlockedSignals():
            background.start()
        prepared = run.prepared
        port = prepared.sockets.program_port
        is_known = far_port.check_listeners(connection.list_listeners(port), connection.uid, host)
        far_port.check_path(probe, lambda data: connection.send(port, data), port, is_known=is_known, host=host)
        values = {
            "root_url": prepared.sockets.root_url,
            "client_id": prepared.run.client_id,
            "behind": prepared.change[VARIABLE] or "",
        }
        # Like ssh, join the words with blanks: the login shell there reads them.
        far_command = connection.send_script(values, prepared.run.token, " ".join(command))
        line = client.make_session_command(far_command, terminal=not command and _has_terminal(client))
        with _restore_terminal():
            status = run_child(line, client.environ, lambda: None)
        if status == SSH_FAILED and not connection.has_begun():
            raise TcenvError(
                f"The ssh server of {host} opens no second session on a connection.",
                "It needs MaxSessions 2 or more in its sshd_config.",
            )
        return status
    finally:
        if background is not None:
            # Stop the proxy first: ssh waits for connections that programs over there hold open.
            background.stop()
        connection.close()


def _drop_session(session: Mapping[str, str]) -> dict[str, str]:
    """Return this process's environment without any session: ssh may send variables to the other machine."""
    change = dict.fromkeys((*environment.VARIABLES, environment.PROXY_URL))
    return apply_change(change, session, os.environ) if session else environment.apply(change, os.environ)


def _has_terminal(client: Client) -> bool:
    """Return whether to ask for a terminal, which ssh does by itself for a login shell alone."""
    return os.isatty(0) and client.config.get("requesttty", "auto") == "auto"


@contextmanager
def _restore_terminal() -> Iterator[None]:
    """Put the terminal back as it was: ssh leaves it raw if it is killed."""
    try:
        import termios

        former = termios.tcgetattr(0)
    except Exception:  # no terminal
        yield
        return
    try:
        yield
    finally:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, former)
