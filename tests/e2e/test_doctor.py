"""Check that `tcenv doctor` finds faults and says how to fix them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import require, run_program
from tests.world import BIN, TCENV, make_env, sign_in, tcenv


def list_findings(env: dict[str, str]) -> dict[str, dict[str, str]]:
    done = tcenv("doctor", "--json", env=env)
    return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


def test_doctor_finds_nothing_on_a_good_machine(home: Path, deployment: Sandbox) -> None:
    (home / ".bashrc").write_text('eval "$(tcenv init bash)"\n')
    env = sign_in(deployment)
    done = run_program("bash", "-c", f"{TCENV} doctor; echo $?", env=env)
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


def test_each_fault_has_a_fix(home: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.clock_offset = 2 * 3600
        env = make_env(sandbox, TASKCLUSTER_CERTIFICATE="left over", BROWSER="no-such-browser %s")
        found = list_findings(env)
        assert found["clock"]["state"] == "bad"
        assert "2 h" in found["clock"]["text"] or "1 h" in found["clock"]["text"]
        assert "timedatectl" in found["clock"]["fix"]
        assert found["variables"]["state"] == "bad"
        assert found["browser"]["state"] == "note"
        assert found["start-up file"]["fix"]
    gone = list_findings(make_env(sandbox))
    assert gone["deployment"]["state"] == "bad"
    (home / "run").chmod(0o700)
    store = home / "run" / "tcenv"
    store.mkdir(mode=0o755, exist_ok=True)
    store.chmod(0o755)
    assert "chmod 700" in list_findings(make_env(sandbox))["session store"]["fix"]
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text("nonsense = 1\n")
    assert "line 1" in list_findings(make_env(sandbox))["configuration"]["text"]


@pytest.mark.linux
@pytest.mark.parametrize(
    ("interface", "message"),
    [
        ("ip link set lo up", "127.0.0.1 and ::1"),
        ("ip link set lo up; ip -6 addr flush dev lo", "127.0.0.1 only: it has no IPv6 (::1)"),
        ("ip link set lo up; ip -4 addr flush dev lo", "::1 only: it has no IPv4 (127.0.0.1)"),
        ("true", "it has neither IPv4 (127.0.0.1) nor IPv6 (::1)"),
    ],
    ids=["both", "no IPv6", "no IPv4", "down"],
)
def test_missing_loopback_addresses_are_named(interface: str, message: str, home: Path) -> None:
    require("ip")
    command = [require("unshare"), "-Urn", "sh", "-c", f"{interface}; exec {TCENV} doctor --json"]
    done = run_program(*command, env=make_env())
    (found,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["check"] == "loopback"]
    assert found["text"] == message, done.stderr


def test_doctor_names_the_browser_of_a_sign_in(home: Path) -> None:
    browser = home / "Program Files/browser.exe"
    browser.parent.mkdir()
    browser.write_text("#!/bin/sh\n")
    browser.chmod(0o755)
    assert list_findings(make_env(BROWSER=f" :not-there %s:{browser}"))["browser"]["text"] == f"BROWSER: {browser}"


@pytest.mark.parametrize("fault", ["bad-gateway", "broken", "html", "text", "empty-object", "redirect", "forbidden"])
def test_only_an_answer_to_ping_counts_as_a_deployment(fault: str, deployment: Sandbox) -> None:
    """A gateway, a network's sign-in page and any other web server answer too."""
    deployment.fail(fault, path="/api/auth/v1/ping")
    found = list_findings(make_env(deployment))["deployment"]
    assert (found["state"], "answer" in found["text"]) == ("bad", True)
    assert any(call.path == "/api/auth/v1/ping" for call in deployment.requests)


def test_the_exit_status_reports_faults() -> None:
    with Sandbox() as sandbox:
        assert tcenv("doctor", env=make_env(sandbox, SHELL="/bin/bash")).returncode == 0
    assert tcenv("doctor", env=make_env(sandbox, SHELL="/bin/bash")).returncode == 1


def test_an_error_is_reported_once(home: Path) -> None:
    (home / ".config/tcenv").mkdir(parents=True)
    (home / ".config/tcenv/config.toml").write_text("nonsense = 1\n")
    done = tcenv("doctor", env=make_env())
    assert done.returncode == 1
    assert done.stdout.count("nonsense") == 1


def test_a_program_outside_of_the_path_is_reported(home: Path) -> None:
    """The function of `tcenv init` finds the program, but scripts and direnv would not."""
    bare = tcenv("doctor", env=make_env(PATH="/usr/bin:/bin")).stdout
    assert "PATH: " + str(BIN) in bare
    assert "pipx ensurepath" in bare
    assert "PATH: " not in tcenv("doctor", env=make_env()).stdout
