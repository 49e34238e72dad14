"""Run command lines of tcenv, and scripts of xonsh, in forks of a process that has imported both (fork_server.py)."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

SERVER = Path(__file__).with_name("fork_server.py")
TCENV = str(Path(sys.executable).parent / "tcenv")
# Variables that an interpreter or the loader reads at its start.
_READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "FAKETIME", "COVERAGE_", "MALLOC_", "__TCENV_")


class Answer(NamedTuple):
    """The exit status and the output of a command line."""

    status: int
    output: str
    errors: str


def can_fork(env: Mapping[str, str]) -> bool:
    """Return whether a fork behaves as a process that starts with this environment."""
    if sys.platform != "linux":
        return False

    def read_at_start(variables: Mapping[str, str]) -> dict[str, str]:
        return {name: value for name, value in variables.items() if name.startswith(_READ_AT_START)}

    return read_at_start(env) == read_at_start(os.environ)


def run(
    words: Sequence[str], env: Mapping[str, str], *, timeout: float = 60, start: str = "installed"
) -> subprocess.CompletedProcess[str]:
    """Run a command line, with the ends of its lines as they are. Raises TimeoutExpired, after killing it.

    `start` is `main` without the hot path, `app` for the full command line alone, or what the installed command does."""
    return _carry_out([TCENV, *words], env, timeout, start)


def can_fork_xonsh(program: str, env: Mapping[str, str]) -> bool:
    """Return whether `program` is this interpreter's xonsh, and a fork behaves as it."""
    return program == str(Path(TCENV).with_name("xonsh")) and can_fork(env)


def run_xonsh(words: Sequence[str], env: Mapping[str, str], timeout: float) -> subprocess.CompletedProcess[str]:
    """Run the installed xonsh, whose first word is its path, in a session of its own. Raises TimeoutExpired, as `run`."""
    return _carry_out(words, env, timeout, "xonsh")


def _carry_out(
    words: Sequence[str], env: Mapping[str, str], timeout: float, start: str
) -> subprocess.CompletedProcess[str]:
    order = json.dumps({"words": words, "env": dict(env), "cwd": os.getcwd(), "start": start}).encode()
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    output, outputs = os.pipe()
    error, errors = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    with ours, open(output, "rb") as output_file, open(error, "rb") as error_file:
        with theirs:
            try:
                socket.send_fds(_start_server(), [order], [nothing, outputs, errors, theirs.fileno()])
            finally:
                for descriptor in (nothing, outputs, errors):
                    os.close(descriptor)
        process = int(ours.recv(64))
        try:
            texts = _read_all([output_file.fileno(), error_file.fileno()], time.monotonic() + timeout)
        except TimeoutError:
            os.kill(process, signal.SIGKILL)
            raise subprocess.TimeoutExpired(words, timeout) from None
        status = int(ours.recv(64))
    return subprocess.CompletedProcess(words, status, *texts)


def _read_all(pipes: Sequence[int], until: float) -> list[str]:
    """Read pipes to their ends. Returns the content of each. Raises TimeoutError."""
    texts = dict.fromkeys(pipes, b"")
    open_ones = list(pipes)
    while open_ones:
        ready, _, _ = select.select(open_ones, [], [], max(0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        for pipe in ready:
            part = os.read(pipe, 1 << 16)
            texts[pipe] += part
            if not part:
                open_ones.remove(pipe)
    return [text.decode() for text in texts.values()]


@cache
def _start_server() -> socket.socket:
    """Start this process' server, once. Returns the socket that takes its orders."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    with theirs:
        subprocess.Popen([sys.executable, str(SERVER)], stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd="/")
    return ours


def run_command(words: Sequence[str], env: Mapping[str, str]) -> Answer:
    """Run the installed command, in a process of its own."""
    done = subprocess.run([TCENV, *words], env=dict(env), capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def run_many(cases: Sequence[tuple[Sequence[str], Mapping[str, str]]], start: str) -> list[Answer]:
    """Run command lines in forks, each with its environment, one after the other. `start` is that of `run`."""
    answers = (run(words, env, start=start) for words, env in cases)
    return [Answer(done.returncode, done.stdout, done.stderr) for done in answers]


def run_full(cases: Sequence[tuple[Sequence[str], Mapping[str, str]]]) -> list[Answer]:
    """Run command lines as `run_many` does, without the hot path."""
    return run_many(cases, "main")
