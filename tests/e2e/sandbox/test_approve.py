"""Check the browser without a display: it does the same as a person in Chromium, and reports the errors of the page."""

from __future__ import annotations

import sys

import pytest
from playwright.sync_api import Browser

from tcenv.sandbox import Sandbox
from tests.callback import listen_for_callback, make_sign_in_url
from tests.chromium import approve as approve_in_chromium
from tests.chromium import open_page
from tests.programs import run_program
from tests.world import HOSTILE_USER as USER


def run_approve(*arguments: str) -> tuple[int, str, str]:
    """Run the browser. Return its exit status, stdout and stderr."""
    done = run_program(sys.executable, "-m", "tcenv.sandbox.approve", *arguments)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.deployment(user=USER, token_factory=lambda: "-" + "x" * 43)
def test_approve_sends_the_headers_of_chromium(browser: Browser, deployment: Sandbox) -> None:
    with listen_for_callback() as callback:
        assert run_approve(make_sign_in_url(deployment.root_url, callback.url)) == (0, "", "")
        deployment.delete(f"{USER}/tcenv")
        with open_page(browser) as page:
            approve_in_chromium(page, make_sign_in_url(deployment.root_url, callback.url))
        ours, chromiums = callback.headers
        assert callback.paths[0] == callback.paths[1] == f"/secret-path?clientId={USER}/tcenv&accessToken=-{'x' * 43}"
        for name in ("host", "referer", "upgrade-insecure-requests"):
            assert ours[name] == chromiums[name]
        assert {name: ours[name] for name in ours if name.startswith("sec-fetch-")}.items() <= {
            "sec-fetch-user": "?1",
            **{name: chromiums[name] for name in chromiums if name.startswith("sec-fetch-")},
        }.items()
        assert "origin" not in ours


@pytest.mark.deployment(user=USER)
def test_approve_resets_a_taken_name_on_the_older_page(deployment: Sandbox) -> None:
    with listen_for_callback() as callback:
        deployment.create_client(f"{USER}/tcenv")
        assert run_approve(make_sign_in_url(deployment.root_url, callback.url, "new")) == (0, "", "")
        assert list(deployment.clients) == [f"{USER}/tcenv"]
        assert deployment.clients[f"{USER}/tcenv"].access_token in callback.paths[0]


@pytest.mark.deployment(user=USER)
def test_approve_fails_on_a_taken_name_unless_renamed(deployment: Sandbox) -> None:
    with listen_for_callback() as callback:
        deployment.create_client(f"{USER}/tcenv")
        url = make_sign_in_url(deployment.root_url, callback.url)
        assert run_approve(url) == (1, "", "not approved: Client already exists\n")
        assert (callback.paths, deployment.approvals) == ([], 0)
        assert run_approve("--rename", f"{USER}/mine", url) == (0, "", "")
        assert callback.paths[0].startswith(f"/secret-path?clientId={USER}/mine&accessToken=")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"scope": []}, "scopeset1 is undefined"),
        ({"expires": "banana"}, '"banana" is not a valid time expression'),
        ({"to": "http://127.0.0.1:1/"}, "Callback URL http://127.0.0.1:1/ is not allowed."),
        ({"name": "a b"}, "must match regular expression"),
        ({"to": "http://localhost:1/"}, "nothing listens on port 1"),
    ],
)
def test_approve_reports_the_pages_error(values: dict[str, str], message: str, deployment: Sandbox) -> None:
    with listen_for_callback() as callback:
        status, out, err = run_approve(make_sign_in_url(deployment.root_url, values.pop("to", callback.url), **values))
        assert (status, out) == (1, "")
        assert message in err


@pytest.mark.deployment(user=USER, signed_in_after=0.3)
def test_approve_waits_until_the_page_knows_the_user(deployment: Sandbox) -> None:
    with listen_for_callback() as callback:
        assert run_approve(make_sign_in_url(deployment.root_url, callback.url)) == (0, "", "")
        assert deployment.clients[f"{USER}/tcenv"].scopes


def test_approve_reports_every_other_failure(deployment: Sandbox) -> None:
    with Sandbox() as tc, listen_for_callback() as callback:
        url = make_sign_in_url(tc.root_url, callback.url)
        assert "status 414" in run_approve(url + "&x=" + "y" * 8200)[2]
        assert "no sign-in form at that address (status 200, 'Sandbox" in run_approve(tc.root_url)[2]
        assert "Client not found" in run_approve(f"{tc.root_url}/auth/clients/nobody")[2]
        for fault, message in (
            ("not-http", "not an HTTP answer"),
            ("unavailable", "status 503"),
            ("text", "It works!"),
        ):
            tc.fail(fault, path="/auth/clients/create")
            status, out, err = run_approve(url)
            assert (status, out) == (1, "")
            assert err.startswith("not approved: ")
            assert message in err
            tc.heal()
        tc.fail("html", path="/sandbox/create")
        assert run_approve(url) == (1, "", "not approved: the page's answer cannot be read: 'Taskcluster'\n")
        assert run_approve("http://localhost:1/auth/clients/create")[2] == "not approved: nothing listens on port 1\n"
    # The waiting program refuses the callback.
    status, _, err = run_approve(make_sign_in_url(deployment.root_url, f"{deployment.root_url}/not-there"))
    assert status == 1
    assert "approved, but the program that waits answered with status 404: " in err
    assert "Not Found" in err


@pytest.mark.deployment(user=USER, signed_in=False)
def test_approve_signs_in_first_and_applies_its_options(deployment: Sandbox) -> None:
    with listen_for_callback() as callback:
        url = make_sign_in_url(deployment.root_url, callback.url)
        assert run_approve("--expires", "2031-02-03T04:05:06Z", "--keep", url) == (0, "", "")
        client = deployment.clients[f"{USER}/tcenv"]
        assert (client.delete_on_expiration, client.expires) == (False, 1927857906.0)
        assert "date-time" in run_approve("--expires", "tomorrow", url)[2]


def test_approve_gets_not_found_when_the_page_does_not_know_the_user() -> None:
    with (
        Sandbox(user=USER, public=False, user_scopes=[f"auth:create-client:{USER}/*"]) as tc,
        listen_for_callback() as callback,
    ):
        url = make_sign_in_url(tc.root_url, callback.url, scope=["a"])
        assert run_approve(url) == (1, "", "not approved: Not Found\n")
        status, _, err = run_approve("--rename", f"{USER}/x", url)
        assert (status, "missing the following scopes" in err) == (1, True)
    with Sandbox(user=USER) as tc, listen_for_callback() as callback:
        tc.clock_offset = 3600
        assert run_approve(make_sign_in_url(tc.root_url, callback.url)) == (1, "", "not approved: Not Found\n")
        assert (
            run_approve("--rename", f"{USER}/x", make_sign_in_url(tc.root_url, callback.url))[2]
            == "not approved: Not Found\n"
        )


def test_approve_visits_only_loopback() -> None:
    for url in ("http://192.0.2.1/auth/clients/create", "https://localhost/", "file:///etc/passwd"):
        status, _, err = run_approve(url)
        assert status == 1
        assert "loopback" in err


@pytest.mark.deployment(user=USER)
def test_the_description_arrives_unchanged(deployment: Sandbox) -> None:
    text = '\n<b>&amp;</textarea> "quoted" é\n'
    with listen_for_callback() as callback:
        assert run_approve(make_sign_in_url(deployment.root_url, callback.url, description=text)) == (0, "", "")
        assert deployment.clients[f"{USER}/tcenv"].description == text
