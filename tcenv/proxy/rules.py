"""Decide which calls a run passes on, before anything is sent to the deployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tcenv.proxy import credential_calls, secret_calls
from tcenv.proxy.body import SMALL
from tcenv.proxy.credential_calls import OwnClient

if TYPE_CHECKING:
    from tcenv.proxy.body import Body
    from tcenv.proxy.routes import Call

READ_METHODS = ("GET", "HEAD")


class ErrorAnswer(Exception):
    """An answer that ends a request without the deployment: an HTTP status, a code and a message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Rules:
    """The calls that the run passes on, and the hosts and the port by which programs may call it.
    `refuse_secrets` refuses calls that return secrets or private artifacts."""

    hosts: frozenset[str]
    port: int
    own: OwnClient
    read_only: bool = False
    allow_credentials: bool = False
    refuse_secrets: bool = False

    def check(self, method: str, call: Call) -> None:
        """Raise ErrorAnswer for a call that the run does not pass on."""
        if self.read_only and method not in READ_METHODS:
            raise _make_refusal("This run of tcenv's proxy passes only GET and HEAD (--read-only).")
        protect_own_client(self.own, method, call)
        if not self.allow_credentials:
            name = credential_calls.find_credential_method(method, call)
            if name is not None:
                raise _make_credentials_refusal(f"{call.service}.{name}")
        if self.refuse_secrets:
            name = secret_calls.find_secret_method(method, call)
            if name is not None:
                raise _make_refusal(
                    f"This run of tcenv's proxy (--agent) does not pass {call.service}.{name}, because it returns a secret or "
                    "a private artifact. Name a purpose or a scope for the run to allow it."
                )

    async def check_body(self, method: str, call: Call, body: Body) -> None:
        """Raise ErrorAnswer if the answer to this call would hold credentials because of its body."""
        if self.allow_credentials or not credential_calls.depends_on_body(method, call):
            return
        content = b""
        async for piece in body:
            content += piece
            if len(content) > SMALL:
                break
        if len(content) > SMALL or credential_calls.asks_for_object_credentials(content):
            raise _make_credentials_refusal("queue.createArtifact of an object")


def protect_own_client(own: OwnClient, method: str, call: Call) -> None:
    """Raise ErrorAnswer for a call that would change the session's own client."""
    if own.is_changed_by(method, call):
        raise _make_refusal("tcenv's proxy does not change the session's own client.")


def _make_credentials_refusal(method: str) -> ErrorAnswer:
    return _make_refusal(
        f"tcenv's proxy passes {method} only with --allow-credentials, because it returns credentials."
    )


def _make_refusal(text: str) -> ErrorAnswer:
    return ErrorAnswer(403, "RefusedByProxy", text)
