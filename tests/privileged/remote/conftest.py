"""Run a remote machine for the tests of a module, and sign in on this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tcenv.sandbox import Sandbox
from tests.remote_machine import RemoteMachine
from tests.world import sign_in


@pytest.fixture(scope="module")
def remote() -> Iterator[RemoteMachine]:
    with RemoteMachine() as machine:
        yield machine


@pytest.fixture
def env(deployment: Sandbox, remote: RemoteMachine) -> dict[str, str]:
    return remote.add_ssh(sign_in(deployment))
