"""What the sandbox keeps and tells: clients, the requests that came in, and errors as the API words them."""

from __future__ import annotations

import re
import uuid
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

CLIENT_ID = re.compile(r"[A-Za-z0-9!@/:.+|_-]+")
SCOPE = re.compile(r"[ -~]*")
LONGEST_DESCRIPTION = 10_240
# A date with its time and its zone (RFC 3339), as the schemas of the API want it.
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)")


class ApiError(Exception):
    """An answer of the API that is not good: HTTP status, the service's code for it, and its message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


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
    """A request that came in, for tests to look at; it holds no secret. `path` is without the query, `client_id` None for a
    call that nobody signed (or whose signature was not good). `authorized_scopes` are those to which the caller narrowed
    this request (None: not narrowed), `certificate` tells temporary credentials, `bewit` a signed URL."""

    method: str
    path: str
    client_id: str | None
    status: int
    authorized_scopes: tuple[str, ...] | None = None
    certificate: bool = False
    bewit: bool = False


def timestamp(seconds: float) -> str:
    """Write a time as the API does."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: object) -> float:
    """Seconds since the epoch. Raises ApiError 400 for anything but a date with its time and zone."""
    try:
        if isinstance(text, str) and _DATE_TIME.fullmatch(text):
            return datetime.fromisoformat(text.upper()).timestamp()
    except (ValueError, OverflowError):
        pass
    raise wrong("expires must match format date-time")


def new_token() -> str:
    """44 characters, two random UUIDs in the URL-safe alphabet; it may begin with `-` or `_`."""
    return "".join(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in range(2))


def invalid(what: str) -> ApiError:
    """Return the error for a body that does not match the schema."""
    return ApiError(400, "InputValidationError", f"Schema validation error: {what}")


def wrong(what: str) -> ApiError:
    """Return the error for a body that matches the schema and that the service does not accept."""
    return ApiError(400, "InputError", what)


def fields_of(body: Any, **types: type) -> dict[str, Any]:
    """`body`, if it is an object and each field of `types` that it has is of that type. Raises ApiError 400."""
    if not isinstance(body, dict):
        raise wrong("the body must be a JSON object")
    for name, kind in types.items():
        if name in body and (not isinstance(body[name], kind) or (kind is not bool and isinstance(body[name], bool))):
            raise wrong(f"{name} must be {_NAMES[kind]}")
    return body


_NAMES: dict[type, str] = {
    str: "a string", bool: "a boolean", list: "an array", dict: "an object", int: "an integer"
}  # fmt: skip
