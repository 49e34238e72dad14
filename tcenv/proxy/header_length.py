"""Compute how many scopes fit into a request. They are part of its Authorization header, whose length the service
limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tcenv.deployment.patterns import MAX_HEADER_LENGTH

# The longest values of the header's parts that are not known in advance.
_HASH = "=" * 44
_ANYWHERE = Endpoint("localhost", 443, "/")


def measure_header(client_id: str, content: dict[str, Any]) -> int:
    """Return the length in characters of a header by `client_id` with this `ext`."""
    header = hawk.make_header(
        client_id, "", "GET", _ANYWHERE, now=10**10, ext=hawk.encode_extension(content), payload_hash=_HASH
    )
    return len(header)


def count_fitting(client_id: str, scopes: Sequence[str]) -> int:
    """Return how many of `scopes`, counted from the first, fit into a request."""
    fitting, too_many = 0, len(scopes) + 1
    while too_many - fitting > 1:
        middle = (fitting + too_many) // 2
        if measure_header(client_id, {"authorizedScopes": list(scopes[:middle])}) <= MAX_HEADER_LENGTH:
            fitting = middle
        else:
            too_many = middle
    return fitting


def measure_certificate(client_id: str, scopes: Sequence[str]) -> int:
    """Return the length in characters of a header by temporary credentials with `scopes`."""
    certificate = {
        "version": 1,
        "scopes": list(scopes),
        "start": 10**12,
        "expiry": 10**12,
        "seed": "=" * 44,
        "signature": "=" * 44,
    }
    return measure_header(client_id, {"certificate": certificate})
