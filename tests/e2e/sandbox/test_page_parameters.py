"""Check how the sign-in pages read the parameters of their address. The embedded approver presses their buttons."""

from __future__ import annotations

from datetime import datetime

import pytest

from tcenv.sandbox import Sandbox
from tcenv.sandbox.approve import NotApproved, approve
from tests.callback import Callback, make_sign_in_url
from tests.world import HOSTILE_USER as USER

NAME = f"{USER}/tcenv"
PAGES = ("create", "new")


@pytest.mark.parametrize("variant", PAGES)
def test_a_star_becomes_the_users_full_list(tc: Sandbox, callback: Callback, variant: str) -> None:
    approve(make_sign_in_url(tc.root_url, callback.url, variant, scope=["*"]))
    assert set(tc.user_scopes) < set(tc.clients[NAME].scopes)
    assert "*" not in tc.clients[NAME].scopes


@pytest.mark.parametrize("variant", PAGES)
def test_a_client_without_scopes_still_calls_back(tc: Sandbox, callback: Callback, variant: str) -> None:
    approve(make_sign_in_url(tc.root_url, callback.url, variant, scope=["nothing:of-the-kind"]))
    assert [path.partition("&")[0] for path in callback.paths] == [f"/secret-path?clientId={NAME}"]
    assert tc.clients[NAME].scopes == []


@pytest.mark.parametrize("variant", PAGES)
def test_twenty_scopes_fit(tc: Sandbox, callback: Callback, variant: str) -> None:
    scopes = [f"queue:route:index.sandbox.{number}" for number in range(20)]
    approve(make_sign_in_url(tc.root_url, callback.url, variant, scope=scopes))
    assert len(tc.clients[NAME].scopes) == 20


@pytest.mark.parametrize(
    ("variant", "values", "message"),
    [
        ("create", {"scope": []}, "undefined"),
        ("create", {"scope": [f"s{number}" for number in range(21)]}, "not a function"),
        ("create", {"expires": "banana"}, '"banana" is not a valid time expression'),
        ("create", {"expires": "2030-01-01T00:00:00Z"}, "not a valid time expression"),
        ("create", {"expires": "3h 1d"}, "not a valid time expression"),
        ("new", {"expires": "banana"}, "not a valid time expression"),
        ("new", {"scope": []}, "undefined"),
    ],
)
def test_an_invalid_value_crashes_the_page(
    tc: Sandbox, callback: Callback, variant: str, values: dict[str, str], message: str
) -> None:
    with pytest.raises(NotApproved, match=message):
        approve(make_sign_in_url(tc.root_url, callback.url, variant, **values))
    assert not tc.clients


@pytest.mark.parametrize(
    ("expires", "seconds"),
    [
        ("1d", 86400),
        ("2 days 3 hours", 2 * 86400 + 3 * 3600),
        ("1mo", 30 * 86400),
        ("1W", 7 * 86400),
        ("1yr 1 mo 1wk 1 day 1hr 1min 1sec", (365 + 30 + 7 + 1) * 86400 + 3661),
        ("90m", 5400),
        ("5min", 300),
        ("0d", 0),
        ("-1d", -86400),
    ],
)
@pytest.mark.parametrize("variant", PAGES)
def test_the_pages_read_every_form_of_expires(
    tc: Sandbox, callback: Callback, variant: str, expires: str, seconds: int
) -> None:
    approve(make_sign_in_url(tc.root_url, callback.url, variant, expires=expires))
    lifetime = tc.clients[NAME].expires - tc.clients[NAME].created
    assert seconds - 60 < lifetime <= seconds


@pytest.mark.parametrize(("variant", "years"), [("create", 1000), ("new", None)])
def test_a_missing_expires_gets_the_pages_default(
    tc: Sandbox, callback: Callback, variant: str, years: int | None
) -> None:
    approve(make_sign_in_url(tc.root_url, callback.url, variant, expires=[]))
    client = tc.clients[NAME]
    if years is None:
        assert 3 * 86400 - 60 < client.expires - client.created <= 3 * 86400
    else:
        expires, created = (datetime.fromtimestamp(seconds).year for seconds in (client.expires, client.created))
        assert expires - created == years


def test_a_missing_name_becomes_undefined_and_an_empty_one_ends_in_a_slash(tc: Sandbox, callback: Callback) -> None:
    approve(make_sign_in_url(tc.root_url, callback.url, name=[]))
    approve(make_sign_in_url(tc.root_url, callback.url, name=""))
    assert list(tc.clients) == [f"{USER}/undefined", f"{USER}/"]


@pytest.mark.parametrize("name", ["a b", "tcenv#", "ü"])
def test_an_invalid_name_is_refused(tc: Sandbox, callback: Callback, name: str) -> None:
    with pytest.raises(NotApproved, match="must match regular expression"):
        approve(make_sign_in_url(tc.root_url, callback.url, name=name))
    assert not callback.paths


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9999/x",
        "http://[::1]:9999/x",
        "http://localhost.example:9999/",
        "http://LOCALHOST:9999/",
        "http://localhost:9999?x",
        "https://evil.example/?http://localhost/",
    ],
)
def test_a_callback_outside_of_localhost_is_not_allowed(tc: Sandbox, url: str) -> None:
    with pytest.raises(NotApproved) as refused:
        approve(make_sign_in_url(tc.root_url, url))
    assert str(refused.value) == f"Callback URL {url} is not allowed."
    assert not tc.clients
