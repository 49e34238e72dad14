"""Check what differs on a Mac. A stand-in replaces the one call that Linux lacks (docs/design.md lists them)."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tcenv import macos, paths
from tcenv.sandbox import Sandbox
from tests.macos import Mac
from tests.world import make_env

DAY = 86400


@pytest.fixture
def mac(home: Path) -> Mac:
    return Mac(home / "mac")


def find_temporary_session(mac: Mac) -> Path:
    return next((mac.temporary / "tcenv").glob("*.session"))


def test_runtime_is_the_users_own_temporary_directory(mac: Mac, deployment: Sandbox) -> None:
    env = make_env(deployment)
    done = mac.tcenv("login", "--shell", "sh", env=env)
    assert done.returncode == 0, done.stderr
    file = find_temporary_session(mac)
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert str(file) in done.stdout
    # The prompt hook, status and a second login use it as on Linux.
    assert mac.tcenv("env", "--shell", "sh", env=env).stdout == done.stdout
    assert "runtime" in mac.tcenv("status", env=env).stdout
    assert mac.tcenv("logout", "--shell", "sh", env=env).returncode == 0
    assert not list(file.parent.glob("*.session"))


def test_an_open_temporary_directory_is_not_used(mac: Mac, deployment: Sandbox) -> None:
    mac.temporary.chmod(0o755)
    done = mac.tcenv("login", "--shell", "sh", env=make_env(deployment, TCENV_STORE="runtime"))
    assert done.returncode == 1
    assert "your own temporary directory" in done.stderr
    assert "/dev/shm" not in done.stderr
    assert not list(mac.temporary.iterdir())


def test_the_cleaner_does_not_remove_a_long_session(mac: Mac, deployment: Sandbox) -> None:
    """macOS removes files that nobody has used for three days. A shorter session expires before that."""
    for length, is_touched in (("1d", False), ("7d", True)):
        env = make_env(deployment, TCENV_LOGIN_EXPIRES=length)
        assert mac.tcenv("login", "--reset", "--shell", "sh", env=env).returncode == 0
        file = find_temporary_session(mac)
        for command in (["env", "--shell", "sh"], ["status", "--offline"], ["exec", "--", "true"]):
            old = time.time() - 2 * DAY
            os.utime(file, (old, old))
            assert mac.tcenv(*command, env=env).returncode == 0
            assert (file.stat().st_mtime > old + DAY) is is_touched, (length, command)


@pytest.mark.parametrize("state", ["On", "Off"])
def test_login_reports_once_that_filevault_is_off(state: str, mac: Mac, deployment: Sandbox) -> None:
    mac.set_filevault(state)
    env = make_env(deployment)
    first = mac.tcenv("login", "--shell", "sh", env=env)
    assert ("FileVault" in first.stderr) is (state == "Off"), first.stderr
    assert ("TCENV_STORE=keyring" in first.stderr) is (state == "Off")
    second = mac.tcenv("login", "--reset", "--shell", "sh", env=env)
    assert (second.returncode, "FileVault" in second.stderr) == (0, False)


def test_doctor_uses_the_terms_of_macos(mac: Mac, deployment: Sandbox) -> None:
    env = make_env(deployment)
    assert mac.tcenv("login", "--shell", "sh", env=env).returncode == 0
    done = mac.tcenv("doctor", env=env)
    output = done.stdout
    assert "session store: runtime, 1 session: files on the disk, which FileVault encrypts" in output, done.stderr
    mac.set_filevault("Off")
    done = mac.tcenv("doctor", env=env)
    output = done.stdout
    assert "note: session store: runtime, 1 session: files on the disk, which FileVault does not encrypt" in output
    output = mac.tcenv("doctor", env=make_env(deployment, TCENV_STORE="none")).stdout
    assert "keychain" in output
    for word in ("login manager", "XDG_RUNTIME_DIR", "timedatectl", "/dev/shm"):
        assert word not in output


def test_the_clients_name_stays_when_the_network_renames_the_mac(mac: Mac, deployment: Sandbox, home: Path) -> None:
    env = make_env(deployment)

    def name_after(**names: str) -> str:
        mac.set_names(**names)
        done = mac.tcenv("login", "--reset", "--shell", "sh", env=env)
        assert done.returncode == 0, done.stderr
        return next(line for line in done.stdout.splitlines() if line.startswith("TASKCLUSTER_CLIENT_ID=")).split("/")[
            -1
        ]

    first = name_after(machine="aa" * 16, local="Jos-MacBook", host="dhcp-17.corp.example.com")
    assert first.startswith("tcenv-Jos-MacBook")
    assert name_after(machine="aa" * 16, local="Jos-MacBook-2", host="Jos-MacBook-2.local") == first
    # The home was copied to another Mac, which must not reset this one's token.
    find_temporary_session(mac).unlink()
    assert name_after(machine="bb" * 16, local="Jos-new-Mac", host="x.local").startswith("tcenv-Jos-new-Mac")


def test_a_mac_without_a_name_uses_the_networks_name(mac: Mac, deployment: Sandbox) -> None:
    mac.set_names(machine="", local="", host="mac.lan")
    (mac.folder / "scutil").unlink()
    done = mac.tcenv("login", "--shell", "sh", env=make_env(deployment))
    assert "/tcenv-mac'" in done.stdout, done.stdout + done.stderr


def test_the_output_of_macos_programs_is_parsed(mac: Mac, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(macos, "FDESETUP", str(mac.folder / "fdesetup"))
    monkeypatch.setattr(macos, "SCUTIL", str(mac.folder / "scutil"))
    assert (macos.is_disk_encrypted(), macos.get_local_host_name()) == (True, "Jos-MacBook")
    mac.set_filevault("Off")
    assert macos.is_disk_encrypted() is False
    (mac.folder / "fdesetup").unlink()
    assert macos.is_disk_encrypted() is None
    # Linux has no such call.
    assert macos.get_machine_id() == ""


def test_linux_does_not_ask_for_macos_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda name: pytest.fail("asked"))
    assert paths.runtime_directory() is not None
    assert paths.runtime_directories() is not None
