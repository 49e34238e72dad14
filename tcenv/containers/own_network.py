"""Listen inside of the network that bubblewrap makes for a command.

A socket belongs to the network in which it was made, and any process can answer on it. So the command reaches the proxy
on its own loopback, and nothing else."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress

from tcenv.errors import TcenvError

_SCRIPT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "listen_inside.py")
_LONGEST_MESSAGE = 4096


class Gate:
    """Keep bubblewrap's command waiting until `open`. Make the gate before bubblewrap starts, and pass `options`
    first."""

    def __init__(self) -> None:
        self._information, information = os.pipe()
        waiting, self._go = os.pipe()
        self._descriptors = (information, waiting)
        for descriptor in self._descriptors:
            os.set_inheritable(descriptor, True)
        self.options = ["--info-fd", str(information), "--block-fd", str(waiting)]

    def open(self, port: int) -> list[socket.socket]:
        """Return sockets that listen at `port` on the loopback of bubblewrap's network, and let the command start.

        Returns none if bubblewrap has ended. Raises TcenvError."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        information = b""
        with os.fdopen(self._information, "rb") as file:
            # bubblewrap keeps the pipe open, so do not wait for its end.
            while b"}" not in information and (line := file.readline()):
                information += line
        if b"}" not in information:
            os.close(self._go)
            return []
        process = int(json.loads(information)["child-pid"])
        try:
            sockets = _listen(process, port)
        except TcenvError:
            # Otherwise bubblewrap would start the command when this pipe closes.
            os.kill(process, signal.SIGKILL)
            raise
        with suppress(OSError):
            os.write(self._go, b"1")
        os.close(self._go)
        return sockets


def _listen(process: int, port: int) -> list[socket.socket]:
    """Return sockets that listen in the network of `process`.

    A new process makes them, since only a process with one thread may enter a user namespace."""
    own_end, other_end = socket.socketpair()
    with own_end, other_end:
        done = subprocess.run(
            [sys.executable, "-I", _SCRIPT, str(process), str(port)],
            stdin=other_end.fileno(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode:
            reason = done.stderr.strip().rpartition("\n")[2] or "it says nothing"
            raise TcenvError(f"tcenv cannot enter the network of the sandbox: {reason}.")
        _, descriptors, _, _ = socket.recv_fds(own_end, _LONGEST_MESSAGE, 2)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
