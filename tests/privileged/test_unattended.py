"""Without a user who could approve, tcenv does not wait for a browser, and a loop in the background opens only one."""

from __future__ import annotations

import os
import pty
import subprocess
import time
from pathlib import Path

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.shells.direnv import run_in_directory, write_envrc
from tests.world import TCENV, make_env, read_session_fields, tcenv


def make_job_env(deployment: Sandbox) -> dict[str, str]:
    """Return the environment of a job, which has no browser. The tests have no terminal."""
    env = make_env(deployment)
    del env["BROWSER"]
    return env


def run(*words: str, env: dict[str, str], **more: object) -> subprocess.CompletedProcess[str]:
    return tcenv(*words, env=env, start_new_session=True, **more)  # type: ignore[arg-type]


def test_a_job_fails_at_once(deployment: Sandbox) -> None:
    env = make_job_env(deployment)
    for words in (
        ("login", "--shell", "sh"),
        ("login", "--no-browser", "--shell", "sh"),
        ("signin", "--shell", "sh"),
        ("exec", "--", "true"),
    ):
        done = run(*words, env=env)
        assert done.returncode == 3, words
        assert "nobody is here" in done.stderr
        assert "tcenv login" in done.stderr
        assert done.stdout == ("" if words[0] == "exec" else "\\false;\n")  # type: ignore[comparison-overlap]
    assert deployment.approvals == 0
    assert not deployment.clients


def test_a_login_with_piped_input_waits(deployment: Sandbox) -> None:
    env = {**make_job_env(deployment), "TCENV_TIMEOUT": "1s"}
    done = run("login", "--no-browser", "--shell", "sh", env=env, stdin=subprocess.PIPE)
    assert done.returncode == 124


def test_a_login_in_a_terminal_waits(deployment: Sandbox) -> None:
    env = {**make_job_env(deployment), "TCENV_TIMEOUT": "1s"}
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [require("setsid"), "--ctty", "--wait", TCENV, "login", "--shell", "sh"],
        env=env,
        stdin=theirs,
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(ours)
    os.close(theirs)
    assert done.returncode == 124


def test_a_loop_opens_one_browser(deployment: Sandbox, tmp_path: Path, home: Path) -> None:
    opened = tmp_path / "opened"
    env = {**make_env(deployment), "BROWSER": f"sh -c 'echo >> {opened}' %s", "TCENV_TIMEOUT": "1s"}
    assert [run("login", "--shell", "sh", env=env).returncode for _ in range(4)] == [124, 3, 3, 3]
    assert run("exec", "--", "true", env=env).returncode == 3
    assert len(opened.read_text().splitlines()) == 1
    # direnv's --login does not open one either.
    assert tcenv("direnv", "--install", env=env).returncode == 0
    write_envrc(home / "project", "use taskcluster --login\n")
    run_in_directory(home / "project", "true", env=env)
    assert len(opened.read_text().splitlines()) == 1
    # With --retry tcenv opens another; an answer ends it.
    assert run("login", "--retry", "--shell", "sh", env=env).returncode == 124
    assert len(opened.read_text().splitlines()) == 2
    assert run("login", "--retry", "--shell", "sh", env=make_env(deployment)).returncode == 0
    assert run("logout", "--shell", "sh", env=env).returncode == 0
    assert run("login", "--shell", "sh", env=make_env(deployment)).returncode == 0
    assert read_session_fields(env)["TASKCLUSTER_CLIENT_ID"]


def test_a_killed_login_counts_as_unanswered(deployment: Sandbox, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    env = {**make_env(deployment), "BROWSER": f"sh -c 'echo >> {opened}' %s"}
    process = subprocess.Popen(
        [TCENV, "login", "--shell", "sh"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "http://" not in process.stderr.readline():
        pass
    process.kill()
    process.communicate()
    assert run("login", "--shell", "sh", env=env).returncode == 3
    assert len(opened.read_text().splitlines()) == 1


def test_tcenv_waits_again_after_a_quarter_of_an_hour(deployment: Sandbox) -> None:
    env = {**make_env(deployment), "BROWSER": "true", "TCENV_TIMEOUT": "1s"}
    assert run("login", "--shell", "sh", env=env).returncode == 124
    for minutes, status in ((14, 3), (16, 124)):
        done = subprocess.run(
            [require("faketime"), f"@{int(time.time()) + minutes * 60}", TCENV, "login", "--shell", "sh"],
            env=env,
            capture_output=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )
        assert done.returncode == status
