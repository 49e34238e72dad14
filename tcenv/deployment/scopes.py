"""The arithmetic of scopes: a scope that ends in `*` stands for everything that it is a prefix of."""

from __future__ import annotations

from tcenv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_scope(scope: str) -> None:
    """Raises UsageError for what no deployment takes as a scope."""
    if scope.endswith("**"):
        raise UsageError(f"{scope!r} is not a scope.", "One * at the end stands for everything that follows.")
    if not (scope and scope.isascii() and scope.isprintable()):
        raise UsageError(f"{scope!r} is not a scope.", "Accepted: printable ASCII characters, at least one.")


def covers(held: Iterable[str], scope: str) -> bool:
    """Whether one of `held` is `scope` or a pattern that it falls under."""
    return any(scope == own or (own.endswith("*") and scope.startswith(own[:-1])) for own in held)


def intersection(asked: Iterable[str], held: Sequence[str]) -> tuple[str, ...]:
    """What of `asked` somebody who holds `held` can give: a pattern that is wider than what is held narrows to it."""
    result: dict[str, None] = {}
    for scope in asked:
        if covers(held, scope):
            result[scope] = None
        elif scope.endswith("*"):
            result.update((own, None) for own in held if own.startswith(scope[:-1]))
    return tuple(result)


def narrowed(scope: str, granted: Sequence[str]) -> str:
    """What became of a pattern that was granted in part, for people: `of queue:* you hold 4 scopes`."""
    count = len(intersection([scope], granted))
    return f"of {scope} you hold {count} scope{'s' if count != 1 else ''}"


def not_granted(asked: Iterable[str], granted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Of `asked`: what was dropped whole, and the patterns that were narrowed. `*` asks for whatever there is, and never
    counts as either."""
    dropped: list[str] = []
    narrowed: list[str] = []
    for scope in asked:
        if scope == "*" or covers(granted, scope):
            continue
        (narrowed if intersection([scope], granted) else dropped).append(scope)
    return dropped, narrowed
