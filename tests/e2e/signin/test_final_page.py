"""Check the page on which a real Chromium ends after it was on a deployment's page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Playwright, sync_playwright

from tcenv.deployment.credentials import Credentials
from tcenv.portholder.callback_request import Navigation
from tcenv.portholder.responses import CONTENT_SECURITY_POLICY, STYLE_HASH
from tcenv.signin import listener as module
from tcenv.signin.pages import STYLE, Outcome, render, render_detour
from tests.listener import CLIENT_ID, QUERY, TOKEN, WaitingListener
from tests.portholder import wait_until
from tests.programs import require

GOOD = Outcome(
    True,
    "You are signed in",
    ("The deployment has confirmed it.",),
    (("Client", CLIENT_ID), ("Deployment", "tc.example.com"), ("Expires", "24 Nov, 22:40 (1 day)"), ("Scopes", "12 granted")),
    ("queue:create-task:highest:proj-tcenv/*", "secrets:get:" + "long/" * 40),
)  # fmt: skip
BAD = Outcome(
    False,
    "That did not work",
    ("The deployment created the client and disabled it immediately.", "Ask for fewer scopes: --scope."),
    (("Deployment", "tc.example.com"),),
)


def launch_with_profile(playwright: Playwright, profile: Path) -> BrowserContext:
    """Start a Chromium whose profile is on disk, like a person's."""
    context = playwright.chromium.launch_persistent_context(
        profile, executable_path=require("chromium"), args=["--no-sandbox"]
    )
    context.add_init_script(
        "window.violations = [];"
        "addEventListener('securitypolicyviolation', event => violations.push(event.violatedDirective))"
    )
    return context


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def context(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """Run a Chromium for the tests of this module."""
    context = launch_with_profile(playwright, tmp_path_factory.mktemp("chromium"))
    yield context
    context.close()


@pytest.fixture
def deployment_page() -> Iterator[str]:
    """Serve a page on another loopback port that navigates to a given address, as the deployment's page does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(
                b"<!doctype html><title>Create Client</title><button onclick='window.location = target'>Save</button>"
                b"<script>target = decodeURIComponent(location.hash.slice(1))</script>"
            )

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://localhost:{server.server_port}/"
    server.shutdown()
    server.server_close()


def save(page: Page, deployment_page: str, callback: str, think: Callable[[], object] = lambda: None) -> None:
    """Press the deployment's button after `think`. It sends the browser to `callback`, unencoded."""
    page.goto(deployment_page)
    think()
    page.evaluate("callback => { target = callback }", callback)
    page.click("button")
    page.wait_for_selector("main h1")


@pytest.mark.parametrize("outcome", [GOOD, BAD], ids=["good", "bad"])
def test_the_browser_ends_on_a_page_whose_address_has_no_token(
    outcome: Outcome, context: BrowserContext, deployment_page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[bytes] = []

    def noted(request: bytes) -> Navigation:
        requests.append(request)
        return Navigation(request)

    monkeypatch.setattr(module, "Navigation", noted)
    page = context.new_page()
    output: list[str] = []
    page.on("console", lambda message: output.append(message.text))
    with WaitingListener(outcome=outcome) as waiting:
        callback = f"{waiting.listener.callback_url}?{QUERY}"
        save(page, deployment_page, callback)
        assert waiting.result() == Credentials(CLIENT_ID, TOKEN)
        # Give the browser time for more requests, such as an icon.
        waiting.listener.wait(module.time.monotonic() + 1)  # type: ignore[attr-defined]

    assert page.inner_text("h1") == outcome.title
    text = page.inner_text("body")
    for shown in (*outcome.lines, *(part for fact in outcome.facts for part in fact), *outcome.missing):
        assert shown in text
    assert "terminal" in text
    assert ("Nothing was stored or set" in text) is not outcome.good

    assert page.url == f"http://localhost:{waiting.port}{waiting.listener._page_path}"
    history = context.new_cdp_session(page).send("Page.getNavigationHistory")
    assert TOKEN not in json.dumps(history)
    assert [entry["url"] for entry in history["entries"]] == ["about:blank", deployment_page, page.url]
    assert TOKEN not in page.content()
    assert page.evaluate("document.referrer + window.name") == ""

    assert page.evaluate("violations") == []
    # The detour is a 404 on purpose. A violation of the policy would also be a message.
    assert [text for text in output if "status of 404" not in text] == []
    first, *others = requests
    assert QUERY.encode() in first, "Chromium sends it raw"
    assert others
    assert not any(TOKEN.encode() in request or waiting.secret.encode() in request for request in others)


def test_going_back_does_not_lead_to_the_token(context: BrowserContext, deployment_page: str) -> None:
    page = context.new_page()
    with WaitingListener(outcome=GOOD) as waiting:
        save(page, deployment_page, f"{waiting.listener.callback_url}?{QUERY}")
    page.go_back()
    assert page.url == deployment_page


def test_chromiums_history_does_not_offer_the_token(
    playwright: Playwright, deployment_page: str, tmp_path: Path
) -> None:
    context = launch_with_profile(playwright, tmp_path / "profile")
    page = context.new_page()
    profile = tmp_path / "profile" / "Default"

    def is_noted(text: bytes) -> bool:
        return any(text in file.read_bytes() for file in (profile / "Sessions").iterdir())

    with WaitingListener(outcome=GOOD) as waiting:
        # Chromium writes the page before to disk only after some seconds.
        def think() -> None:
            wait_until(lambda: is_noted(deployment_page.encode()))

        save(page, deployment_page, f"{waiting.listener.callback_url}?{QUERY}", think)
        ended_on = page.url
    context.close()
    assert is_noted(ended_on.encode())
    for spelling in (TOKEN.encode(), TOKEN.encode("utf-16-le")):
        assert not is_noted(spelling)
    with closing(sqlite3.connect(profile / "History")) as history:
        # The history shows these addresses, and the address bar offers them.
        offered = [url for (url,) in history.execute("select url from urls where not hidden")]
    assert ended_on in offered
    assert not any(TOKEN in url for url in offered)


def measure_layout(page: Page) -> dict[str, Any]:
    return dict(
        page.evaluate(
            """() => {
                const card = document.querySelector('main').getBoundingClientRect();
                const luminance = text => {
                    const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(Number)
                        .map(v => (v /= 255) <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
                    return .2126 * r + .7152 * g + .0722 * b;
                };
                const ground = luminance(getComputedStyle(document.querySelector('main')).backgroundColor);
                const contrast = [...document.querySelectorAll('h1, p, dt, dd, h2, li, footer')].map(element => {
                    const ink = luminance(getComputedStyle(element).color);
                    return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
                });
                return {
                    overflow: document.documentElement.scrollWidth - innerWidth,
                    outside: [...document.querySelectorAll('main *')].filter(
                        element => element.getBoundingClientRect().right > card.right + 1).length,
                    width: card.width, centre: card.left + card.width / 2 - innerWidth / 2,
                    dark: ground < .2, contrast: Math.min(...contrast),
                    resources: performance.getEntriesByType('resource').length, scripts: document.scripts.length,
                };
            }"""
        )
    )


def test_the_page_fits_narrow_and_wide_light_and_dark(context: BrowserContext) -> None:
    for outcome in (GOOD, BAD):
        page = context.new_page()
        page.set_content(render(outcome).decode())
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width, height in ((320, 568), (390, 844), (1280, 800), (2560, 1440)):
                page.set_viewport_size({"width": width, "height": height})
                layout = measure_layout(page)
                assert layout["overflow"] <= 0
                assert layout["outside"] == 0
                assert layout["width"] <= 600
                assert abs(layout["centre"]) <= 8, "in the middle, but for a scroll bar"
                assert layout["dark"] is (scheme == "dark")
                assert layout["contrast"] >= 4.5
                assert layout["resources"] == layout["scripts"] == 0


def test_markup_is_shown_as_text() -> None:
    evil = "<script>alert(1)</script>&\"'"
    html = render(Outcome(True, evil, (evil,), ((evil, evil),), (evil,))).decode()
    assert "<script" not in html
    assert re.sub("</?i>", "", html).count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#x27;") == 6


def test_no_name_is_broken_across_lines(context: BrowserContext) -> None:
    """This includes hyphens, in narrow and wide windows. Only a name that is wider than the page may break."""
    names = ["tcenv-my-laptop", "firefox-ci-tc.services.mozilla.com", "a-user-with-a-long-name", "12:22", "2026-11-25"]
    client = f"github/1234567|{names[2]}/{names[0]}:firefox-ci-staging"
    error = f"https://{names[1]}/ gave no answer to {client} in time."
    facts = (("Client", client), ("Expires", "2026-11-25 12:22 UTC (23 h 59 min)"))
    page = context.new_page()
    page.set_content(
        render(Outcome(True, "You are signed in", (error,), facts, (f"auth:delete-client:{client}",))).decode()
    )
    for width in range(360, 720, 20):
        page.set_viewport_size({"width": width, "height": 800})
        assert measure_layout(page)["overflow"] <= 0
        for name in names:
            places = page.evaluate(COUNT_LINES, name)
            assert places
            assert set(places) == {1}, (name, width)
        assert page.evaluate(COUNT_LINES, "/" + names[0]) != [], "and it can be found and copied as it is"


# Counts the lines of each occurrence of the name. It may have several boxes on one line.
COUNT_LINES = """name => {
    const found = [], marks = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
    let text = '', nodes = [];
    for (let node; (node = marks.nextNode());) { nodes.push([text.length, node]); text += node.data; }
    const at = index => { const [start, node] = nodes.findLast(([start]) => start <= index); return [node, index - start]; };
    for (let index = -1; (index = text.indexOf(name, index + 1)) >= 0;) {
        const range = document.createRange();
        range.setStart(...at(index));
        const [node, offset] = at(index + name.length - 1);
        range.setEnd(node, offset + 1);
        found.push(new Set([...range.getClientRects()].map(box => Math.round(box.top))).size);
    }
    return found;
}"""


def test_the_policy_allows_only_this_style() -> None:
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    assert f"sha256-{digest}" == STYLE_HASH
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    html = render(GOOD).decode()
    assert html.count("<style>") == 1
    assert f"<style>{STYLE}</style>" in html
    assert f"<style>{STYLE}</style>" in render_detour("/x").decode()
    assert not any(mark in html for mark in ("http:", "https:", "url(", "@import", " src=", " href=", " style=", " on"))
