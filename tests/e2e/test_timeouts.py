"""Wait for a deployment that accepts connections and never answers, as long as `--timeout` or the configuration says."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.world import login, make_env, tcenv

# Without the option, each call takes 30 seconds.
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
def test_a_silent_deployment_ends_with_the_timeout(
    words: tuple[str, ...], way: str, home: Path, deployment: Sandbox
) -> None:
    env = make_env(deployment)
    assert tcenv("profile", "set", "work", "--root-url", deployment.root_url, env=env).returncode == 0
    assert login(env).returncode == 0
    del env["TCENV_TIMEOUT"]
    more: tuple[str, ...] = ()
    config = home / ".config/tcenv/config.toml"
    if way == "option":
        more = ("--timeout", "1s")
    elif way == "profile":
        assert tcenv("profile", "set", "work", "--timeout", "1s", env=env).returncode == 0
    else:
        config.write_text('timeout = "1s"\n' + config.read_text())
    deployment.fail("silent")
    done: subprocess.CompletedProcess[str] = tcenv(*words, *more, env=env, timeout=SOON)
    status, output = COMMANDS[words]
    assert done.returncode == status, done.stderr
    assert output in done.stdout + done.stderr


def test_silent_references_end_with_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        root_url = f"http://127.0.0.1:{server.getsockname()[1]}"
        words = ("scopes", root_url, "--method", "queue.createTask", "--timeout", "1s")
        done = tcenv(*words, env=make_env(), timeout=SOON)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr


@pytest.mark.parametrize("command", ["status", "scopes", "doctor", "logout"])
def test_an_invalid_timeout_is_a_usage_error(command: str) -> None:
    with Sandbox() as sandbox:
        done = tcenv(command, "--timeout", "banana", env=make_env(sandbox))
    assert "--timeout" in done.stdout + done.stderr
    assert done.returncode == (1 if command == "doctor" else 2)


def test_the_longest_timeout_works(deployment: Sandbox) -> None:
    env = make_env(deployment)
    del env["TCENV_TIMEOUT"]
    assert login(env, "--timeout", "1000y").returncode == 0
