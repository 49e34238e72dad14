"""A Taskcluster look-alike on loopback: both sign-in pages and the part of the Auth API that sign-in tools need, faithful to
a real deployment (version 106) where it matters to them.

    from tcenv.sandbox import Sandbox

    with Sandbox() as tc:
        ...  # tc.root_url is a root URL

It hands out credentials to whoever asks, and must never listen beyond loopback."""

from tcenv.sandbox.records import ApiError, Client, Request
from tcenv.sandbox.server import Sandbox

__all__ = ["ApiError", "Client", "Request", "Sandbox"]
