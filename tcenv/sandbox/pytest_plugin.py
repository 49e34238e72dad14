"""Provide the pytest fixture `tcenv_sandbox`.

pytest loads this module in every project that has tcenv installed. So it imports nothing before a test uses the
fixture, and changes nothing for other tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tcenv.sandbox import Sandbox

_MARKER = "tcenv_sandbox"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", f"{_MARKER}(**options): how the sandbox of the fixture {_MARKER} is made, e.g. public=False"
    )


@pytest.fixture
def tcenv_sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """Start a Taskcluster look-alike on loopback for this test (see tcenv.sandbox.Sandbox). The marker
    `@pytest.mark.tcenv_sandbox(…)` takes what Sandbox takes; of several, the nearest to the test says more."""
    from tcenv.sandbox import Sandbox

    options: dict[str, object] = {}
    for marker in reversed(list(request.node.iter_markers(_MARKER))):
        options.update(marker.kwargs)
    with Sandbox(**options) as sandbox:  # type: ignore[arg-type]
        yield sandbox
