"""Keep the run's own ssh connection. Its main session is the lifeline: a script on the far side that ends when this
process does.

The user's session and all requests use the same connection through its control socket."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from tcenv import core_dumps
from tcenv.errors import TcenvError
from tcenv.remote import control_path, scripts
from tcenv.remote.client import SSH_FAILED, Client, SshFailed
from tcenv.signals import BlockedSignals
from tcenv.text import replace_unprintable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# All times are in seconds. How often to show the far side that this process lives.
_BEAT = 20.0
# When to say that the far side's shell is slow.
_SLOW = 20.0
# How long the far side may take to end the run, and ssh to end after that.
_ENDING = 15.0
_KILLING = 3.0
_ANSWER = 30.0
# How many of the connection's messages to keep.
_MOST_MESSAGES = 20


class _NoAnswer(TcenvError):
    """The far side has been silent for too long."""


class Connection:
    """The connection of one run, from `open` to `close`. `host` is for messages, `uid` is the user's id on the far
    side."""

    def __init__(self, client: Client, note: Callable[[str], None]) -> None:
        self.host = client.host
        self.uid = ""
        self._client = client
        self._socket = client.socket
        self._note = note
        self._mark = os.urandom(8).hex()
        self._directory = ""
        self._received = b""
        self._skipped: list[str] = []
        self._messages: list[str] = []
        self._is_ready = False
        self._is_slow = False
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._ssh: subprocess.Popen[bytes] | None = None
        self._relay: threading.Thread | None = None

    def open(self) -> None:
        """Connect, and wait until the lifeline answers. ssh asks on the terminal for passwords. Raises TcenvError."""
        with core_dumps.OriginalLimit():
            self._ssh = subprocess.Popen(
                self._client.make_connection_command(scripts.LIFELINE),
                env=dict(self._client.environ),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
            )
        self._relay = self._start_thread(self._relay_messages)
        self._write(scripts.make_lifeline(self._mark))
        words = self._read_answer("ready", "failed", slow=True)
        if words[0] == "failed":
            raise TcenvError(f"{self.host} cannot hold the run's files: {replace_unprintable(' '.join(words[1:]))}.")
        if len(words) != 3 or not scripts.is_directory(words[1], self._mark) or not words[2].isdecimal():
            raise TcenvError(f"{self.host} sent an unexpected answer.")
        self._directory, self.uid = words[1:]
        self._is_ready = True
        self._start_thread(self._send_beats)

    def forward(self, port: int) -> int:
        """Open a port on the far side's loopback that leads to `port` here. Returns the far port. Raises TcenvError."""
        with core_dumps.OriginalLimit():
            done = self._ask_ssh("-O", "forward", "-R", f"127.0.0.1:0:127.0.0.1:{port}")
        text = done.stdout.decode("ascii", "replace").strip()
        if done.returncode or not re.fullmatch(r"[0-9]{1,5}", text):
            raise TcenvError(
                f"The ssh server of {self.host} forwards no port to this machine.",
                "It needs AllowTcpForwarding yes (or remote) in its sshd_config, and no PermitListen that leaves out 127.0.0.1.",
            )
        return int(text)

    def list_listeners(self, port: int) -> list[str]:
        """Return who listens on the far side's `port`, for `far_port.check_listeners`."""
        self._write(f"port\n{port:04X}\n".encode())
        return self._read_answer("port")[1:]

    def send(self, port: int, data: bytes) -> bool:
        """Connect to the far side's `port` from there, and send `data`. Return whether ssh could connect, even to a
        silent program."""
        try:
            with core_dumps.OriginalLimit():
                done = self._ask_ssh("-W", f"127.0.0.1:{port}", data=data)
        except _NoAnswer:
            return True
        return done.returncode == 0 and b"HTTP/1." in done.stdout

    def _ask_ssh(self, *words: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                self._client.make_control_command(*words),
                env=dict(self._client.environ),
                input=data,
                capture_output=True,
                check=False,
                timeout=_ANSWER,
            )
        except subprocess.TimeoutExpired:
            raise _NoAnswer(f"{self.host} does not answer any more.") from None

    def send_script(self, values: Mapping[str, str], token: str, command: str) -> str:
        """Send the script of the user's session and the run's token to the far side. Return the command that starts
        it."""
        self._write(b"script\n" + scripts.make_run_script(self._mark, values, command))
        self._read_answer("script")
        # A leading t, since `echo` could read a dash as an option.
        self._write(f"token\nt{token}\n".encode())
        self._read_answer("token")
        return scripts.make_run_command(self._directory)

    def has_begun(self) -> bool:
        """Return whether the user's session has begun on the far side. A lost connection counts as begun."""
        try:
            self._write(b"state\n")
            return self._read_answer("state") == ["state", "begun"]
        except TcenvError:
            return True

    def close(self) -> None:
        """End the run on both sides. If the connection was lost, show its messages."""
        self._ended.set()
        if self._ssh is None:
            return
        was_lost = self._is_ready and self._ssh.poll() is not None
        self._write(b"end\n")
        with self._lock, suppress(OSError):
            if self._ssh.stdin is not None:
                self._ssh.stdin.close()
        # While ssh connects or asks for a password, it does not notice the end of its input.
        timeout = _ENDING if self._is_ready else 0
        for end, seconds in ((None, timeout), (self._ssh.terminate, _KILLING), (self._ssh.kill, _KILLING)):
            if end is not None:
                end()
            with suppress(subprocess.TimeoutExpired):
                self._ssh.wait(seconds)
                break
        control_path.remove(self._socket)
        if was_lost and self._relay is not None:
            # A program of ProxyCommand may hold the stream open.
            self._relay.join(_KILLING)
            for line in self._messages:
                print(line, file=sys.stderr)

    def _start_thread(self, work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work, daemon=True)
        with BlockedSignals():
            thread.start()
        return thread

    def _relay_messages(self) -> None:
        """Show ssh's messages while it connects. Keep later ones, since the user's program then has the terminal."""
        assert self._ssh is not None and self._ssh.stderr is not None
        for line in self._ssh.stderr:
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            if not self._is_ready:
                print(text, file=sys.stderr, flush=True)
            elif not text.startswith("mux_"):
                self._messages = [*self._messages[1 - _MOST_MESSAGES :], replace_unprintable(text)]

    def _send_beats(self) -> None:
        while not self._ended.wait(_BEAT):
            self._write(b"beat\n")

    def _write(self, data: bytes) -> None:
        """Write to the lifeline. If it has ended, the next read of an answer reports that."""
        with self._lock, suppress(OSError, ValueError):
            if self._ssh is not None and self._ssh.stdin is not None:
                self._ssh.stdin.write(data)

    def _read_answer(self, *kinds: str, slow: bool = False) -> list[str]:
        """Return the words of the lifeline's next answer that begins with one of `kinds`. Skip the output of start-up
        files.

        With `slow`, wait as long as ssh waits. Raises TcenvError."""
        while True:
            for line in self._read_lines(slow=slow):
                mark, _, answer = line.partition(f"{self._mark} ")
                words = answer.split()
                if words and not mark and words[0] in kinds:
                    return words
                self._skipped = [*self._skipped[1 - _MOST_MESSAGES :], replace_unprintable(line)]

    def _read_lines(self, *, slow: bool) -> Sequence[str]:
        """Return the next complete lines. Raises TcenvError at the end of the output."""
        assert self._ssh is not None and self._ssh.stdout is not None
        descriptor = self._ssh.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while b"\n" not in self._received:
            if not poll.poll((_SLOW if slow else _ANSWER) * 1000):
                if not slow:
                    raise _NoAnswer(f"{self.host} does not answer any more.")
                # Before the socket exists, ssh waits for the network or for a password.
                if os.path.exists(self._socket) and not self._is_slow:
                    self._is_slow = True
                    self._note(f"The login shell of {self.host} has not started yet. Ctrl-C ends the wait.")
                continue
            data = os.read(descriptor, 65536)
            if not data:
                raise self._find_failure()
            self._received += data
        *lines, self._received = self._received.split(b"\n")
        return [line.decode("utf-8", "replace") for line in lines]

    def _find_failure(self) -> TcenvError:
        """Return why the lifeline has ended."""
        assert self._ssh is not None
        status = self._ssh.wait()
        if self._is_ready or status == SSH_FAILED or status < 0:
            return SshFailed(f"The connection to {self.host} could not be made, or was lost.")
        output = next((line for line in reversed(self._skipped) if line.strip()), "")
        return TcenvError(
            f"{self.host} did not start a POSIX sh{f': it says {output.strip()!r}' if output else ''}.",
            "A server with a fixed command, or with file transfers only, does not work.",
        )
