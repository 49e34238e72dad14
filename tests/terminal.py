"""Run a real terminal: tmux runs a shell, the test types keys and reads the screen. A child writes the shell's
environment to a file."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import termios
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tests.programs import require

# Writes the environment to a file, whole or not at all. perl starts faster than Python.
_DUMP = """
open my $file, '>', "$ARGV[0].part" or die;
print $file map { "$_=$ENV{$_}\\0" } keys %ENV;
close $file;
rename "$ARGV[0].part", $ARGV[0];
"""


class Terminal:
    """A tmux session with a server of its own that runs `arguments`. `socket` is the server's name."""

    def __init__(self, arguments: Sequence[str], env: Mapping[str, str], folder: Path, ready: str = "") -> None:
        self.socket = f"tcenv-{uuid.uuid4().hex[:12]}"
        self._folder = folder
        self._tmux = require("tmux")
        self._count = 0
        self._ready = ready
        self._before = ""
        self._arguments = list(arguments)
        self._env = {**env, "TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
        self._env.pop("TMUX", None)
        self.dump_program = folder / "dump.pl"
        self.dump_program.write_text(_DUMP)

    def __enter__(self) -> Terminal:
        self._run("-f", "/dev/null", "new-session", "-d", "-x", "180", "-y", "50", "-s", "t", *self._arguments)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        subprocess.run([self._tmux, "-L", self.socket, "kill-server"], capture_output=True, env=self._env)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._tmux, "-L", self.socket, *arguments], capture_output=True, text=True, env=self._env, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names."""
        self._before = self.read_screen() if self._ready else ""
        self._run("send-keys", "-t", "t", *keys)

    def type(self, line: str) -> None:
        """Type a line and press Enter. Wait for the prompt first if the shell drops what is typed ahead."""
        if self._ready:
            self.wait(self._is_at_a_new_prompt, "the prompt")
        self._run("send-keys", "-t", "t", "-l", line)
        self.press("Enter")

    def _is_at_a_new_prompt(self) -> bool:
        screen = self.read_screen()
        return screen != self._before and screen.rstrip().endswith(self._ready)

    def resize(self, columns: int, rows: int) -> None:
        self._run("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))

    def read_screen(self) -> str:
        """Return what has been on the screen, with wrapped lines joined."""
        return self._run("capture-pane", "-p", "-J", "-S", "-500", "-t", "t")

    def wait(self, condition: Callable[[], object], what: str, seconds: float = 60) -> None:
        """Wait for `condition`. The test fails with the screen if it does not come true."""
        end = time.monotonic() + seconds
        pause = 0.02
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; on the screen:\n{self.read_screen()}"
            time.sleep(pause)
            # Each look at the screen starts a process.
            pause = min(pause * 1.5, 0.25)

    def wait_for_program(self, name: str) -> None:
        """Wait until the program `name` has the terminal."""
        current = ("display-message", "-p", "-t", "t", "#{pane_current_command}")
        self.wait(lambda: self._run(*current).strip() == name, name)

    def wait_for(self, text: str, seconds: float = 60) -> None:
        self.wait(lambda: text in self.read_screen(), repr(text), seconds)

    def read_environment(self, prefix: str = "") -> dict[str, str]:
        """Return the environment of a child that the shell starts at its next prompt."""
        self._count += 1
        path = self._folder / f"dump{self._count}"
        self.type(f"{prefix}{require('perl')} {self.dump_program} {path}")
        self.wait(path.exists, f"the environment ({path.name})")
        entries = path.read_bytes().decode(errors="surrogateescape").split("\0")
        return dict(entry.partition("=")[::2] for entry in entries if entry)


def run_in_terminal(
    *command: str, env: Mapping[str, str], columns: int = 500, output: bool = False
) -> tuple[int, str, str]:
    """Run `command` with its stderr, and its stdout too with `output`, on a terminal. Return its status, its output if
    that is a pipe, and what the terminal showed."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (60, columns))
    seen: list[bytes] = []

    def read() -> None:
        # A terminal that nobody holds any more is an error.
        with contextlib.suppress(OSError):
            while data := os.read(ours, 65536):
                seen.append(data)

    reader = threading.Thread(target=read)
    process = subprocess.Popen(
        command,
        env={"TERM": "xterm-256color", **env},
        stdin=theirs,
        stdout=theirs if output else subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    reader.start()
    out, _ = process.communicate(timeout=120)
    reader.join(60)
    os.close(ours)
    return process.returncode, out or "", b"".join(seen).decode().replace("\r\n", "\n")
