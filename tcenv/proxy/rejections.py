"""Tell the user once why the deployment rejects the session, since a program only sees a 401."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING

from tcenv.deployment.rejections import find_rejection
from tcenv.errors import Hint, make_login_command
from tcenv.proxy.learn import decode
from tcenv.sessions import known_clients

if TYPE_CHECKING:
    from tcenv.deployment.credentials import Credentials
    from tcenv.errors import Announce


class Rejections:
    """The rejections of one run's session. `argument` names its profile on a command line."""

    def __init__(self, argument: str, root_url: str, announce: Announce) -> None:
        self._argument = argument
        self._root_url = root_url
        self._announce = announce
        self._announced: set[tuple[str, Credentials]] = set()

    def report(self, content: bytes, encoding: str, credentials: Credentials) -> bool:
        """Announce once what a 401 with this body says about the credentials. Return whether it says anything about
        them."""
        try:
            message = json.loads(decode(content, encoding))["message"]
        except (ValueError, LookupError, TypeError, RecursionError, zlib.error):
            return False
        found = find_rejection(message) if isinstance(message, str) else None
        if found is None:
            return False
        if (found.reason, credentials) in self._announced:
            return True
        self._announced.add((found.reason, credentials))
        known_clients.note_rejection(self._root_url, credentials.client_id, found.reason)
        hint = Hint("Sign in again:", make_login_command(self._argument, "--reset"))
        self._announce(f"{found.sentence} ({self._root_url}).", Hint(found.hint) if found.hint else hint)
        return True
