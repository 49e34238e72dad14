"""What the deployment's own references call a call: looked up once a service, by those who need a method's name. A deployment
that does not tell is no error."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tcenv.proxy.routes import Call

if TYPE_CHECKING:
    from tcenv.proxy.upstream import Deployment

_PARAMETER = re.compile(r"<[^>]*>")
# Between the decoded segments of a path: no segment can hold it.
_BETWEEN = "\0"


@dataclass(frozen=True)
class _Method:
    verb: str
    path: re.Pattern[str]
    literals: int
    name: str


class References:
    """The methods of the services that have been asked about."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        # Calls come at once: whoever is first has it read, and the others wait for that.
        self._known: dict[tuple[str, str], asyncio.Task[list[_Method]]] = {}

    async def method(self, verb: str, call: Call) -> str | None:
        """The name of the API's method, None where the deployment does not tell."""
        key = (call.service, call.version)
        if key not in self._known:
            self._known[key] = asyncio.create_task(self._read(call))
        # A program that hangs up ends its own call alone.
        methods = await asyncio.shield(self._known[key])
        path = _BETWEEN.join(call.segments)
        wanted = "GET" if verb == "HEAD" else verb
        return next((known.name for known in methods if known.verb == wanted and known.path.fullmatch(path)), None)

    async def _read(self, call: Call) -> list[_Method]:
        from tcenv.proxy.upstream import Unreachable, read

        resource = f"/references/{call.service}/{call.version}/api.json"
        try:
            answer = await self._deployment.send("GET", resource, [("Accept-Encoding", "identity")])
            content = await read(answer)
            entries = json.loads(content)["entries"] if answer.status == 200 else []
            found = [_method(entry) for entry in entries if entry.get("type") == "function"]
        except (Unreachable, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return []
        # Of two that fit, the one that says more.
        return sorted(found, key=lambda method: -method.literals)


def _method(entry: dict[str, Any]) -> _Method:
    parts = [re.escape(part) for part in _PARAMETER.split(str(entry["route"]).strip("/").replace("/", _BETWEEN))]
    pattern = re.compile(".+".join(parts), re.DOTALL)
    return _Method(str(entry["method"]).upper(), pattern, sum(map(len, parts)), str(entry["name"]))
