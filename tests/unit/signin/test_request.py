"""The request for a client: tcenv refuses one on which the deployment's page would crash or never answer."""

from __future__ import annotations

import datetime
from urllib.parse import unquote, urlsplit

import pytest
import taskcluster
from hypothesis import given
from hypothesis import strategies as st

from tcenv.deployment.fromnow import parse_expires
from tcenv.deployment.limits import LONGEST_DESCRIPTION, check_description, check_name, check_scopes
from tcenv.errors import UsageError
from tcenv.signin import listener
from tcenv.signin.approval_request import advise_after_timeout, describe_refusal
from tcenv.signin.request import SigninRequest, resolve_flow

DAY = 86400


def make_request(**changes: object) -> SigninRequest:
    parts: dict[str, object] = {
        "root_url": "https://tc.example.com",
        "flow": "create",
        "name": "tcenv",
        "description": "Made by tcenv",
        "scopes": ("queue:*",),
        "expires": "1d",
        "callback_url": "http://localhost:4321/secret",
    }
    return SigninRequest(**{**parts, **changes})  # type: ignore[arg-type]


def parse_query(url: str) -> list[tuple[str, str]]:
    """Return the query as the page reads it, for which a bare `+` is a space."""
    pairs = [pair.partition("=") for pair in urlsplit(url).query.split("&")]
    return [(key, unquote(value.replace("+", " "))) for key, _, value in pairs]


def test_the_url_asks_for_everything() -> None:
    url = make_request(
        name="a+b", description="a & b=c #1 50% ü\nnext", scopes=("queue:*", "x:a b+c"), expires="2 Days 3 Hours"
    ).url
    assert url.startswith("https://tc.example.com/auth/clients/create?")
    assert parse_query(url) == [
        ("name", "a+b"),
        ("description", "a & b=c #1 50% ü\nnext"),
        ("scope", "queue:*"),
        ("scope", "x:a b+c"),
        ("expires", "2 days 3 hours"),
        ("callback_url", "http://localhost:4321/secret"),
    ]
    assert "%2B" in url
    assert not set(url) & set("+ #\n")


@given(
    st.text("abcXYZ019!@/:.+|_-", min_size=1),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)
def test_name_and_description_arrive_as_they_are(name: str, description: str) -> None:
    read = dict(parse_query(make_request(name=name, description=description).url))
    assert read["name"] == name
    assert read["description"] == description


def test_the_new_page_and_a_slash_too_many() -> None:
    assert make_request(root_url="https://tc.example.com/", flow="new").url.startswith(
        "https://tc.example.com/auth/clients/new?"
    )


def test_auto_means_todays_page_but_for_the_retired_deployment() -> None:
    assert resolve_flow("auto", "https://tc.example.com") == "create"
    assert resolve_flow("auto", "https://taskcluster.net") == "new"
    assert resolve_flow("auto", "https://taskcluster.net/") == "new"
    assert resolve_flow("new", "https://tc.example.com") == "new"
    assert resolve_flow("create", "https://taskcluster.net") == "create"


@pytest.mark.parametrize(
    "changes",
    [
        {"flow": "auto"},
        {"name": ""},
        {"name": "a b"},
        {"scopes": ()},
        {"scopes": tuple(map(str, range(21)))},
        {"expires": "banana"},
        {"description": "x" * (LONGEST_DESCRIPTION + 1)},
    ],
)
def test_a_request_that_the_page_cannot_answer_is_never_made(changes: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refusal:
        make_request(**changes)
    assert "Accepted" in str(refusal.value.hint)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1d", DAY),
        ("3h", 3 * 3600),
        ("2 days 3 hours", 2 * DAY + 3 * 3600),
        ("2 Days  3 HOURS", 2 * DAY + 3 * 3600),
        ("2d3h", 2 * DAY + 3 * 3600),
        ("1mo", 30 * DAY),
        ("1m", 60),
        ("1w", 7 * DAY),
        ("1y", 365 * DAY),
        ("90m", 5400),
        ("5min", 300),
        ("1 minute 1 second", 61),
        ("0d 1s", 1),
        (" 1d ", DAY),
        ("1 y 2 mo 3 w 4 d 5 h 6 m 7 s", 365 * DAY + 60 * DAY + 21 * DAY + 4 * DAY + 5 * 3600 + 367),
        ("1000y", 1000 * 365 * DAY),
    ],
)
def test_times_that_page_and_client_both_take(text: str, seconds: int) -> None:
    assert parse_expires(text) == seconds
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    if seconds < 900 * 365 * DAY:
        assert taskcluster.fromNow(text.lower(), now) - now == datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "banana", "1", "d", "1 d 2", "2026-12-01", "2026-12-01T00:00:00Z", "tomorrow", "1yr", "1wk", "1hr", "1hrs",
        "0d", "0", "-1d", "- 1d", "+1d", "1.5h", "1d,2h", "1h 1d", "1d 1d", "1s 1m", "1day2", "1mon", "٣d", "1d\u00a02h",
        "1001y", "9" * 5000 + "s", "99999999999999s", "1\u212aw", "1d\0",
    ],
)  # fmt: skip
def test_times_that_one_of_them_would_not_take(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_expires(text)
    assert "1d" in str(refusal.value.hint) or "1000y" in str(refusal.value.hint)


@given(st.text("0123456789 ymowdhsinuteayrk-+.", max_size=12))
def test_whatever_is_accepted_the_client_understands_the_same(text: str) -> None:
    try:
        seconds = parse_expires(text)
    except UsageError:
        return
    now = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert taskcluster.fromNow(text, now) - now == datetime.timedelta(seconds=seconds)


def test_names() -> None:
    for good in ("tcenv", "a", "ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv", "A:1._-"):
        assert check_name(good) == good
    for bad in ("", "a b", "é", "a\n", "a?b", "{hostname}", "a" * 201, "a\udc80"):
        with pytest.raises(UsageError, match=r"cannot be a client's name"):
            check_name(bad)


def test_scopes() -> None:
    assert check_scopes(["*"]) == ("*",)
    assert check_scopes(["a", "b", "a"]) == ("a", "b")
    assert len(check_scopes(list(map(str, range(20))))) == 20
    for bad in ([], list(map(str, range(21))), [""], ["a\nb"], ["é"], ["a", "\x7f"]):
        with pytest.raises(UsageError, match=r"scope"):
            check_scopes(bad)


def test_descriptions() -> None:
    assert check_description("") == ""
    assert check_description("ü" * LONGEST_DESCRIPTION)
    for bad in ("x" * (LONGEST_DESCRIPTION + 1), "a\0b", "a\udc80"):
        with pytest.raises(UsageError, match=r"description"):
            check_description(bad)


def test_the_hint_after_a_timeout_names_the_likely_cause() -> None:
    assert "insists on https" in str(advise_after_timeout({listener.TLS}, "community", "tcenv"))
    assert "already exists" in str(advise_after_timeout(set(), "community", "tcenv"))


def test_no_message_asks_for_a_paste_that_nobody_reads() -> None:
    for seen in (listener.STRANGER, listener.TLS):
        assert "aste" in describe_refusal(seen, can_paste=True)
        assert "aste" not in describe_refusal(seen, can_paste=False)
