"""A deployment that accepts and never answers is waited for as long as `--timeout` or the configuration says."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.world import make_env, tcenv

# Each call would take 30 seconds by itself.
SOON = 28
COMMANDS = {
    ("status",): (0, "not verified"),
    ("status", "--all"): (0, "not verified"),
    ("scopes",): (0, "Not verified"),
    ("signin", "--check"): (0, "Not verified"),
    ("doctor",): (1, "cannot be reached"),
    ("logout", "--delete-client"): (1, "has not answered in time"),
}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("way", ["option", "profile", "defaults"])
def test_a_deployment_that_never_answers(words: tuple[str, ...], way: str, home: Path) -> None:
    with Sandbox() as sandbox:
        env = make_env(sandbox)
        assert tcenv("profile", "set", "work", "--root-url", sandbox.root_url, env=env).returncode == 0
        assert tcenv("login", "--shell", "sh", env=env).returncode == 0
        del env["TCENV_TIMEOUT"]
        more: tuple[str, ...] = ()
        config = home / ".config/tcenv/config.toml"
        if way == "option":
            more = ("--timeout", "1s")
        elif way == "profile":
            assert tcenv("profile", "set", "work", "--timeout", "1s", env=env).returncode == 0
        else:
            config.write_text('timeout = "1s"\n' + config.read_text())
        sandbox.fail("silent")
        done: subprocess.CompletedProcess[str] = tcenv(*words, *more, env=env, timeout=SOON)
        status, said = COMMANDS[words]
        assert done.returncode == status, done.stderr
        assert said in done.stdout + done.stderr


def test_references_that_never_come() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        root_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        words = ("scopes", root_url, "--method", "queue.createTask", "--timeout", "1s")
        done = tcenv(*words, env=make_env(), timeout=SOON)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize("command", ["status", "scopes", "doctor", "logout"])
def test_what_is_no_time(command: str) -> None:
    with Sandbox() as sandbox:
        done = tcenv(command, "--timeout", "banana", env=make_env(sandbox))
    assert "--timeout" in done.stdout + done.stderr
    assert done.returncode == (1 if command == "doctor" else 2)
