"""Check calls that reach the proxy from a container or through ssh."""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tcenv.proxy import sockets
from tests.calls import PING, run_as_nobody, send_plain, send_signed
from tests.programs import run_program
from tests.proxy import FakeDeployment, run_deployment, run_proxy

# An address of this machine on which the proxy does not listen anyway.
ADDRESS = "127.0.0.9"


@pytest.fixture
def upstream() -> Iterator[FakeDeployment]:
    with run_deployment() as made:
        yield made


@pytest.fixture
def other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_find_family", lambda address: socket.AF_INET)


@pytest.mark.usefixtures("other_address")
def test_another_address_accepts_only_signed_calls(upstream: FakeDeployment) -> None:
    with run_proxy(upstream.root_url, address=ADDRESS, unsigned=True) as proxy:
        assert proxy.root_url == f"http://{ADDRESS}:{proxy.port}"
        for host in (ADDRESS, "127.0.0.1", "[::1]"):
            assert send_signed(proxy, "GET", PING, host=host).status_code == 200
        for name in ("host.docker.internal", "host.containers.internal"):
            answer = send_plain(proxy, "GET", PING, ADDRESS, Host=f"{name}:{proxy.port}")
            assert answer.status == 401  # known by that name, and not signed
        for target in ("/", "/tasks/abc", PING, f"/{proxy.run.secret}{PING}", f"/{proxy.run.secret}/"):
            answer = send_plain(proxy, "GET", target, ADDRESS)
            assert (answer.status, answer.read()) == (401, b"")
        assert send_plain(proxy, "GET", PING, ADDRESS, Host="evil.example.com").status == 403
        # Loopback works as before.
        assert send_plain(proxy, "GET", f"/{proxy.run.secret}{PING}").status == 200
        assert send_plain(proxy, "GET", "/").status == 302
    assert len(upstream.requests) == 4


@pytest.mark.usefixtures("other_address")
def test_another_address_refuses_other_users_of_this_machine(upstream: FakeDeployment) -> None:
    program = (
        "import http.client, sys\n"
        "c = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]))\n"
        "c.request('GET', '/')\n"
        "print(c.getresponse().status)\n"
    )
    with run_proxy(upstream.root_url, address=ADDRESS) as proxy:
        for address in (ADDRESS, "127.0.0.1"):
            assert run_as_nobody(program, address, str(proxy.port)).stdout.strip() == "403"


def test_a_call_through_ssh_cannot_use_the_unguessable_path(upstream: FakeDeployment, tmp_path: Path) -> None:
    """Everybody on the other machine could read the path. The proxy looks at the name of the program that connects."""
    look = (
        "import sys, urllib.request\n"
        "try:\n"
        "    print(urllib.request.urlopen(sys.argv[1]).status)\n"
        "except Exception as error:\n"
        "    print(error.code)\n"
    )
    real = os.path.realpath(sys.executable)
    prefix = Path(real).parent.parent
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    shutil.copy(real, ssh)
    env = {**os.environ, "PYTHONHOME": str(prefix), "LD_LIBRARY_PATH": str(prefix / "lib")}
    with run_proxy(upstream.root_url, unsigned=True) as proxy:
        url = f"http://127.0.0.1:{proxy.port}/{proxy.run.secret}{PING}"
        outputs = [run_program(program, "-S", "-c", look, url, env=env).stdout.strip() for program in (real, str(ssh))]
        assert outputs == ["200", "401"]
    assert len(upstream.requests) == 1
