"""Run tcenv without any configuration: only `tcenv login` in a terminal asks for the deployment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.world import TCENV, login, make_env


@pytest.fixture
def env(deployment: Sandbox) -> dict[str, str]:
    """Return an environment with a browser that names no deployment."""
    found = make_env(deployment, PS1="$ ", LC_ALL="C.UTF-8")
    del found["TASKCLUSTER_ROOT_URL"]
    return found


@pytest.fixture
def shell(env: dict[str, str]) -> Iterator[pexpect.spawn[str]]:
    """Run an interactive bash that shows only the output of programs."""
    child = pexpect.spawn(require("bash"), ["--norc", "-i"], env=env, encoding="utf-8", timeout=60, echo=False)
    child.expect(r"\$ ")
    yield child
    child.close(force=True)


def test_login_asks_for_the_deployment_and_saves_it(shell: pexpect.spawn[str], deployment: Sandbox, home: Path) -> None:
    shell.sendline(f'eval "$({TCENV} login)"')
    shell.expect_exact("Which deployment do you want to sign in to?")
    shell.expect("1 .*https://community-tc.services.mozilla.com.*2 .*https://firefox-ci-tc.services.mozilla.com")
    shell.expect_exact("Number or address: ")
    shell.sendline("ftp://nonsense")
    shell.expect_exact("is not")
    shell.expect_exact("Number or address: ")
    shell.sendline(deployment.root_url)
    shell.expect_exact("Save it as your default profile, localhost? [Y/n] ")
    shell.sendline("")
    shell.expect_exact("Saved the profile localhost.")
    shell.expect_exact("Signed in as")
    shell.sendline("echo got $TCENV_PROFILE")
    shell.expect_exact("got localhost")
    assert 'default = "localhost"' in (home / ".config/tcenv/config.toml").read_text()


def test_login_saves_nothing_without_a_yes(shell: pexpect.spawn[str], deployment: Sandbox, home: Path) -> None:
    shell.sendline(f"{TCENV} login --shell sh >/dev/null")
    shell.expect_exact("Number or address: ")
    shell.sendline("3")
    shell.expect_exact("Root URL: ")
    shell.sendline(deployment.root_url)
    shell.expect_exact("[Y/n] ")
    shell.sendline("n")
    shell.expect_exact("Signed in as")
    assert not (home / ".config/tcenv/config.toml").exists()


def test_login_without_an_answer_is_an_error(shell: pexpect.spawn[str]) -> None:
    shell.sendline(f"{TCENV} login --shell sh >/dev/null; echo ended $?")
    shell.expect_exact("Number or address: ")
    shell.sendeof()
    shell.expect_exact("No deployment is named.")
    shell.expect_exact("ended 2")


@pytest.mark.parametrize(
    "command", ["login --shell sh </dev/null", "login --shell sh 2>said", "exec -- true", "status"]
)
def test_nothing_else_asks_for_the_deployment(
    command: str, shell: pexpect.spawn[str], env: dict[str, str], tmp_path: Path
) -> None:
    shell.sendline(f"cd {tmp_path}; {TCENV} {command} >/dev/null; echo ended $?")
    shell.expect(r"ended (\d)")
    assert shell.match is not None
    assert shell.match[1] == ("3" if command == "status" else "2")
    assert "Which deployment" not in (shell.before or "")


def test_login_without_a_terminal_does_not_ask(env: dict[str, str]) -> None:
    done = login(env)
    assert done.returncode == 2
    assert re.search("No deployment is named", done.stderr)
