"""Start a real Chromium for tests that click.

As a program, `python -m tests.chromium URL` opens a sandbox's sign-in page and presses its first button, for BROWSER
and --browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.programs import require

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server")
_TIMEOUT = 60_000
expect.set_options(timeout=_TIMEOUT)


@contextmanager
def run_chromium() -> Iterator[Browser]:
    """Run a Chromium without a display, for several pages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require("chromium"), args=list(_ARGUMENTS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, *, dark: bool = False, width: int = 1000, height: int = 900) -> Iterator[Page]:
    """Open a page that shares nothing with the browser's other pages. Sizes are in CSS pixels."""
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(_TIMEOUT)
    try:
        yield context.new_page()
    finally:
        context.close()


@contextmanager
def open_browser_page(*, dark: bool = False, width: int = 1000, height: int = 900) -> Iterator[Page]:
    """Open a page of a new Chromium."""
    with run_chromium() as browser, open_page(browser, dark=dark, width=width, height=height) as page:
        yield page


def approve(page: Page, url: str) -> None:
    """Open a sign-in page, sign in if it asks for that, and press its first button: save, or reset the token if the
    name is taken.

    Returns when the browser has left for the callback and has stopped loading."""
    page.goto(url)
    if page.locator("#sign-in").count():
        page.locator("#sign-in").click()
    page.locator("#save, #reset").click()
    page.wait_for_url(lambda there: "/auth/clients/" not in there)
    page.wait_for_load_state()


def read_error(page: Page) -> str:
    """Wait for the page's error and return it."""
    expect(page.locator("#error")).to_be_visible()
    return page.locator("#error").inner_text()


def wait_for_callback(page: Page) -> None:
    """Wait until the browser shows the answer to the callback."""
    expect(page.locator("body")).to_have_text("received")


if __name__ == "__main__":
    with open_browser_page() as page:
        approve(page, sys.argv[1])
