"""Read the missing scopes from a refusal, and choose the fewest of them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import taskcluster
from hypothesis import given
from hypothesis import strategies as st

from tcenv.proxy import learn
from tcenv.proxy.learn import LearnResult, find_smallest_set, holds_random_id, list_scopes, parse_refusal
from tests.proxy import CLIENT
from tests.unit.proxy.test_learn import HELD, make_message

SLUG = "fN1SbArXTPSVFNUvaOlinQ"


@pytest.mark.parametrize(
    "expression",
    [
        "queue:x",
        "{odd",
        '{"odd": 1}x',
        "a b  c",
        "```x",
        "This request requires",
        {"AllOf": ["a", {"AnyOf": ["b", {"AllOf": ["c", "d"]}]}]},
        {"AllOf": [f"queue:{n:>40}" for n in range(300)]},
        {"AnyOf": []},
    ],
)
def test_the_missing_scopes_are_read(expression: Any) -> None:
    body = {"code": "InsufficientScopes", "message": make_message(expression), "requestInfo": {"method": "m"}}
    found = parse_refusal(json.dumps(body).encode())
    assert found is not None
    assert (found.client_id, found.method, found.expression) == (CLIENT, "m", expression)


@given(
    st.binary()
    | st.text().map(
        lambda noise: json.dumps(
            {"code": "InsufficientScopes", "message": "Client ID " + noise, "requestInfo": {"method": "m"}}
        ).encode()
    )
)
def test_noise_is_no_refusal(content: bytes) -> None:
    assert parse_refusal(content) is None
    assert parse_refusal(content, "gzip") is None
    assert parse_refusal(content, "br") is None


@pytest.mark.parametrize(
    ("expression", "known", "chosen"),
    [
        ("queue:a", (), {"queue:a"}),
        ("auth:a", (), None),
        ({"AllOf": ["queue:a", "auth:a"]}, (), None),
        ({"AnyOf": ["auth:a", "queue:b"]}, (), {"queue:b"}),
        ({"AnyOf": [{"AllOf": ["queue:a", "queue:b"]}, "queue:c"]}, (), {"queue:c"}),
        ({"AnyOf": [{"AllOf": ["queue:a", "queue:b"]}, "queue:c"]}, ("queue:a", "queue:b"), {"queue:a", "queue:b"}),
        ({"AllOf": ["queue:c", {"AnyOf": ["queue:b", "queue:c"]}]}, (), {"queue:c"}),
        ({"AnyOf": ["queue:create:highest:x", "queue:create:low:x"]}, (), {"queue:create:low:x"}),
        ({"AnyOf": ["queue:bb", "queue:aa"]}, (), {"queue:aa"}),
        (
            {"AnyOf": [f"queue:create:{p}:x" for p in ("highest", "very-high", "low", "lowest")]},
            (),
            {"queue:create:lowest:x"},
        ),
        (
            {"AnyOf": ["queue:cancel-in-project:p", "queue:cancel:s/g/the-one-task"]},
            (),
            {"queue:cancel:s/g/the-one-task"},
        ),
        # A scope that is needed anyway is the best alternative, in any place.
        ({"AllOf": [{"AnyOf": ["queue:b", "queue:c"]}, "queue:c"]}, (), {"queue:c"}),
        ({"AllOf": [{"AnyOf": ["queue:a", "queue:b"]}, {"AnyOf": ["queue:b", "queue:c"]}]}, (), {"queue:b"}),
        (
            {"AllOf": [{"AnyOf": [{"AllOf": ["queue:a", "queue:b"]}, "queue:d"]}, {"AllOf": ["queue:a", "queue:b"]}]},
            (),
            {"queue:a", "queue:b"},
        ),
        ({"AllOf": [{"AnyOf": [f"queue:{n}:{m}" for m in range(9)]} for n in range(30)]}, (), ...),
        ({"AnyOf": []}, (), None),
        ({"AllOf": []}, (), set()),
    ],
)
def test_the_alternative_with_the_fewest_scopes_is_chosen(
    expression: Any, known: tuple[str, ...], chosen: set[str] | None
) -> None:
    if chosen is ...:  # type: ignore[comparison-overlap]
        chosen = {f"queue:{n}:0" for n in range(30)}
    assert find_smallest_set(expression, HELD, set(known)) == chosen
    if chosen is not None:
        assert chosen <= set(list_scopes(expression))


def test_scopes_that_another_covers_are_left_out() -> None:
    assert LearnResult(("queue:*", "a"), {"queue:x": {"c"}, "b": {"c"}}).scopes == ("a", "b", "queue:*")
    assert learn.LearnResult().scopes == ()


@pytest.mark.parametrize(
    ("alternatives", "known", "best"),
    [
        ([f"queue:cancel-task:ci/{SLUG}/{SLUG}", "queue:cancel-task-in-project:none"], (), 1),
        ([f"queue:cancel-task:ci/{SLUG}/{SLUG}", {"AllOf": ["queue:cancel-task", "queue:a", "queue:b"]}], (), 1),
        ([{"AllOf": [f"assume:scheduler-id:ci/{SLUG}", "queue:a"]}, "queue:create-task:highest:x"], (), 1),
        # Another call needs it already.
        ([f"queue:x:{SLUG}", "queue:y:long-name"], (f"queue:x:{SLUG}",), 1),
        # A pattern that another call needs covers it.
        ([f"queue:x:{SLUG}", "queue:y:long-name"], ("queue:x:*",), 0),
        # There is no alternative.
        ([f"queue:x:{SLUG}"], (), 0),
        # A word of 22 characters is no id.
        (["queue:x:abcdefghijklmnopqrstuv", "queue:y"], (), 0),
    ],
)
def test_a_scope_with_an_id_is_chosen_last(alternatives: list[Any], known: tuple[str, ...], best: int) -> None:
    found = find_smallest_set({"AnyOf": alternatives}, ("*",), set(known))
    assert found == set(list_scopes(alternatives[best]))


def test_random_ids_are_recognized() -> None:
    for _ in range(1000):
        assert holds_random_id(f"queue:cancel-task:a/{taskcluster.slugId()}/{taskcluster.slugId()}")
    for scope in (
        "queue:*",
        "assume:login-identity:mozilla-auth0/ad|Mozilla-LDAP|sandbox",
        "secrets:get:project/releng/gecko/build/level-3",
    ):
        assert not holds_random_id(scope)
