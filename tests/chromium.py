"""A real Chromium for tests that click, as a context manager; and as a program, `python -m tests.chromium URL`, a browser in
which a sandbox's sign-in page is opened and its first button pressed, for BROWSER and --browser."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from tests.need import need

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-proxy-server")
_PATIENCE = 20_000


@contextmanager
def browser_page(*, dark: bool = False, width: int = 1000, height: int = 900) -> Iterator[Page]:
    """A page of a fresh Chromium, without a display; sizes in CSS pixels."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=need("chromium"), args=list(_ARGUMENTS))
        try:
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
            )
            context.set_default_timeout(_PATIENCE)
            yield context.new_page()
        finally:
            browser.close()


def approve(page: Page, url: str) -> None:
    """Open a sign-in page and press its first button: save, or reset the token where the name is taken. Ends when the
    browser has left for the callback and stopped loading."""
    page.goto(url)
    page.locator("#save, #reset").click()
    page.wait_for_url(lambda there: "/auth/clients/" not in there)
    page.wait_for_load_state()


if __name__ == "__main__":
    with browser_page() as page:
        approve(page, sys.argv[1])
