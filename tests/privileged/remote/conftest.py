"""A far machine for a module's tests, and a user of this one who has signed in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tcenv.sandbox import Sandbox
from tests.far_machine import FarMachine
from tests.world import sign_in


@pytest.fixture(scope="module")
def far() -> Iterator[FarMachine]:
    with FarMachine() as machine:
        yield machine


@pytest.fixture
def env(deployment: Sandbox, far: FarMachine) -> dict[str, str]:
    return far.environ(sign_in(deployment))
