"""Define the records of the sandbox: clients, callers, requests, and the errors of the API."""

from __future__ import annotations

import re
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tcenv.sandbox.scopes import Held

CLIENT_ID = re.compile(r"[A-Za-z0-9!@/:.+|_-]+")
SLUG = re.compile(r"[A-Za-z0-9_-]{8}[Q-T][A-Za-z0-9_-][CGKOSWaeimquy26-][A-Za-z0-9_-]{10}[AQgw]")
_NAME = re.compile(r"[a-zA-Z0-9-_]{1,64}")
# The format of each parameter of a route.
_PARAMETERS = {
    "clientId": CLIENT_ID,
    "taskId": SLUG,
    "taskGroupId": SLUG,
    "runId": re.compile(r"[0-9]+"),
    "hookGroupId": _NAME,
    "hookId": re.compile(r"[a-zA-Z0-9-_/]{1,64}"),
}
SCOPE = re.compile(r"[ -~]*")
LONGEST_DESCRIPTION = 10_240


# The HTTP status of each code (libraries/api, errors).
_STATUSES = {
    "MalformedPayload": 400,
    "InvalidRequestArguments": 400,
    "InputValidationError": 400,
    "InputError": 400,
    "AuthenticationFailed": 401,
    "InsufficientScopes": 403,
    "ResourceNotFound": 404,
    "RequestConflict": 409,
    "ResourceExpired": 410,
    "InputTooLarge": 413,
}


class ApiError(Exception):
    """An error answer of the API: the service's code, its message, and the HTTP status that belongs to the code."""

    def __init__(self, code: str, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = status or _STATUSES[code]


@dataclass
class Client:
    """A client as the deployment keeps it. Times are seconds since the epoch."""

    client_id: str
    access_token: str = field(repr=False)
    expires: float
    scopes: list[str]
    description: str = ""
    delete_on_expiration: bool = False
    disabled: bool = False
    created: float = 0.0
    last_modified: float = 0.0
    last_rotated: float = 0.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request that the sandbox answered, for tests. It holds no secret.

    `path` has no query. `client_id` is None if nobody signed the call, or with a bad signature. `authorized_scopes` are
    those to which the caller narrowed the request (None: not narrowed). `certificate` tells of temporary credentials,
    `bewit` of a signed URL."""

    method: str
    path: str
    client_id: str | None
    status: int
    authorized_scopes: tuple[str, ...] | None = None
    certificate: bool = False
    bewit: bool = False


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller and its scopes. `client_id` is None for an anonymous caller. Request explains the other fields."""

    client_id: str | None
    held: Held
    authorized_scopes: tuple[str, ...] | None = None
    certificate: bool = False
    bewit: bool = False


def format_timestamp(seconds: float) -> str:
    """Format a time (seconds since the epoch) as the API does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> float:
    """Return the seconds since the epoch of a time that matches the schema. A time without a zone is UTC. Raises
    ApiError 400 if it has no year in UTC."""
    moment = datetime.fromisoformat(text.upper())
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).timestamp()
    except OverflowError:
        raise ApiError("InputError", f"{text} is not a time of this calendar") from None


def make_token() -> str:
    """Return a new token: 44 characters, two random UUIDs in the URL-safe alphabet. It may begin with `-` or `_`."""
    return "".join(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in range(2))


def check_parameters(params: Mapping[str, str]) -> None:
    """Raise ApiError 400 if a parameter of a route is malformed."""
    errors = [
        f"URL parameter '{name}' given as '{value}' must match regular expression: '/^{_PARAMETERS[name].pattern}$/'"
        for name, value in params.items()
        if name in _PARAMETERS and not _PARAMETERS[name].fullmatch(value)
    ]
    if errors:
        raise ApiError("InvalidRequestArguments", "\n".join(["Invalid URL patterns:", *errors]))
