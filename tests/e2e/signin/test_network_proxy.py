"""Sign in on a network whose proxy is the only way to the deployment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from tcenv.sandbox import Sandbox, site
from tests.corporate_network import HOST, CorporateNetwork
from tests.programs import require
from tests.world import TCENV, login, make_env, tcenv


@pytest.fixture(autouse=True)
def host_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "_LOOPBACK", (HOST, *site._LOOPBACK))


@pytest.fixture
def network(deployment: Sandbox, tmp_path: Path) -> Iterator[CorporateNetwork]:
    with CorporateNetwork(deployment.port, tmp_path) as network:
        yield network


def browser_behind(folder: Path, deployment: Sandbox, network: CorporateNetwork) -> str:
    """Write a browser that notes the page's address, waits for the file `go`, and approves without the proxy."""
    program = folder / "browser"
    program.write_text(
        f"#!/bin/sh\nprintf '%s\\n' \"$1\" >{folder}/url\nwhile [ ! -e {folder}/go ]; do sleep 0.05; done\n"
        f"exec {sys.executable} -m tcenv.sandbox.approve"
        f' "{deployment.root_url}${{1#{network.root_url}}}"\n'
    )
    program.chmod(0o755)
    return f"{program} %s"


def test_a_sign_in_works_through_the_networks_proxy(
    deployment: Sandbox, network: CorporateNetwork, tmp_path: Path
) -> None:
    (tmp_path / "go").touch()
    env = make_env(**network.variables, BROWSER=browser_behind(tmp_path, deployment, network))
    done = login(env)
    assert done.returncode == 0, done.stderr
    assert "TASKCLUSTER_ACCESS_TOKEN" in done.stdout
    assert tcenv("status", env=env).returncode == 0
    assert tcenv("logout", "--delete-client", "--shell", "sh", env=env).returncode == 0
    assert not deployment.clients
    assert network.requests and all(head.startswith(f"CONNECT {HOST}:{deployment.port} ") for head in network.requests)
    assert all("Proxy-Authorization: Basic bWU6aHVudGVyMg==" in head for head in network.requests)
    assert "hunter2" not in done.stdout + done.stderr


def test_clock_and_name_are_checked_during_the_wait(
    deployment: Sandbox, network: CorporateNetwork, tmp_path: Path
) -> None:
    env = {**make_env(**network.variables, BROWSER=browser_behind(tmp_path, deployment, network)), "TERM": "xterm"}
    (tmp_path / "go").touch()
    assert login(env).returncode == 0  # tells the user's prefix
    (lost,) = Path(env["XDG_RUNTIME_DIR"]).rglob("*.session")
    lost.unlink()
    (tmp_path / "go").unlink()
    deployment.clock_offset = 2 * 3600
    before = len(deployment.requests)
    child = pexpect.spawn(
        require("bash"),
        ["--norc", "-c", f"{TCENV} login --shell sh >{tmp_path}/out; echo status $?"],
        env=env,
        encoding="utf-8",
        timeout=60,
        dimensions=(30, 200),
    )
    child.expect("clock is (2 h|1 h 59 min) behind")
    output = child.before or ""
    deployment.clock_offset = 0
    (tmp_path / "go").touch()
    child.expect("status 0")
    output += child.before or ""
    child.expect(pexpect.EOF)
    assert "Traceback" not in output
    assert "TASKCLUSTER_ACCESS_TOKEN" in (tmp_path / "out").read_text()
    looked_at = [request.path for request in deployment.requests[before:] if request.client_id is None]
    assert [path for path in looked_at if path.startswith("/api/auth/v1/clients/")], looked_at
