"""Run `doctor` and `init` on Windows."""

from __future__ import annotations

import json
import os
from pathlib import Path

from tcenv.sandbox import Sandbox
from tests.windows.world import SCRIPTS, TCENV, make_env, store_session, tcenv


def add_powershell(home: Path, env: dict[str, str]) -> Path:
    """Put a PowerShell on the PATH whose Documents are in OneDrive. Return the start-up file that it names."""
    profile = home / "OneDrive - Example Inc/Documents/PowerShell/profile.ps1"
    programs = home / "programs"
    programs.mkdir()
    (programs / "pwsh.cmd").write_text(f"@echo {profile}\r\n")
    env["PATH"] = os.pathsep.join([str(programs), env["PATH"]])
    return profile


def test_doctor_checks_this_system(deployment: Sandbox, home: Path) -> None:
    env = store_session(deployment, TCENV_SHELL="powershell")
    add_powershell(home, env)
    env["PATH"] = os.pathsep.join([str(SCRIPTS), env["PATH"]])
    done = tcenv("doctor", "--json", env=env)
    assert done.returncode == 0, done.stdout.decode()
    errors = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert errors["configuration"]["text"].startswith(str(home / r"AppData\Roaming\tcenv\config.toml"))
    assert errors["session store"]["text"] == "keyring, 1 session"
    assert {
        name: errors[name]["state"] for name in ("browser", "loopback", "clock", "deployment", "session store")
    } == {"browser": "good", "loopback": "good", "clock": "good", "deployment": "good", "session store": "good"}
    for word in (b"login manager", b"timedatectl", b"XDG_RUNTIME_DIR", b"/dev/null"):
        assert word not in done.stdout


def test_without_a_store_doctor_mentions_no_login_manager(deployment: Sandbox) -> None:
    done = tcenv("doctor", env=make_env(deployment, TCENV_STORE="none", TCENV_SHELL="powershell"))
    assert b"sessions are not kept" in done.stdout
    assert b"login manager" not in done.stdout, done.stdout


def test_init_adds_a_line_to_the_start_up_file_that_powershell_names(deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment)
    profile = add_powershell(home, env)
    done = tcenv("init", "powershell", "--install", "--yes", env=env)
    assert done.returncode == 0, (done.stdout, done.stderr)
    line = profile.read_text()
    program = Path(TCENV).as_posix()
    assert line.startswith(f"if (Test-Path -LiteralPath '{program}') {{ & '{program}' init powershell"), line
    assert tcenv("init", "powershell", "--uninstall", "--yes", env=env).returncode == 0
    assert profile.read_text() == ""


def test_the_start_up_text_names_the_program_and_what_it_sources(deployment: Sandbox) -> None:
    for shell in ("powershell", "bash", "nu", "elvish", "xonsh", "fish"):
        done = tcenv("init", shell, env=make_env(deployment))
        assert done.returncode == 0, done.stderr
        assert Path(TCENV).as_posix().encode() in done.stdout, shell
        assert b"\r\n" not in done.stdout
