"""Compute with scopes. A scope that ends in `*` covers every scope that begins with the rest. Hot path."""

from __future__ import annotations

from tcenv.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_scope(scope: str) -> None:
    """Raise UsageError for a text that no deployment takes as a scope."""
    if scope.endswith("**"):
        raise UsageError(f"{scope!r} is not a scope.", "One * at the end stands for everything that follows.")
    if not (scope and scope.isascii() and scope.isprintable()):
        raise UsageError(f"{scope!r} is not a scope.", "Accepted: printable ASCII characters, at least one.")


def covers(held: Iterable[str], scope: str) -> bool:
    """Return whether `scope` is one of `held` or falls under a pattern among them."""
    return any(scope == own or (own.endswith("*") and scope.startswith(own[:-1])) for own in held)


def intersect(asked: Iterable[str], held: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes of `asked` that a holder of `held` can grant. Narrows a pattern to the held scopes that it covers."""
    result: dict[str, None] = {}
    for scope in asked:
        if covers(held, scope):
            result[scope] = None
        elif scope.endswith("*"):
            result.update((own, None) for own in held if own.startswith(scope[:-1]))
    return tuple(result)


def remove_covered(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return `scopes` without those that another one covers."""
    patterns = sorted({scope[:-1] for scope in scopes if scope.endswith("*")}, key=len)
    prefixes: list[str] = []
    for prefix in patterns:
        if not prefix.startswith(tuple(prefixes)):
            prefixes.append(prefix)
    return tuple(
        dict.fromkeys(
            scope for scope in scopes
            if (scope.endswith("*") and scope[:-1] in prefixes) or not scope.startswith(tuple(prefixes))
        )
    )  # fmt: skip


def describe_narrowing(scope: str, granted: Sequence[str]) -> str:
    """Say how much of a pattern was granted: `you hold 4 scopes of queue:*`."""
    count = len(intersect([scope], granted))
    return f"you hold {count} scope{'s' if count != 1 else ''} of {scope}"


def find_missing(asked: Iterable[str], granted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the scopes of `asked` that were not granted at all, and the patterns of which a part was granted. `*` asks
    for every scope, so it is never missing."""
    dropped: list[str] = []
    narrowed: list[str] = []
    for scope in asked:
        if scope == "*" or covers(granted, scope):
            continue
        (narrowed if intersect([scope], granted) else dropped).append(scope)
    return dropped, narrowed
