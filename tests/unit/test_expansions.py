"""Store which scopes an `assume:` scope covers, and leave those out of a request."""

from __future__ import annotations

import random

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


def test_any_sets_stay_covered() -> None:
    dice = random.Random(23)
    for _ in range(2000):
        names = ["assume:" + "".join(dice.choices("ab*", k=2)) for _ in range(3)]
        pool = [*names, *("".join(dice.choices("ab*", k=dice.randint(1, 3))) for _ in range(6))]
        held = tuple(dict.fromkeys(dice.sample(pool, 6)))
        known: dict[str, tuple[str, ...]] = {}
        for name in names:
            if name in held:
                true = dice.sample(pool, 3)
                known |= decode([encode(name, true, held)], held)
                assert all(covers(true, scope) or scope == name for scope in known[name])
        asked = dice.sample(held, min(len(held), 4))
        left = leave_out(asked, known)
        assert set(left) <= set(asked)
        carried = [*left, *(scope for role in left for scope in known.get(role, ()))]
        assert all(covers(carried, scope) for scope in asked)
