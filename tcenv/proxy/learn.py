"""Learn which scopes a run needs. The run starts with none. If the deployment refuses a call for lack of scopes, send
it again with the scopes that the deployment names, as far as the session holds them.

Adds no other scopes, and trusts only a refusal that names this client and this call."""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tcenv.deployment import references
from tcenv.deployment.scopes import covers
from tcenv.proxy.routes import Call
from tcenv.proxy.signer import Authority
from tcenv.proxy.upstream import Unreachable, read

if TYPE_CHECKING:
    from tcenv.proxy.upstream import Deployment

_BEGINNING = "Client ID "
_MISSING = "missing the following scopes:"
_REQUIRES = "This request requires"
_FENCE = "```"
_MAX_DEPTH = 20
_MAX_SCOPES = 2000
_MOST_ROUNDS = 10
# How many alternatives to compare at once.
_MAX_ALTERNATIVES = 50
_MOST_DECODED = 2**20
_PRIORITIES = ("lowest", "very-low", "low", "medium", "high", "very-high", "highest")
# Random UUIDs as slugids (`taskcluster.slugId`) and as they are.
_ID = re.compile(
    r"(?<![\w-])(?:[\w-]{8}[Q-T][\w-][CGKOSWaeimquy26-][\w-]{10}[AQgw]"
    r"|[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})(?![\w-])",
    re.ASCII,
)


@dataclass
class LearnResult:
    """The result of a run that learns. `starting_scopes` are the scopes that it started with. `needed` and `refused` map a
    scope to the calls that needed it; the session does not hold the scopes in `refused`. `scope_dependent` are calls whose
    answers depend on the caller's scopes, `not_repeatable` calls that could not be sent again, and `refused_without_reason`
    calls that were refused without a reason (HEAD). `too_many` maps a call to its scopes if they do not fit into a request's
    header, and `failed` a call to the statuses of its failures that none of these explains."""

    starting_scopes: tuple[str, ...] = ()
    needed: dict[str, set[str]] = field(default_factory=dict)
    refused: dict[str, set[str]] = field(default_factory=dict)
    scope_dependent: set[str] = field(default_factory=set)
    not_repeatable: set[str] = field(default_factory=set)
    refused_without_reason: set[str] = field(default_factory=set)
    too_many: dict[str, set[str]] = field(default_factory=dict)
    failed: dict[str, set[int]] = field(default_factory=dict)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The smallest set of scopes, sorted, without scopes that another one covers."""
        every = sorted({*self.starting_scopes, *self.needed})
        return tuple(scope for scope in every if not covers((other for other in every if other != scope), scope))

    @property
    def one_time_scopes(self) -> tuple[str, ...]:
        """The scopes of this set with a random id, which the next run will not have."""
        return tuple(scope for scope in self.scopes if scope in self.needed and holds_random_id(scope))


class References:
    """The names of the deployment's API methods, from its references. Each reference is read once."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        # The first of several simultaneous calls reads the reference, and the others wait for it.
        self._reading: dict[tuple[str, str], asyncio.Task[list[references.Method]]] = {}

    async def find_method(self, verb: str, call: Call) -> str | None:
        """Return the name of the call's API method, or None if the deployment does not say."""
        key = (call.service, call.version)
        if key not in self._reading:
            self._reading[key] = asyncio.create_task(self._read(call))
        # A program that hangs up cancels its own call, but not the read that other calls wait for.
        method = references.find(await asyncio.shield(self._reading[key]), verb, call.segments)
        return None if method is None else method.name

    async def _read(self, call: Call) -> list[references.Method]:
        resource = f"/references/{call.service}/{call.version}/api.json"
        try:
            answer = await self._deployment.send("GET", resource, [("Accept-Encoding", "identity")])
            body = await read(answer)
        except Unreachable:
            return []
        return (references.parse(body) if answer.status == 200 else None) or []


class Learner:
    """The result of a run that learns, and the references that it needs."""

    def __init__(self, references: References, starting_scopes: tuple[str, ...]) -> None:
        self.result = LearnResult(starting_scopes)
        self.references = references


class Attempts:
    """The attempts to send one request, each with more scopes."""

    def __init__(self, learner: Learner, verb: str, call: Call) -> None:
        self._learner = learner
        self._verb = verb
        self._call = call
        self._added: set[str] = set()
        self._latest: set[str] = set()
        self._explained = False
        self._missing: set[str] | None = None
        self._rounds = 0

    def get_scopes(self, authority: Authority) -> tuple[str, ...]:
        """Return the scopes to which the request is narrowed now."""
        return tuple(sorted({*(authority.scopes or ()), *self._added}))

    async def should_retry(self, content: bytes, encoding: str, authority: Authority) -> bool:
        """Return whether to send the request again after a 403 with this body. If so, add the scopes that it needs."""
        refusal = parse_refusal(content, encoding)
        if refusal is None or refusal.client_id != authority.credentials.client_id:
            return False
        name = await self._learner.references.find_method(self._verb, self._call)
        if refusal.method != name if name is not None else not self._has_parameters(refusal):
            return False
        missing = set(list_scopes(refusal.expression))
        if missing & self._added or not self._is_shrinking(missing) or self._rounds >= _MOST_ROUNDS:
            return False
        known = {*self._learner.result.needed, *self.get_scopes(authority)}
        chosen = find_smallest_set(refusal.expression, authority.held, known)
        if chosen is None:
            await self._note_refused(scope for scope in missing if not covers(authority.held or (), scope))
            return False
        if not chosen - self._added:
            return False
        self._missing = missing
        self._rounds += 1
        self._latest = chosen - self._added
        self._added |= chosen
        label = await self._make_label()
        for scope in self._latest:
            # The call needs it, even if it then fails for another reason.
            self._learner.result.needed.setdefault(scope, set()).add(label)
        return True

    def _has_parameters(self, refusal: Refusal) -> bool:
        """Return whether the call's path has all parameters of the refusal. A method without a reference allows no
        other check."""
        path = "/".join(self._call.segments)
        return all(str(value) in path for value in refusal.parameters.values())

    def _is_shrinking(self, missing: set[str]) -> bool:
        # If a method checks two expressions in turn, the second refusal names no scopes of the first.
        former = self._missing
        return former is None or len(missing) < len(former) or not missing & former

    async def note_not_held(self) -> None:
        """Note that the session does not hold the scopes that were added last."""
        await self._note_refused(self._latest)
        await self._take_back()

    async def note_too_many(self) -> None:
        """Note that the added scopes do not fit into a request's header."""
        self._explained = True
        self._learner.result.too_many.setdefault(await self._make_label(), set()).update(self._added)
        await self._take_back()

    async def _take_back(self) -> None:
        """Forget the scopes that were added last: no call was sent with them, or none that the deployment accepted."""
        label, needed = await self._make_label(), self._learner.result.needed
        for scope in self._latest:
            needed[scope].discard(label)
            if not needed[scope]:
                del needed[scope]
        self._added -= self._latest

    async def note_no_reason(self) -> None:
        """Note that the request was refused without a reason."""
        self._explained = True
        self._learner.result.refused_without_reason.add(f"HEAD {await self._make_label()}")

    async def note_not_repeatable(self) -> None:
        """Note that the request lacked scopes and cannot be sent again."""
        self._explained = True
        self._learner.result.not_repeatable.add(await self._make_label())

    async def note_answer(self, status: int) -> None:
        """Note that the request was answered."""
        label = await self._make_label()
        is_current_scopes = (self._call.service, self._call.segments) == ("auth", ("scopes", "current"))
        if status < 400 and self._verb in ("GET", "HEAD") and is_current_scopes:
            self._learner.result.scope_dependent.add(label)
        if not self._explained and (status in (401, 403) or (self._added and status >= 400)):
            self._learner.result.failed.setdefault(label, set()).add(status)

    async def _note_refused(self, scopes: Iterable[str]) -> None:
        self._explained = True
        label = await self._make_label()
        for scope in scopes:
            self._learner.result.refused.setdefault(scope, set()).add(label)

    async def _make_label(self) -> str:
        name = await self._learner.references.find_method(self._verb, self._call)
        return f"{self._call.service}.{name}" if name else f"{self._verb} {self._call.path}"


@dataclass(frozen=True)
class Refusal:
    """A 403 InsufficientScopes: its client and method, the parameters of the path, and the scope expression that the
    client does not satisfy."""

    client_id: str
    method: str
    expression: Any
    parameters: Mapping[str, Any] = field(default_factory=dict)


def parse_refusal(content: bytes, encoding: str = "") -> Refusal | None:
    """Parse the refusal in the body of a 403. Returns None for any other body."""
    try:
        body = json.loads(decode(content, encoding))
        if body["code"] != "InsufficientScopes":
            return None
        message, method = body["message"], body["requestInfo"]["method"]
        parameters = body["requestInfo"].get("params") or {}
        if not isinstance(message, str) or not isinstance(method, str) or not message.startswith(_BEGINNING):
            return None
        if not isinstance(parameters, dict):
            return None
        expression = _find_missing_block(message)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error):
        return None
    if expression is None or len(list_scopes(expression)) > _MAX_SCOPES:
        return None
    return Refusal(message[len(_BEGINNING) :].split(None, 1)[0], method, expression, parameters)


def _find_missing_block(message: str) -> Any:
    """Return the scope expression in the block after the sentence that announces it, or None."""
    head, found, rest = message.partition(_MISSING)
    if not found or _FENCE in head or _REQUIRES in head:
        return None
    lines = [line.rstrip("\r") for line in rest.split("\n")]
    fences = [number for number, line in enumerate(lines) if line.strip() == _FENCE]
    if len(fences) < 2 or any(line.strip() for line in lines[: fences[0]]):
        return None
    after = "\n".join(lines[fences[1] + 1 :]).lstrip()
    if not after.startswith(_REQUIRES):
        return None
    block = "\n".join(lines[fences[0] + 1 : fences[1]]).strip()
    if not block.startswith("{"):
        return block if block.isprintable() and block.isascii() and block else None
    try:
        expression = json.loads(block)
    except ValueError:
        # A scope may begin with a brace.
        return block if block.isprintable() and block.isascii() else None
    return expression if _is_expression(expression) else None


def _is_expression(expression: Any, depth: int = 0) -> bool:
    if isinstance(expression, str):
        return expression.isascii() and expression.isprintable() and bool(expression)
    if not isinstance(expression, dict) or len(expression) != 1 or depth > _MAX_DEPTH:
        return False
    ((kind, parts),) = expression.items()
    return kind in ("AllOf", "AnyOf") and isinstance(parts, list) and all(_is_expression(p, depth + 1) for p in parts)


def list_scopes(expression: Any) -> list[str]:
    """Return all scopes of an expression."""
    if isinstance(expression, str):
        return [expression]
    (parts,) = expression.values()
    return [scope for part in parts for scope in list_scopes(part)]


def find_smallest_set(expression: Any, held: tuple[str, ...] | None, known: set[str]) -> set[str] | None:
    """Return the fewest of the `held` scopes (None: unknown) that satisfy the expression, or None if the held scopes do
    not suffice. Scopes in `known` are needed anyway and cost nothing."""
    ways = _find_alternatives(expression, held, known)
    return set(ways[0]) if ways else None


def _find_alternatives(expression: Any, held: tuple[str, ...] | None, known: set[str]) -> list[frozenset[str]]:
    """Return the sets of scopes that satisfy the expression, best first."""
    if isinstance(expression, str):
        return [frozenset((expression,))] if held is None or covers(held, expression) else []
    ((kind, parts),) = expression.items()
    found = [_find_alternatives(part, held, known) for part in parts]
    if kind == "AnyOf":
        return _sort_alternatives((way for ways in found for way in ways), known)
    if not all(found):
        return []
    # Scopes without an alternative are needed anyway, so they cost nothing as an alternative elsewhere.
    forced = frozenset[str]().union(*(ways[0] for ways in found if len(ways) == 1))
    chosen: list[frozenset[str]] = [frozenset()]
    for ways in found:
        if len(ways) > 1:
            chosen = _sort_alternatives((one | (way - forced) for one in chosen for way in ways), known | forced)
    return [one | forced for one in chosen]


def _sort_alternatives(ways: Iterable[frozenset[str]], known: set[str]) -> list[frozenset[str]]:
    return sorted(set(ways), key=lambda way: _rank(way, known))[:_MAX_ALTERNATIVES]


def _rank(scopes: frozenset[str], known: set[str]) -> tuple[int, int, int, int, int, list[str]]:
    """Return the key that ranks alternatives.

    It compares, in this order: the number of scopes with a random id, which the next run will not have; the number of
    new scopes; the number of all scopes; the priority, since a higher one includes the lower ones; and the length of
    the text, since a longer pattern allows less."""
    lasting = [scope for scope in known if not holds_random_id(scope)]
    passing = [scope for scope in scopes if holds_random_id(scope) and not covers(lasting, scope)]
    fresh = [scope for scope in scopes if not covers(known, scope)]
    priority = sum(
        max((_PRIORITIES.index(p) for p in scope.split(":") if p in _PRIORITIES), default=0) for scope in scopes
    )
    return len(passing), len(fresh), len(scopes), priority, -sum(map(len, scopes)), sorted(scopes)


def holds_random_id(scope: str) -> bool:
    """Return whether a part of `scope` is a random id, such as a task's."""
    return _ID.search(scope) is not None


def decode(content: bytes, encoding: str) -> bytes:
    if not encoding or encoding == "identity":
        return content
    if encoding not in ("gzip", "deflate"):
        raise ValueError("unknown encoding")
    decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    return decoder.decompress(content, _MOST_DECODED)
