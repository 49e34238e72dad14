"""Store which scopes an `assume:` scope covers, and leave those out of a request."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tcenv.deployment.scopes import covers
from tcenv.sessions.expansions import decode, encode, leave_out


def test_a_line_says_which_of_the_held_scopes_a_role_covers() -> None:
    held = ("a", "assume:x y", "b:*", "c", "d:e")
    line = encode("assume:x y", ("assume:x y", "b:*", "c", "d:*"), held)
    assert line == "1-4 assume:x y"
    assert decode([line], held) == {"assume:x y": ("assume:x y", "b:*", "c", "d:e")}
    assert encode("assume:x y", ("assume:x y", "c"), held) == "1,3 assume:x y"


def test_a_malformed_line_is_ignored() -> None:
    held = ("a", "assume:x")
    malformed = ("", "0", "0-9 assume:x", "1-0 assume:x", "x assume:x", "-1 assume:x", "0,, assume:x")
    for line in (*malformed, "0 assume:other", "0 a", "0-1 a"):
        assert decode([line], held) == {}, line


def test_only_scopes_that_a_role_covers_are_left_out() -> None:
    known = {"assume:x": ("a:*", "assume:x", "assume:y"), "assume:y": ("b",)}
    assert leave_out(["a:1", "assume:x", "c"], known) == ("assume:x", "c")
    # Only a role that is requested and known covers anything.
    assert leave_out(["a:1", "b"], known) == ("a:1", "b")
    assert leave_out(["a:1", "assume:z"], known) == ("a:1", "assume:z")
    # A star in the middle has no meaning.
    assert leave_out(["a*:1", "a:*:1", "assume:x"], {"assume:x": ("a*:", "a:*")}) == ("a*:1", "assume:x")


def test_roles_that_cover_each_other_are_not_both_left_out() -> None:
    known = {"assume:x": ("assume:x", "assume:y", "a"), "assume:y": ("assume:y", "assume:x", "a")}
    assert leave_out(["a", "assume:x", "assume:y"], known) in (("assume:x",), ("assume:y",))


_ROLES = st.sampled_from(["assume:" + a + b for a in "ab*" for b in "ab*"])
_SCOPES = st.text("ab*", min_size=1, max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> tuple[tuple[str, ...], dict[str, list[str]], list[str]]:
    """Draw the scopes that a session holds, what each of its roles covers, and the scopes of a request."""
    scopes = st.one_of(_ROLES, _SCOPES)
    held = tuple(dict.fromkeys(draw(st.lists(scopes, min_size=4, max_size=6))))
    some = st.lists(st.one_of(st.sampled_from(held), scopes), min_size=2, max_size=3)
    expansions = {role: draw(some) for role in held if role.startswith("assume:")}
    return held, expansions, list(draw(st.permutations(held)))[:4]


@settings(max_examples=300)
@given(requests())
def test_any_sets_stay_covered(case: tuple[tuple[str, ...], dict[str, list[str]], list[str]]) -> None:
    held, expansions, asked = case
    known: dict[str, tuple[str, ...]] = {}
    for role, expansion in expansions.items():
        known |= decode([encode(role, expansion, held)], held)
        assert all(covers(expansion, scope) or scope == role for scope in known[role])
    left = leave_out(asked, known)
    assert set(left) <= set(asked)
    carried = [*left, *(scope for role in left for scope in known.get(role, ()))]
    assert all(covers(carried, scope) for scope in asked)
