"""Render the last page of a sign-in: the granted scopes, and what to run."""

from __future__ import annotations

import re
import time

from tcenv.config.profile import resolve
from tcenv.deployment.credentials import Credentials
from tcenv.errors import CredentialsRejected
from tcenv.sessions.session import Session
from tcenv.signin.pages import Outcome, describe_failure, describe_success, render

ROOT_URL = "https://tc.example.com"


def _sign_in(*scopes: str, asked: tuple[str, ...]) -> Session:
    now = int(time.time())
    token = "a" * 44
    return Session(
        "work", ROOT_URL, Credentials("me/tcenv", token), now, now + 3600, "tcenv", scopes, asked=asked, chosen=True
    )


def _read(outcome: Outcome) -> str:
    """Return the page without the tags that only allow a line break."""
    return re.sub("</?i>", "", render(outcome).decode())


def test_the_page_says_how_many_scopes_were_granted() -> None:
    scopes = [f"queue:scheduler-id:{number}" for number in range(17)]
    page = _read(describe_success(_sign_in(*scopes, asked=("*",))))
    assert "17 scopes granted" in page
    assert "Granted in part" not in page


def test_a_partial_grant_and_a_missing_scope_have_their_own_boxes() -> None:
    page = _read(
        describe_success(_sign_in("queue:scheduler-id:a", "queue:scheduler-id:b", asked=("queue:*", "secrets:get:x")))
    )
    boxes = dict(re.findall(r"<section><h2>([^<]+)</h2><ul>(.*?)</ul></section>", page))
    assert boxes == {
        "Asked for, but not granted": "<li>secrets:get:x</li>",
        "Granted in part": "<li>you hold 2 scopes of queue:*</li>",
    }


def test_a_command_on_the_page_is_code() -> None:
    outcome = describe_failure(resolve(ROOT_URL), CredentialsRejected("The client has expired."))
    assert re.search(r"<code>tcenv login [^`<]*tc\.example\.com[^`<]*</code>", _read(outcome))
