"""Scopes as the deployment reckons with them. On purpose not shared with the client's side, which it is there to check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def satisfies(held: Iterable[str], scope: str) -> bool:
    """Whether one of `held` is `scope`, or a pattern that ends in `*` and that `scope` begins with."""
    return any(scope == own or (own.endswith("*") and scope.startswith(own[:-1])) for own in held)


def intersection(asked: Sequence[str], held: Sequence[str]) -> list[str]:
    """What the page gives to a client: of `asked` what is held, in that order, then of `held` what `asked` has patterns for."""
    given = [scope for scope in asked if satisfies(held, scope)]
    narrowed = [scope for scope in held if satisfies(asked, scope)]
    return list(dict.fromkeys(given + narrowed))


def normal(scopes: Iterable[str]) -> tuple[str, ...]:
    """`scopes` in order, without those that a pattern among them stands for."""
    unique = set(scopes)
    return tuple(sorted(scope for scope in unique if not satisfies(unique - {scope}, scope)))
