"""What tests of the proxy have in common."""

from __future__ import annotations

from typing import Any

import pytest

from tcenv.proxy import connections


@pytest.fixture
def made_connections(monkeypatch: pytest.MonkeyPatch) -> list[connections.Connection]:
    """What the test's proxies have accepted."""
    made: list[connections.Connection] = []
    begin = connections.Connection.__init__

    def note(self: connections.Connection, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        made.append(self)

    monkeypatch.setattr(connections.Connection, "__init__", note)
    return made
