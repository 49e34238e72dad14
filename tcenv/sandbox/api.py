"""Declare, find and call the sandbox's API methods.

A method's route and scopes stand in its declaration alone. The deployment's references are made from it too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import unquote

from tcenv.sandbox.callers import authenticate
from tcenv.sandbox.deployment import Deployment
from tcenv.sandbox.hawk import Signed
from tcenv.sandbox.records import ApiError, Caller
from tcenv.sandbox.schema import Schema, find_errors
from tcenv.sandbox.scopes import Expression, find_missing, format_expression, list_parameters, render

Item = TypeVar("Item")
_MOST_LISTED = 1000
# Parameters that may contain slashes.
_GREEDY = ("name",)


@dataclass(frozen=True, slots=True)
class Method:
    """An API method.

    `route` has its parameters as `<name>`. `scopes` is the template of what a caller must hold (None: nothing). `body`
    is the schema of the body (None: it takes none), and `body_name` that schema's name. `act` handles a call and
    returns the value to send as JSON (None: 204). `by_route` tells that the route's parameters are enough to know the
    required scopes."""

    service: str
    name: str
    verb: str
    route: str
    act: Callable[[Call], Any]
    scopes: Expression | None
    body: Schema | None
    body_name: str
    query: tuple[str, ...]
    title: str
    pattern: re.Pattern[str]
    by_route: bool


@dataclass
class Service:
    """The methods of one service. A module declares its own with `@service.declare(…)`."""

    name: str
    title: str
    version: str = "v1"
    methods: list[Method] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.declare("GET", "ping", "/ping")(_ping)

    def declare(
        self,
        verb: str,
        name: str,
        route: str,
        scopes: Expression | None = None,
        *,
        body: Schema | None = None,
        body_name: str = "",
        query: Iterable[str] = (),
    ) -> Callable[[Callable[[Call], Any]], Callable[[Call], Any]]:
        """Return a decorator that declares a function as this service's method `name`. See Method."""
        arguments = re.findall(r"<(\w+)>", route)
        pattern = re.sub(r"<(\w+)>", lambda m: f"(?P<{m[1]}>{'.+' if m[1] in _GREEDY else '[^/]+'})", route)

        def keep(act: Callable[[Call], Any]) -> Callable[[Call], Any]:
            title = (act.__doc__ or name).strip().splitlines()[0]
            self.methods.append(
                Method(
                    service=self.name,
                    name=name,
                    verb=verb,
                    route=route,
                    act=act,
                    scopes=scopes,
                    body=body,
                    body_name=body_name,
                    query=tuple(query),
                    title=title,
                    pattern=re.compile(pattern),
                    by_route=list_parameters(scopes) <= set(arguments),
                )
            )
            return act

        return keep


@dataclass(slots=True)
class Call:
    """A call of an API method. `params` are the decoded parameters of the route, `body` is the JSON that was sent."""

    deployment: Deployment
    method: Method
    params: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    content_type: str
    signed: Signed
    _caller: Caller | None = None

    @property
    def caller(self) -> Caller:
        """Return the caller, after checking the signature. Methods that do not ask answer any signature. Raises
        ApiError 401."""
        if self._caller is None:
            self._caller = authenticate(self.signed, self.deployment)
        return self._caller

    def paginate(self, items: Sequence[Item]) -> tuple[Sequence[Item], dict[str, str]]:
        """Return the items that the query asks for, and the token for those after them."""
        begin = int(self.query.get("continuationToken", "0"))
        end = begin + int(self.query.get("limit", _MOST_LISTED))
        return items[begin:end], {"continuationToken": str(end)} if end < len(items) else {}

    def authorize(self, **values: Any) -> None:
        """Check that the caller holds the scopes that the method requires. `values` fills what the route does not tell.

        Raises ApiError: 401 for a bad signature, 403 with the text of lib-api (libraries/api, middleware/auth)."""
        required = render(self.method.scopes, {**self.params, **values})
        caller = self.caller
        lacking = find_missing(required, caller.held)
        if lacking is None:
            return
        if caller.client_id is None:
            raise ApiError(
                "InsufficientScopes",
                "This request requires Taskcluster credentials that satisfy the following scope expression:\n\n"
                f"```\n{format_expression(required)}\n```",
            )
        raise ApiError("InsufficientScopes", describe_missing_scopes(caller.client_id, lacking, required))


def _ping(call: Call) -> Any:
    """Ping the server"""
    return {"alive": True, "uptime": 1}


def describe_missing_scopes(client_id: str, lacking: Expression, required: Expression) -> str:
    """Return the message for a caller who lacks scopes: what is missing, and what is required."""
    return (
        f"Client ID {client_id} does not have sufficient scopes and is missing the following scopes:\n\n"
        f"```\n{format_expression(lacking)}\n```\n\n"
        f"This request requires the client to satisfy the following scope expression:\n\n```\n{format_expression(required)}\n```"
    )


def handle(call: Call) -> Any:
    """Handle a call. Return the value to send as JSON, or None for nothing. Raises ApiError."""
    method = call.method
    with call.deployment.lock:
        if method.scopes is not None and method.by_route:
            call.authorize()
        if method.body is not None:
            _check_body(call, method.body)
        return method.act(call)


def _check_body(call: Call, schema: Schema) -> None:
    if call.content_type != "application/json":
        raise ApiError(
            "MalformedPayload",
            f"Payload must be JSON with content-type: application/json got content-type: {call.content_type or 'null'}",
        )
    errors = list(find_errors(call.body, schema))
    if errors:
        address = call.deployment.root_url + get_schema_path(call.method)
        listed = "".join(f"\n  * {error}" for error in errors)
        raise ApiError(
            "InputValidationError",
            f"\nSchema Validation Failed!\nRejecting Schema: {address}#\nErrors:{listed}",
        )


def get_schema_path(method: Method) -> str:
    """Return the path of the schema of a method's body."""
    return f"/schemas/{method.service}/v1/{method.body_name}.json"


def find_method(services: Mapping[str, Service], verb: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    """Return the method for `verb` and `path` (`<service>/v1/…`, as it was sent) with the parameters in the path, or
    None."""
    for method, match in _match_methods(services, path):
        if method.verb == verb:
            return method, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def list_verbs(services: Mapping[str, Service], path: str) -> list[str]:
    """Return the HTTP methods that `path` allows, sorted. The list is empty if there is no such route."""
    return sorted({method.verb for method, _ in _match_methods(services, path)})


def _match_methods(services: Mapping[str, Service], path: str) -> Iterable[tuple[Method, re.Match[str]]]:
    name, _, rest = path.partition("/")
    service = services.get(name)
    version, _, route = rest.rstrip("/").partition("/")
    if service is not None and version == service.version:
        for method in service.methods:
            match = method.pattern.fullmatch(f"/{route}")
            if match is not None:
                yield method, match
