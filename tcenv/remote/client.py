"""Build the command lines of the user's ssh, and read its configuration for a host."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

from tcenv import core_dumps
from tcenv.errors import Hint, TcenvError, UsageError
from tcenv.remote import control_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# ssh's own status for its errors (ssh(1)).
SSH_FAILED = 255
# The user's configuration may set these options for logins, but they would break the run's own connection. An older ssh
# lacks some of them.
_OVERRIDES = {
    "sessiontype": "default",
    "stdinnull": "no",
    "forkafterauthentication": "no",
    "remotecommand": "none",
    "controlpersist": "no",
}
_ALWAYS = ("remotecommand", "controlpersist")
# Seconds between two checks that the server still answers, and how many checks may fail.
_ALIVE = ("-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4")


class SshFailed(TcenvError):
    """ssh has failed and has said why. The exit status is ssh's own."""

    exit_code = SSH_FAILED


class SshMissing(TcenvError):
    """No usable ssh is there."""

    exit_code = 127


class Client:
    """The user's ssh for one host.

    `config` is its configuration for that host, as `ssh -G` prints it. `socket` is the path of the run's control
    socket. `environ` is the environment of ssh."""

    def __init__(self, host: str, options: Sequence[str], environ: Mapping[str, str]) -> None:
        """Find ssh and let it check the host, the options and its configuration. Raises UsageError, SshMissing,
        SshFailed."""
        if not host or host.startswith("-"):
            raise UsageError(
                f"{host!r} is not a valid host.",
                Hint("Name the host as for ssh:", ("tcenv", "ssh", "user@host.example.com")),
            )
        if os.name == "nt":
            raise SshMissing("ssh for Windows cannot share a connection.", "Run tcenv in WSL, or on another machine.")
        program = shutil.which("ssh", path=environ.get("PATH"))
        if program is None:
            raise SshMissing("ssh is not on the PATH.", "Install OpenSSH's client.")
        self.host = host
        self.environ = environ
        self._program = program
        self._options = [word for option in options for word in ("-o", option)]
        self.config = self._read_config()
        overrides = {key: value for key, value in _OVERRIDES.items() if key in _ALWAYS or key in self.config}
        self.socket = control_path.choose()
        self._socket = ("-S", self.socket.replace("%", "%%"))
        self._overrides = [word for key, value in overrides.items() for word in ("-o", f"{key}={value}")]

    def _read_config(self) -> dict[str, str]:
        with core_dumps.OriginalLimit():
            done = subprocess.run(
                # Some settings require a command.
                [self._program, "-G", "-o", "RemoteCommand=none", *self._options, "--", self.host, "true"],
                env=dict(self.environ),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2].rstrip(".")
            raise SshFailed(f"ssh cannot be used for {self.host}: {reason or 'it says nothing'}.")
        lines = done.stdout.decode("utf-8", "replace").splitlines()
        return {key: value for key, _, value in (line.partition(" ") for line in reversed(lines))}

    def make_connection_command(self, command: str) -> list[str]:
        """Return the command line of the run's own connection. Its main session runs `command` without a terminal."""
        words = [self._program, "-M", *self._socket, "-T", *self._overrides, *_ALIVE, *self._options]
        return [*words, "--", self.host, command]

    def make_session_command(self, command: str, *, terminal: bool) -> list[str]:
        """Return the command line of the user's session over that connection, with a pty if `terminal`."""
        # The proxy `false` keeps ssh from making a new connection when this one is lost.
        own = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "ClearAllForwardings=yes")
        words = [self._program, *self._socket, *own, *self._overrides, *self._options]
        return [*words, *(["-t"] if terminal else []), "--", self.host, command]

    def make_control_command(self, *words: str) -> list[str]:
        """Return the command line of a request to that connection, which ignores the user's configuration."""
        return [self._program, "-F", "none", *self._socket, *words, "--", "tcenv"]
