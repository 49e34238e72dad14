"""Temporary credentials: cut from others without a call, holding less and ending sooner."""

from __future__ import annotations

import datetime
import time

from tcenv.deployment.credentials import Credentials
from tcenv.deployment.scopes import covers
from tcenv.errors import UsageError

LONGEST_TEMPORARY = 31 * 86400


def temporary(
    credentials: Credentials, held: tuple[str, ...] | None, scopes: tuple[str, ...], expires: int
) -> Credentials:
    """Temporary credentials with `scopes`, good until `expires` (seconds since the epoch), signed by `credentials` without
    a call. Raises UsageError for scopes outside of `held` (None: unknown, so the deployment will judge), or for more than
    31 days."""
    from taskcluster import createTemporaryCredentials

    missing = [scope for scope in scopes if held is not None and not covers(held, scope)]
    if missing:
        raise UsageError(
            f"The session does not hold {', '.join(missing)}.",
            "See what it holds: tcenv status. To ask for more: tcenv login --reset --scope …",
        )
    now = int(time.time())
    if expires - now > LONGEST_TEMPORARY:
        raise UsageError("Temporary credentials last 31 days at most.")
    made = createTemporaryCredentials(
        credentials.client_id,
        credentials.access_token,
        datetime.datetime.fromtimestamp(now, datetime.UTC),
        datetime.datetime.fromtimestamp(expires, datetime.UTC),
        list(scopes),
    )
    return Credentials(credentials.client_id, made["accessToken"].decode("ascii"), made["certificate"])
