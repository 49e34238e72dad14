"""Check that no core file holds a token, and that commands keep the user's limit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import TCENV, make_env, sign_in

_LIMITED = 'ulimit -c unlimited 2>/dev/null || ulimit -c "$(ulimit -Hc)"; ulimit -c; exec "$@"'


def read_core_limit(pid: int) -> str:
    """Return the soft limit on core files of a running process."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.startswith("Max core file size"))


@pytest.mark.parametrize("options", [[], ["--proxy"], ["--proxy", "--for", "5m"], ["--scope", "queue:scheduler-id:a"]])
def test_a_command_has_the_limit_of_its_caller(options: list[str]) -> None:
    with Sandbox() as sandbox:
        words = [TCENV, "exec", *options, "--", "sh", "-c", "ulimit -c"]
        done = run_program("sh", "-c", _LIMITED, "sh", *words, env=sign_in(sandbox))
    before, inside = done.stdout.split()
    assert inside == before, done.stderr


def test_a_wait_and_a_proxy_write_no_core_file(deployment: Sandbox) -> None:
    env = sign_in(deployment)
    # When this starts, tcenv may still have the command's limit.
    command = "until grep -q 'core file size *0 ' /proc/$PPID/limits; do sleep 0.05; done; echo nothing"
    words = [TCENV, "exec", "--proxy", "--", "sh", "-c", command]
    done = run_program("sh", "-c", _LIMITED, "sh", *words, env=env)
    assert done.stdout.splitlines()[1] == "nothing", done.stderr
    words = [TCENV, "login", "--shell", "sh", "--reset", "--name", "other"]
    env = {**make_env(deployment), "BROWSER": "true"}
    with subprocess.Popen(
        ["sh", "-c", _LIMITED, "sh", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while "/auth/clients/create?" not in process.stderr.readline():  # type: ignore[union-attr]
            assert process.poll() is None
        assert read_core_limit(process.pid) == "0"
        process.terminate()
