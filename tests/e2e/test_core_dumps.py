"""No core file holds a token, and commands have the limit that the user set."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.world import TCENV, make_env, sign_in

_LIMITED = 'ulimit -c unlimited 2>/dev/null || ulimit -c "$(ulimit -Hc)"; ulimit -c; exec "$@"'


def core_limit(pid: int) -> str:
    """The soft limit of a running process."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return next(line.split()[4] for line in lines if line.startswith("Max core file size"))


@pytest.mark.parametrize("options", [[], ["--proxy"], ["--proxy", "--for", "5m"], ["--scope", "queue:scheduler-id:a"]])
def test_a_command_has_the_limit_of_its_caller(options: list[str]) -> None:
    with Sandbox() as sandbox:
        words = [TCENV, "exec", *options, "--", "sh", "-c", "ulimit -c"]
        done = subprocess.run(
            ["sh", "-c", _LIMITED, "sh", *words], env=sign_in(sandbox), capture_output=True, text=True
        )
    before, inside = done.stdout.split()
    assert inside == before, done.stderr


def test_what_waits_for_the_browser_or_serves_writes_no_core_file() -> None:
    with Sandbox() as sandbox:
        env = sign_in(sandbox)
        # The limit is that of the command while this starts.
        command = "until grep -q 'core file size *0 ' /proc/$PPID/limits; do sleep 0.05; done; echo nothing"
        words = [TCENV, "exec", "--proxy", "--", "sh", "-c", command]
        done = subprocess.run(["sh", "-c", _LIMITED, "sh", *words], env=env, capture_output=True, text=True, timeout=60)
        assert done.stdout.splitlines()[1] == "nothing", done.stderr
        words = [TCENV, "login", "--shell", "sh", "--reset", "--name", "other"]
        env = {**make_env(sandbox), "BROWSER": "true"}
        with subprocess.Popen(
            ["sh", "-c", _LIMITED, "sh", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while "/auth/clients/create?" not in process.stderr.readline():  # type: ignore[union-attr]
                assert process.poll() is None
            assert core_limit(process.pid) == "0"
            process.terminate()
