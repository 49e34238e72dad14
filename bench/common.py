"""Helpers of the groups of rows: a session, a new store, the bare interpreter, and the time of the deployment's answers."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from bench.measure import measure_seconds
from bench.world import World
from tcenv.portholder import messages


def sign_in(world: World, env: dict[str, str] | None = None) -> None:
    subprocess.run(
        [world.tcenv, "login", "--shell", "sh"],
        env=env or world.env,
        check=True,
        capture_output=True,
    )


def make_bare_timer(world: World) -> Callable[[], float]:
    return lambda: measure_seconds([world.python, "-c", "pass"], world.env)


def make_runtime_directory(world: World, *, keep: bool = False) -> Path:
    """Return an empty runtime directory; remove the notes of clients too unless `keep` is set."""
    folder = world.home / "fresh"
    _end_holder(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if not keep:
        shutil.rmtree(world.home / ".local", ignore_errors=True)
    return folder


def _end_holder(runtime: Path) -> None:
    """End the port holder of the measured sign-ins, which would stay for 15 minutes."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
        connection.connect(str(runtime / "tcenv" / messages.SOCKET))
        told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        os.kill(struct.unpack("3i", told)[0], signal.SIGKILL)


def measure_answer_time(world: World) -> float:
    """Return how long the two calls of a verification take, in seconds, with the client library imported already."""
    client = world.sandbox.create_client(f"{world.sandbox.user}/bench-{time.time_ns()}", ["auth:current-scopes"])
    import taskcluster

    options = {
        "rootUrl": world.sandbox.root_url,
        "credentials": {"clientId": client.client_id, "accessToken": client.access_token},
    }
    start = time.perf_counter()
    auth = taskcluster.Auth(options)
    auth.currentScopes()
    auth.client(client.client_id)
    return time.perf_counter() - start
