"""Check where `tcenv proxy` writes a run's token: never to a terminal, and only into a private file."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.world import TCENV, read_session_fields, sign_in, tcenv

_CALL = "import taskcluster as t; print(t.Queue(t.optionsFromEnvironment()).ping()['alive'])"


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    return sign_in(deployment)


@contextmanager
def run_proxy_command(command: str, shell: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a proxy that answers already."""
    words = [require(shell), "-c", f"umask 0; exec {command}"]
    with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while "To use it in a shell:" not in (line := process.stderr.readline()):
            assert process.poll() is None, line
        try:
            yield process
        finally:
            process.terminate()


def call_deployment(shell: str, line: str, env: dict[str, str]) -> str:
    done = run_program(require(shell), "-c", f'{line}\n{sys.executable} -c "{_CALL}"', env=env)
    return done.stdout or done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_on_a_terminal_proxy_prints_commands_that_work(shell: str, env: dict[str, str]) -> None:
    env["TCENV_SHELL"] = shell
    child = pexpect.spawn(
        TCENV,
        ["proxy", "--scope", "queue:scheduler-id:a*", "--for", "5m"],
        env=env,
        encoding="utf-8",
        timeout=60,
        dimensions=(50, 400),
    )
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2
    output = re.sub(r"\x1b\[[0-9;]*m", "", child.before)
    assert "TASKCLUSTER_ACCESS_TOKEN" not in output
    command, reading = re.search(r"Write it to a file: (.*?)\. In another terminal: (.*?)\s*\Z", output, re.S).groups()  # type: ignore[union-attr]
    assert "--scope 'queue:scheduler-id:a*' --for 5m --output " in command
    with run_proxy_command(command, shell, env) as process:
        assert call_deployment(shell, reading, env) == "True\n"
        process.terminate()
        assert process.wait(60) == 0


def test_the_output_file_is_private_and_removed_at_the_end(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "proxy.env"
    with run_proxy_command(f"{TCENV} proxy --shell sh --output {path}", "sh", env) as process:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in path.read_text()
        assert call_deployment("sh", f". {path}", env) == "True\n"
        again = run_program(TCENV, "proxy", "--output", path, env=env)
        assert (again.returncode, again.stdout) == (2, "")
        assert "already exists" in again.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert os.listdir(tmp_path) == []


def test_a_file_of_the_same_name_that_came_later_stays(env: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "proxy.env"
    with run_proxy_command(f"{TCENV} proxy --shell sh --output {path}", "sh", env) as process:
        path.unlink()
        path.write_text("mine")
        process.terminate()
        assert process.wait(60) == 0
    assert path.read_text() == "mine"


def test_a_missing_directory_is_an_error(env: dict[str, str], tmp_path: Path) -> None:
    done = run_program(TCENV, "proxy", "--output", tmp_path / "no" / "x", env=env)
    assert done.returncode == 2
    assert "No such file or directory" in done.stderr


@pytest.mark.parametrize(
    "words", [["env"], ["login"], ["env", "--format", "json"], ["env", "--scope", "queue:scheduler-id:a*"]]
)
def test_a_file_that_others_can_read_causes_a_warning(words: list[str], env: dict[str, str], tmp_path: Path) -> None:
    env["TCENV_SHELL"] = "sh"
    for mode, warned in ((0o644, 1), (0o640, 1), (0o600, 0)):
        path = tmp_path / f"{mode:o}"
        path.touch(mode)
        path.chmod(mode)
        with path.open("wb") as file:
            done = subprocess.run([TCENV, *words], env=env, stdout=file, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 0
        assert len(done.stderr.splitlines()) == warned, done.stderr
        assert ("Other users can read" in done.stderr) == bool(warned)
        assert "CLIENT_ID" in path.read_text()


@pytest.mark.signals
def test_a_foreground_proxy_prints_statements_for_a_shell(deployment: Sandbox, tmp_path: Path) -> None:
    env = sign_in(deployment)
    output = tmp_path / "statements"
    with output.open("wb") as file:
        process = subprocess.Popen([TCENV, "proxy", "--shell", "sh"], env=env, stdout=file, stderr=subprocess.PIPE)
    assert process.stderr
    assert b"Other users can read" in process.stderr.readline()
    assert b"until Ctrl-C" in process.stderr.readline()
    assert read_session_fields(env)["TASKCLUSTER_ACCESS_TOKEN"] not in output.read_text()
    program = "import taskcluster as t; print(len(t.Auth(t.optionsFromEnvironment()).currentScopes()['scopes']) > 5)"
    call = f'{sys.executable} -c "{program}"'
    used = run_program("sh", "-c", f". {output}; {call}", env=env)
    assert used.stdout == "True\n", used.stderr
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    assert os.path.getsize(output) > 0


@pytest.mark.signals
def test_a_proxy_under_nohup_outlives_its_terminal(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    program = "import taskcluster as t; print(len(t.Auth(t.optionsFromEnvironment()).currentScopes()['scopes']) > 5)"
    command = ["nohup", TCENV, "proxy", "--shell", "sh"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        statements = process.stdout.read()  # type: ignore[union-attr]
        while "until Ctrl-C" not in process.stderr.readline():  # type: ignore[union-attr]
            assert process.poll() is None
        process.send_signal(signal.SIGHUP)
        call = f'{sys.executable} -c "{program}"'
        used = run_program("sh", "-c", f"{statements}\n{call}", env=env)
        assert used.stdout == "True\n", used.stderr
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


def test_a_taken_port_is_an_error(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    taken = deployment.port
    done = tcenv("proxy", "--port", str(taken), "--shell", "sh", env=env)
    assert (done.returncode, done.stdout) == (1, "")
    assert str(taken) in done.stderr
