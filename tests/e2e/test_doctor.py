"""`tcenv doctor` finds faults, and says how to fix them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require
from tests.world import BIN, TCENV, make_env, sign_in, tcenv


def findings(env: dict[str, str]) -> dict[str, dict[str, str]]:
    done = tcenv("doctor", "--json", env=env)
    return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_a_sound_machine(home: Path) -> None:
    (home / ".bashrc").write_text('eval "$(tcenv init bash)"\n')
    with Sandbox() as sandbox:
        env = sign_in(sandbox)
        done = subprocess.run(
            ["bash", "-c", f"{TCENV} doctor; echo $?"], env=env, capture_output=True, text=True, timeout=60
        )
        assert done.stdout.endswith("\n0\n")
        assert done.stderr == ""
        for words in (
            "shell: bash",
            "evaluates tcenv init",
            "127.0.0.1 and ::1",
            "runtime, 1 session",
            "clock: agrees",
        ):
            assert words in done.stdout


def test_what_is_wrong_is_named_with_its_fix(home: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.clock_offset = 2 * 3600
        env = make_env(sandbox, TASKCLUSTER_CERTIFICATE="left over", BROWSER="no-such-browser %s")
        found = findings(env)
        assert found["clock"]["state"] == "bad"
        assert "2 h" in found["clock"]["text"] or "1 h" in found["clock"]["text"]
        assert "timedatectl" in found["clock"]["fix"]
        assert found["variables"]["state"] == "bad"
        assert found["browser"]["state"] == "note"
        assert found["start-up file"]["fix"]
    gone = findings(make_env(sandbox))
    assert gone["deployment"]["state"] == "bad"
    (home / "run").chmod(0o700)
    store = home / "run" / "tcenv"
    store.mkdir(mode=0o755, exist_ok=True)
    store.chmod(0o755)
    assert "chmod 700" in findings(make_env(sandbox))["session store"]["fix"]
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text("nonsense = 1\n")
    assert "line 1" in findings(make_env(sandbox))["configuration"]["text"]


@pytest.mark.linux
@pytest.mark.parametrize(
    ("interface", "said"),
    [
        ("ip link set lo up", "127.0.0.1 and ::1"),
        ("ip link set lo up; ip -6 addr flush dev lo", "127.0.0.1 only: it has no IPv6 (::1)"),
        ("ip link set lo up; ip -4 addr flush dev lo", "::1 only: it has no IPv4 (127.0.0.1)"),
        ("true", "it has neither IPv4 (127.0.0.1) nor IPv6 (::1)"),
    ],
    ids=["both", "no IPv6", "no IPv4", "down"],
)
def test_what_is_missing_on_loopback_is_named(interface: str, said: str, home: Path) -> None:
    require("ip")
    command = [require("unshare"), "-Urn", "sh", "-c", f"{interface}; exec {TCENV} doctor --json"]
    done = subprocess.run(command, env=make_env(), capture_output=True, text=True, timeout=60)
    (found,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "loopback"]
    assert found["text"] == said, done.stderr


def test_the_browser_that_a_sign_in_would_open_is_named(home: Path) -> None:
    browser = home / "Program Files/browser.exe"
    browser.parent.mkdir()
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    assert findings(make_env(BROWSER=f" :not-there %s:{browser}"))["browser"]["text"] == f"BROWSER: {browser}"


@pytest.mark.parametrize("fault", ["bad-gateway", "broken", "html", "text", "empty-object", "redirect", "forbidden"])
def test_only_an_answer_to_ping_makes_a_deployment_good(fault: str) -> None:
    """A gateway, a network's sign-in page, any other web server: all of them answer."""
    with Sandbox() as sandbox:
        sandbox.fail(fault, path="/api/auth/v1/ping")
        found = findings(make_env(sandbox))["deployment"]
        assert (found["state"], "answer" in found["text"]) == ("bad", True)
        assert any(call.path == "/api/auth/v1/ping" for call in sandbox.requests)


def test_the_exit_status_tells() -> None:
    with Sandbox() as sandbox:
        assert tcenv("doctor", env=make_env(sandbox, SHELL="/bin/bash")).returncode == 0
    assert tcenv("doctor", env=make_env(sandbox, SHELL="/bin/bash")).returncode == 1


def test_an_error_is_said_once(home: Path) -> None:
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text("nonsense = 1\n")
    done = tcenv("doctor", env=make_env())
    assert done.returncode == 1
    assert done.stdout.count("nonsense") == 1


def test_a_program_that_the_path_does_not_find_is_told(home: Path) -> None:
    """The function of `tcenv init` finds it all the same; scripts and direnv would not."""
    bare = tcenv("doctor", env=make_env(PATH="/usr/bin:/bin")).stdout
    assert "PATH: " + str(BIN) in bare
    assert "pipx ensurepath" in bare
    assert "PATH: " not in tcenv("doctor", env=make_env()).stdout
