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

    def public(self) -> dict[str, Any]:
        """What the API tells of it."""
        return {
            "clientId": self.client_id,
            "expires": timestamp(self.expires),
            "created": timestamp(self.created),
            "lastModified": timestamp(self.last_modified),
            "lastDateUsed": timestamp(self.created),
            "lastRotated": timestamp(self.last_rotated),
            "description": self.description,
            "deleteOnExpiration": self.delete_on_expiration,
            "disabled": self.disabled,
            "scopes": list(self.scopes),
            "expandedScopes": list(self.scopes),
        }

    def with_token(self) -> dict[str, Any]:
        """What the API tells whoever made the client or reset its token."""
        return {**self.public(), "accessToken": self.access_token}


@dataclass(frozen=True)
class Request:
    """A request that came in, for tests to look at; it holds no secret. `path` is without the query, `client_id` None for a
    call that nobody signed (or whose signature nobody needed)."""

    method: str
    path: str
    client_id: str | None
    status: int


def timestamp(seconds: float) -> str:
    """The API's way to write a time."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_timestamp(text: object) -> float:
    """Seconds since the epoch. Raises ApiError 400."""
    try:
        time = datetime.fromisoformat(str(text))
        return time.astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        raise invalid("expires must be a date and time") from None


def new_token() -> str:
    """44 characters, two random UUIDs in the URL-safe alphabet; it may begin with `-` or `_`."""
    return "".join(urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=") for _ in range(2))


def invalid(what: str) -> ApiError:
    """The answer to a body that does not follow the schema."""
    return ApiError(400, "InputValidationError", f"Schema validation error: {what}")
