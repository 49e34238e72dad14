"""A Taskcluster look-alike on loopback: both sign-in pages, the Auth service, and parts of Queue, Secrets and Hooks.

It behaves like a deployment of version 106 in all that matters to tools that use Taskcluster credentials.

    from tcenv.sandbox import Sandbox

    with Sandbox() as tc:
        ...  # tc.root_url is a root URL

`Sandbox` is the deployment. `tcenv.sandbox.approve.approve(url)` approves on its sign-in page as a user does (as a program for
BROWSER: `python -m tcenv.sandbox.approve %s`). `FAULTS` lists the ways in which it can fail or lie.

- **State:** `user`, `user_scopes`, `roles`, `create_client(client_id, scopes, lifetime=…)`, `credentials(client_id)`,
  `environ(client_id)`, `clients`, `disable`, `delete`, `purge`.
- **What happened:** `requests` (method, path, status, clientId, authorizedScopes, certificate, bewit), `approvals`, `tasks`,
  `secrets`.
- **Failures:** `fail(name, path=…, times=…, seconds=…)`, `heal()`, `clock_offset`, `signed_in`, `signed_in_after`.

The pytest fixture `tcenv_sandbox` is a running sandbox. docs/sandbox.md shows examples.

It gives credentials to everybody who asks, so it must never listen beyond loopback."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tcenv.sandbox.faults import FAULTS, Fault
    from tcenv.sandbox.records import ApiError, Client, Request
    from tcenv.sandbox.server import Sandbox, default_scopes

__all__ = ["FAULTS", "ApiError", "Client", "Fault", "Request", "Sandbox", "default_scopes"]
_HOMES = {
    "FAULTS": "faults", "Fault": "faults", "ApiError": "records", "Client": "records", "Request": "records",
    "Sandbox": "server", "default_scopes": "server",
}  # fmt: skip


def __getattr__(name: str) -> object:
    # pytest loads this package in every project that has tcenv installed, so import the sandbox only on use.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
