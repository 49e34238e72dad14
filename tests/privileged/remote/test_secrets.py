"""No argument list, file, log or terminal on either side has the token of the run or of the session."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

import pytest

from tests.privileged.users import make_python_command
from tests.reliability.record import record, scale
from tests.remote_machine import RemoteMachine
from tests.terminal import run_in_terminal
from tests.world import TCENV, read_session_fields

# Read what another user can of each process, again and again until the input ends.
_LOOK = """
import os, select, sys
seen, sweeps = set(), 0
print("looking", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    sweeps += 1
    for name in filter(str.isdecimal, os.listdir("/proc")):
        for what in ("cmdline", "environ"):
            try:
                seen.add(open(f"/proc/{name}/{what}", "rb").read())
            except OSError:
                pass
    for folder, _, files in os.walk("/tmp", onerror=None):
        for file in files:
            if "tcenv-" in folder:
                try:
                    seen.add(open(os.path.join(folder, file), "rb").read(65536))
                except OSError:
                    pass
sys.stdout.buffer.write(b"\\0".join(seen) + b"\\0")
print(sweeps)
"""
# Write the token to a private file, where the test finds it.
_KEEP = "sh -c 'umask 077; echo \"$TASKCLUSTER_ACCESS_TOKEN\" >kept; ls -a /tmp/tcenv-*; cat /tmp/tcenv-*/run'"


@pytest.fixture(scope="module")
def remote(remote: RemoteMachine) -> RemoteMachine:
    """Return the remote machine with its most detailed log, which the test searches too."""
    remote.start("LogLevel DEBUG3")
    return remote


@pytest.mark.timeout(1800)
def test_no_token_where_anybody_can_look(remote: RemoteMachine, env: dict[str, str], tmp_path: Path) -> None:
    stranger = subprocess.Popen(make_python_command(_LOOK), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    assert stranger.stdin and stranger.stdout
    assert stranger.stdout.readline() == b"looking\n"
    arguments: set[bytes] = set()
    ended = threading.Event()
    watcher = threading.Thread(target=watch, args=(arguments, ended))
    watcher.start()
    session = read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"]
    tokens, shown = {session}, []
    count = max(3, scale(100))
    for number in range(count):
        remote.use_shell(("bash", "zsh", "dash", "fish", "tcsh")[number % 5])
        options = ["-o", "RequestTTY=force", "-o", "LogLevel=DEBUG3"]
        status, _, screen = run_in_terminal(TCENV, "ssh", *options, "far", "--", _KEEP, env=env, output=True)
        assert status == 0, screen
        shown.append(screen)
        tokens.add((remote.home / "kept").read_text().strip())
        (remote.home / "kept").unlink()
    ended.set()
    watcher.join()
    out, _ = stranger.communicate(b"x", timeout=60)
    assert len(tokens) == count + 1
    assert all(re.fullmatch(r"[\w-]{44}", token) for token in tokens)
    texts = {
        "the argument lists": b"\0".join(arguments),
        "what another user sees": out,
        "the server's log": remote.log.read_bytes(),
        "the terminals": "".join(shown).encode(),
    }
    for place, text in texts.items():
        assert text, place
        for token in tokens:
            assert token.encode() not in text, place
    # The search would find such texts.
    assert b"TASKCLUSTER_ACCESS_TOKEN" in texts["the terminals"]
    assert b"tcenv" in texts["the argument lists"]
    # Search all files of the user here, and of the account there.
    store = Path(env["XDG_RUNTIME_DIR"]) / "tcenv"
    for folder in (Path(env["HOME"]), remote.home, *map(Path, remote.files())):
        for path in folder.rglob("*"):
            if path.is_file() and path.parent != store:
                content = path.read_bytes()
                assert not any(token.encode() in content for token in tokens), path
    record("recorded terminals of tcenv ssh", count)


def watch(seen: set[bytes], ended: threading.Event) -> None:
    """Collect the argument lists of all processes of the machine."""
    while not ended.is_set():
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    seen.add(file.read())
            except OSError:
                continue


def test_no_token_in_the_environment_of_ssh(remote: RemoteMachine, env: dict[str, str], tmp_path: Path) -> None:
    """ssh may have the option to send variables."""
    real = (remote.bin / "ssh").read_text()
    seen = tmp_path / "environments"
    try:
        (remote.bin / "ssh").write_text(real.replace("#!/bin/sh\n", f"#!/bin/sh\nenv >>{seen}\n"))
        loaded = subprocess.run(
            ["sh", "-c", f'eval "$({TCENV} login --shell sh)"; export COPY="x$TASKCLUSTER_ACCESS_TOKEN"; '
             f"{TCENV} ssh far -- 'echo $TASKCLUSTER_ACCESS_TOKEN'"],
            env=env, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
    finally:
        (remote.bin / "ssh").write_text(real)
    text = seen.read_text()
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip() not in text
    assert "TASKCLUSTER_ACCESS_TOKEN=" not in text
    # Only `ssh -G`, which does not connect, runs before tcenv knows the session.
    assert text.count("COPY=x") == 1
