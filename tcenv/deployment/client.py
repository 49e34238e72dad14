"""The `taskcluster` library's Auth client with another transport: the library knows the routes, the arguments and how calls
are signed; tcenv's line carries them. Importing this module imports the library."""

from __future__ import annotations

import time
from typing import Any

from tcenv.deployment import answers, hawk
from tcenv.deployment.credentials import Credentials
from tcenv.deployment.library import taskcluster
from tcenv.deployment.transport import Line, Unreachable, Unusable

_TRIES = 3


class Auth(taskcluster.Auth):  # type: ignore[misc]
    """`taskcluster.Auth`, whose calls go through a Line.

    Its methods raise the library's TaskclusterAuthFailure (401) and TaskclusterRestFailure (other refusals, whose `body` is
    {} where it is no JSON), and the line's Unreachable and Unusable. What could not be sent, and 5xx, is tried again."""

    def __init__(self, root_url: str, credentials: Credentials | None, line: Line) -> None:
        options: dict[str, Any] = {"rootUrl": root_url}
        if credentials is not None:
            options["credentials"] = credentials.for_taskcluster()
        super().__init__(options)
        self._line = line

    def _makeHttpRequest(self, method: str, route: str, payload: Any) -> Any:
        """The library's one place that sends, in all versions from 60 on (a test holds them to it)."""
        url = self._constructUrl(route)
        body = None if payload is None else taskcluster.utils.dumpJson(payload)
        for tried in range(1, _TRIES + 1):
            try:
                answer = self._line.exchange(
                    method.upper(), url, None if body is None else body.encode(), self._headers(method, url, body)
                )
            except Unreachable as failure:
                if tried == _TRIES or failure.late:
                    raise
            else:
                if not 500 <= answer.status < 600 or tried == _TRIES:
                    return _result(answer.status, answer.body)
            pause = taskcluster.utils.calculateSleepTime(tried)
            time.sleep(max(0.0, min(pause, self._line.until - time.monotonic())))
        raise AssertionError("the last try returns or raises")

    def _createSession(self) -> None:
        """None of `requests`' sessions is needed."""

    def _headers(self, method: str, url: str, body: str | None) -> dict[str, str]:
        headers = {} if body is None else {"Content-Type": "application/json"}
        if self._hasCredentials():
            payload = hawk.PayloadHash(headers.get("Content-Type", ""))
            payload.update((body or "").encode())
            headers["Authorization"] = hawk.header(
                self.options["credentials"]["clientId"].decode(),
                self.options["credentials"]["accessToken"].decode(),
                method,
                hawk.Place.of(url),
                now=time.time(),
                ext=(self.makeHawkExt() or b"").decode(),
                payload_hash=payload.value(),
            )
        return headers


def _result(status: int, body: bytes) -> Any:
    if status == 204:
        return None
    if 200 <= status < 300:
        told = answers.parse(body)
        if told is None:
            raise Unusable("it is no object")
        return told
    if 300 <= status < 400:
        raise Unusable("it leads elsewhere (a redirect)")
    try:
        told = answers.parse(body)
    except Unusable:
        told = {}
    kind = (
        taskcluster.exceptions.TaskclusterAuthFailure
        if status == 401
        else taskcluster.exceptions.TaskclusterRestFailure
    )
    message = told.get("message") if isinstance(told, dict) else None
    raise kind(message if isinstance(message, str) else f"HTTP {status}", None, status_code=status, body=told)
