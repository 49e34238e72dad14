"""Run a deployment, a page of Chromium and a callback for tests of the sign-in pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tcenv.sandbox import Sandbox
from tests.callback import Callback, listen_for_callback
from tests.chromium import open_page
from tests.world import HOSTILE_USER


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    with open_page(browser) as fresh:
        yield fresh


@pytest.fixture
def tc() -> Iterator[Sandbox]:
    with Sandbox(user=HOSTILE_USER) as running:
        yield running


@pytest.fixture
def callback() -> Iterator[Callback]:
    with listen_for_callback() as callback:
        yield callback
