"""The browser without a display: it does what a person does in Chromium, and says what a person would see."""

from __future__ import annotations

import subprocess
import sys

import pytest
from playwright.sync_api import Browser

from tcenv.sandbox import Sandbox
from tests.callback import listen_for_callback, make_sign_in_url
from tests.chromium import approve as approve_in_chromium
from tests.chromium import open_page

USER = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org"


def approve(*arguments: str) -> tuple[int, str, str]:
    """Run it: exit status, stdout, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "tcenv.sandbox.approve", *arguments], capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout, done.stderr


def test_it_sends_what_chromium_sends(browser: Browser) -> None:
    with Sandbox(user=USER, token_factory=lambda: "-" + "x" * 43) as tc, listen_for_callback() as told:
        assert approve(make_sign_in_url(tc.root_url, told.url)) == (0, "", "")
        tc.delete(f"{USER}/tcenv")
        with open_page(browser) as page:
            approve_in_chromium(page, make_sign_in_url(tc.root_url, told.url))
        ours, chromiums = told.headers
        assert told.paths[0] == told.paths[1] == f"/secret-path?clientId={USER}/tcenv&accessToken=-{'x' * 43}"
        for name in ("host", "referer", "upgrade-insecure-requests"):
            assert ours[name] == chromiums[name]
        assert {name: ours[name] for name in ours if name.startswith("sec-fetch-")}.items() <= {
            "sec-fetch-user": "?1",
            **{name: chromiums[name] for name in chromiums if name.startswith("sec-fetch-")},
        }.items()
        assert "origin" not in ours


def test_on_the_older_page_it_resets_a_taken_name() -> None:
    with Sandbox(user=USER) as tc, listen_for_callback() as told:
        tc.create_client(f"{USER}/tcenv")
        assert approve(make_sign_in_url(tc.root_url, told.url, "new")) == (0, "", "")
        assert list(tc.clients) == [f"{USER}/tcenv"]
        assert tc.clients[f"{USER}/tcenv"].access_token in told.paths[0]


def test_on_todays_page_a_taken_name_ends_without_a_callback_unless_another_is_typed() -> None:
    with Sandbox(user=USER) as tc, listen_for_callback() as told:
        tc.create_client(f"{USER}/tcenv")
        url = make_sign_in_url(tc.root_url, told.url)
        assert approve(url) == (1, "", "not approved: Client already exists\n")
        assert (told.paths, tc.approvals) == ([], 0)
        assert approve("--rename", f"{USER}/mine", url) == (0, "", "")
        assert told.paths[0].startswith(f"/secret-path?clientId={USER}/mine&accessToken=")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"scope": []}, "scopeset1 is undefined"),
        ({"expires": "banana"}, '"banana" is not a valid time expression'),
        ({"to": "http://127.0.0.1:1/"}, "Callback URL http://127.0.0.1:1/ is not allowed."),
        ({"name": "a b"}, "must match regular expression"),
        ({"to": "http://localhost:1/"}, "nothing listens on port 1"),
    ],
)
def test_it_says_what_the_page_says(values: dict[str, str], said: str) -> None:
    with Sandbox() as tc, listen_for_callback() as told:
        status, out, err = approve(make_sign_in_url(tc.root_url, values.pop("to", told.url), **values))
        assert (status, out) == (1, "")
        assert said in err


def test_it_waits_until_the_page_knows_the_user() -> None:
    with Sandbox(user=USER, signed_in_after=0.3) as tc, listen_for_callback() as told:
        assert approve(make_sign_in_url(tc.root_url, told.url)) == (0, "", "")
        assert tc.clients[f"{USER}/tcenv"].scopes


def test_it_says_what_went_wrong_elsewhere() -> None:
    with Sandbox() as tc, listen_for_callback() as told:
        url = make_sign_in_url(tc.root_url, told.url)
        assert "status 414" in approve(url + "&x=" + "y" * 8200)[2]
        assert "no sign-in form at that address (status 200, 'Sandbox" in approve(tc.root_url)[2]
        assert "Client not found" in approve(f"{tc.root_url}/auth/clients/nobody")[2]
        for fault, said in (("not-http", "not an HTTP answer"), ("unavailable", "status 503"), ("text", "It works!")):
            tc.fail(fault, path="/auth/clients/create")
            status, out, err = approve(url)
            assert (status, out) == (1, "")
            assert err.startswith("not approved: ")
            assert said in err
            tc.heal()
        tc.fail("html", path="/sandbox/create")
        assert approve(url) == (1, "", "not approved: the page's answer cannot be read: 'Taskcluster'\n")
        assert approve("http://localhost:1/auth/clients/create")[2] == "not approved: nothing listens on port 1\n"
    with Sandbox() as other:
        # A program that waits, and says no.
        status, _, err = approve(make_sign_in_url(other.root_url, f"{other.root_url}/not-there"))
        assert status == 1
        assert "approved, but the program that waits answered with status 404: " in err
        assert "Not Found" in err


def test_it_signs_in_first_and_changes_what_it_is_told_to() -> None:
    with Sandbox(user=USER, signed_in=False) as tc, listen_for_callback() as told:
        url = make_sign_in_url(tc.root_url, told.url)
        assert approve("--expires", "2031-02-03T04:05:06Z", "--keep", url) == (0, "", "")
        client = tc.clients[f"{USER}/tcenv"]
        assert (client.delete_on_expiration, client.expires) == (False, 1927857906.0)
        assert "date-time" in approve("--expires", "tomorrow", url)[2]


def test_it_meets_not_found_where_a_page_does_not_know_the_user() -> None:
    with (
        Sandbox(user=USER, public=False, user_scopes=[f"auth:create-client:{USER}/*"]) as tc,
        listen_for_callback() as told,
    ):
        url = make_sign_in_url(tc.root_url, told.url, scope=["a"])
        assert approve(url) == (1, "", "not approved: Not Found\n")
        status, _, err = approve("--rename", f"{USER}/x", url)
        assert (status, "missing the following scopes" in err) == (1, True)
    with Sandbox(user=USER) as tc, listen_for_callback() as told:
        tc.clock_offset = 3600
        assert approve(make_sign_in_url(tc.root_url, told.url)) == (1, "", "not approved: Not Found\n")
        assert (
            approve("--rename", f"{USER}/x", make_sign_in_url(tc.root_url, told.url))[2] == "not approved: Not Found\n"
        )


def test_it_goes_nowhere_but_to_loopback() -> None:
    for url in ("http://192.0.2.1/auth/clients/create", "https://localhost/", "file:///etc/passwd"):
        status, _, err = approve(url)
        assert status == 1
        assert "loopback" in err


def test_the_description_arrives_as_it_was_sent() -> None:
    text = '\n<b>&amp;</textarea> "quoted" é\n'
    with Sandbox(user=USER) as tc, listen_for_callback() as told:
        assert approve(make_sign_in_url(tc.root_url, told.url, description=text)) == (0, "", "")
        assert tc.clients[f"{USER}/tcenv"].description == text
