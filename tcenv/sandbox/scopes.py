"""Compute with scopes, roles and scope expressions as a deployment does. The client's code does the same separately,
since the sandbox must not share its mistakes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# A scope, or {"AllOf": […]}, {"AnyOf": […]}; in a template also {"for", "in", "each"} and {"if", "then", "else"}.
Expression = Any
_PARAMETER = re.compile(r"<([^>]*)>")
_ASSUME = "assume:"
# The role that everybody has.
EVERYBODY = "assume:anonymous"


class Held:
    """A set of scopes. `in` tells whether a scope is in it, or matches a pattern in it."""

    __slots__ = ("_exact", "_patterns", "scopes")

    def __init__(self, scopes: Iterable[str], unsaid: Iterable[str] = ()) -> None:
        """Make the set. `unsaid` are scopes that are held, but not listed."""
        self.scopes = tuple(dict.fromkeys(scopes))
        self._exact = frozenset((*self.scopes, *unsaid))
        self._patterns = tuple(scope[:-1] for scope in self._exact if scope.endswith("*"))

    def __contains__(self, scope: str) -> bool:
        return scope in self._exact or scope.startswith(self._patterns)


def intersect(asked: Sequence[str], held: Sequence[str]) -> list[str]:
    """Return the scopes that the page gives to a client: first those of `asked` that are held, then those of `held`
    that match a pattern in `asked`."""
    has, wants = Held(held), Held(asked)
    given = [scope for scope in asked if scope in has]
    return list(dict.fromkeys([*given, *(scope for scope in held if scope in wants)]))


def normalize(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return `scopes` sorted, without those that match a pattern among them."""
    unique = set(scopes)
    patterns = {scope for scope in unique if scope.endswith("*")}
    return tuple(sorted(scope for scope in unique if not any(scope.startswith(p[:-1]) for p in patterns if p != scope)))


def expand(scopes: Iterable[str], roles: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return `scopes` with those that roles add, for each `assume:<roleId>` among them. If a roleId ends in `*`, `<..>`
    in its scopes stands for the part that `*` matched."""
    found = dict.fromkeys(scopes)
    todo = list(found)
    while todo:
        scope = todo.pop()
        if not (scope.startswith(_ASSUME) or (scope.endswith("*") and _ASSUME.startswith(scope[:-1]))):
            continue
        for role_id, given in list(roles.items()):
            rest = _match_role(scope, _ASSUME + role_id)
            if rest is None:
                continue
            for one in given:
                new = one.replace("<..>", rest)
                if new not in found:
                    found[new] = None
                    todo.append(new)
    return tuple(found)


def _match_role(scope: str, role: str) -> str | None:
    """Return the text for `<..>` if `scope` allows to assume `role` (`assume:` and the roleId), else None."""
    if scope.endswith("*") and role.startswith(scope[:-1]):
        return "*"
    if role.endswith("*") and scope.startswith(role[:-1]):
        return scope[len(role) - 1 :]
    return "" if scope == role else None


def render(template: Expression, values: Mapping[str, Any]) -> Expression | None:
    """Fill the values into `template`. Return None if nothing is left of it. Raises KeyError for a missing value."""
    rendered = _render(template, values)
    return rendered[0] if rendered else None


def _render(template: Expression, values: Mapping[str, Any]) -> list[Expression]:
    if isinstance(template, str):
        return [_fill(template, values)]
    if "for" in template:
        name = template["for"]
        return [_fill(template["each"], {**values, name: item}) for item in values[template["in"]]]
    if "if" in template:
        branch = template.get("then" if values[template["if"]] else "else")
        return [] if branch is None else _render(branch, values)
    kind = "AllOf" if "AllOf" in template else "AnyOf"
    return [{kind: [part for one in template[kind] for part in _render(one, values)]}]


def _fill(text: str, values: Mapping[str, Any]) -> str:
    return _PARAMETER.sub(lambda match: str(values[match[1]]), text)


def list_parameters(template: Expression) -> set[str]:
    """Return the names of the values that `render` needs for `template`."""
    if template is None:
        return set()
    if isinstance(template, str):
        return set(_PARAMETER.findall(template))
    if "for" in template:
        return ({template["in"]} | list_parameters(template["each"])) - {template["for"]}
    if "if" in template:
        return {template["if"]} | list_parameters(template.get("then")) | list_parameters(template.get("else"))
    return {name for one in template.get("AllOf", template.get("AnyOf")) for name in list_parameters(one)}


def find_missing(expression: Expression | None, held: Held) -> Expression | None:
    """Return the part of `expression` that `held` does not satisfy, as the services report it: None, one scope, or a
    smaller expression."""
    if expression is None:
        return None
    if isinstance(expression, str):
        return None if expression in held else expression
    every = "AllOf" in expression
    parts = [find_missing(part, held) for part in expression["AllOf" if every else "AnyOf"]]
    if every:
        parts = [part for part in parts if part is not None]
        if not parts:
            return None
    elif None in parts:
        return None
    return parts[0] if len(parts) == 1 else {"AllOf" if every else "AnyOf": parts}


def format_expression(expression: Expression | None) -> str:
    """Format an expression for a message: a single scope as it is, everything else as JSON."""
    return expression if isinstance(expression, str) else json.dumps(expression, indent=2)
