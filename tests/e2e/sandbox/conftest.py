"""Run a deployment, a page of Chromium and a callback for tests of the sign-in pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page

from tcenv.sandbox import Sandbox
from tests.callback import Callback, listen_for_callback
from tests.chromium import open_page
from tests.world import HOSTILE_USER


@pytest.fixture(scope="module")
def module_page(browser: Browser) -> Iterator[Page]:
    with open_page(browser) as page:
        yield page


@pytest.fixture
def page(module_page: Page) -> Page:
    """Return an empty page. The tests of a module share it, because a new one takes more than what most of them do."""
    try:
        module_page.goto("about:blank")
    except Error:  # a navigation of the test before ended only now
        module_page.goto("about:blank")
    return module_page


@pytest.fixture
def tc() -> Iterator[Sandbox]:
    with Sandbox(user=HOSTILE_USER) as running:
        yield running


@pytest.fixture
def callback() -> Iterator[Callback]:
    with listen_for_callback() as callback:
        yield callback
