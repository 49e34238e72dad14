"""Parse root URLs: each gets one spelling, and one that would send a token in clear text is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tcenv.deployment.rooturl import is_loopback, parse_root_url
from tcenv.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("https://community-tc.services.mozilla.com", "https://community-tc.services.mozilla.com"),
        ("https://community-tc.services.mozilla.com/", "https://community-tc.services.mozilla.com"),
        (" HTTPS://TC.Example.COM \n", "https://tc.example.com"),
        ("https://tc.example.com:443", "https://tc.example.com"),
        ("https://tc.example.com:08443/", "https://tc.example.com:8443"),
        ("https://example.com/Taskcluster/", "https://example.com/Taskcluster"),
        ("http://localhost:80", "http://localhost"),
        ("http://LOCALHOST:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_each_root_url_has_one_spelling(typed: str, expected: str) -> None:
    assert parse_root_url(typed) == expected
    assert parse_root_url(expected) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "tc.example.com",
        "ftp://tc.example.com",
        "https://",
        "https:///path",
        "https://:8443",
        "http://tc.example.com",
        "http://127.0.0.2",
        "http://localhost.example.com",
        "http://[::2]:80",
        "https://tc..example.com",
        "https://tc.example.com.",
        "https://-tc.example.com",
        "https://tc.example.com:",
        "https://tc.example.com:0",
        "https://tc.example.com:65536",
        "https://tc.example.com:" + "9" * 5000,
        "https://tc.example.com:٤٤٣",
        "https://tc.example.com:8443x",
        "https://[::1]8443",
        "https://tc.example.com?query",
        "https://tc.example.com/#fragment",
        "https://tc.example.com//",
        "https://tc.example.com/a//b",
        "https://tc.example.com/a/../b",
        "https://tc.example.com/%41",
        "https://tc.example.com/$(id)",
        "https://tc.example.com/a b",
        "https://tc.example.com/;id",
        "https://tc.example.com\nevil",
        "https://tć.example.com",
    ],
)
def test_an_invalid_root_url_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_root_url(typed)
    assert refusal.value.exit_code == 2
    assert "https://" in str(refusal.value.hint)


@pytest.mark.parametrize(
    "typed",
    [
        "https://me:hunter2@tc.example.com",
        "me:hunter2@tc.example.com",
        "https://me:hunter2@x@tc.example.com/",
        "http://localhost:1/abc?clientId=me&accessToken=hunter2",
        "https://tc.example.com/#hunter2",
    ],
)
def test_the_message_hides_a_password(typed: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_root_url(typed)
    assert "hunter2" not in refusal.value.message


@given(st.text(max_size=40), st.sampled_from(["", "https://", "http://localhost", "https://h/"]))
def test_any_text_is_a_root_url_or_a_usage_error(text: str, start: str) -> None:
    try:
        url = parse_root_url(start + text)
    except UsageError:
        return
    assert parse_root_url(url) == url
    assert not set(url) & set(" \t\n\"'`$&|;<>()*?\\{}!#^%"), "it would not survive an unquoted evaluation"
    assert url.startswith("https://") or is_loopback(url)


def test_loopback_addresses_are_recognized() -> None:
    assert all(map(is_loopback, ["http://localhost", "http://localhost:1", "http://[::1]:8080", "https://127.0.0.1"]))
    assert not any(map(is_loopback, ["https://localhost.example.com", "https://tc.example.com:8443"]))
