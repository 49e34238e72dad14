"""The `taskcluster` client of the Auth service. It knows the methods, their routes and their arguments; `http` sends.

The library itself would send through `requests` without a time limit, and a `~/.netrc` entry would replace the signature. Its
import takes as long as the start of eleven interpreters, so only a sign-in imports this module, while the user is in the
browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import taskcluster

# Sends a request (method, URL, content of the body or None) and returns the JSON of the answer.
Exchange = Callable[[str, str, Any], Any]


class Auth(taskcluster.Auth):  # type: ignore[misc]
    """Sends the calls of `taskcluster.Auth` through `exchange`, and raises its errors."""

    def __init__(self, root_url: str, exchange: Exchange) -> None:
        super().__init__({"rootUrl": root_url})
        self._exchange = exchange

    def _makeHttpRequest(self, method: str, route: str, payload: Any) -> Any:
        """Send one call. The library sends in no other place, in all versions from 60 on (a test checks this)."""
        return self._exchange(method.upper(), self._constructUrl(route), payload)

    def _createSession(self) -> None:
        """Make no session of `requests`: nothing is sent through one."""
