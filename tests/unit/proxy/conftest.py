"""Run a proxy and the deployment behind it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tcenv.proxy import connections
from tests.proxy import FakeDeployment, RunningProxy, run_deployment, run_proxy


@pytest.fixture
def upstream() -> Iterator[FakeDeployment]:
    """Run the deployment to which the test's proxies forward calls."""
    with run_deployment() as running:
        yield running


@pytest.fixture
def proxy(upstream: FakeDeployment) -> Iterator[RunningProxy]:
    """Run a proxy without options."""
    with run_proxy(upstream.root_url) as running:
        yield running


@pytest.fixture
def made_connections(monkeypatch: pytest.MonkeyPatch) -> list[connections.Connection]:
    """Return the connections that the test's proxies accept."""
    made: list[connections.Connection] = []
    begin = connections.Connection.__init__

    def note(self: connections.Connection, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        made.append(self)

    monkeypatch.setattr(connections.Connection, "__init__", note)
    return made
