"""Serve the Secrets service."""

from __future__ import annotations

from typing import Any

from tcenv.sandbox.api import Call, Service
from tcenv.sandbox.records import ApiError, format_timestamp, parse_timestamp
from tcenv.sandbox.schema import TIME, record

SECRETS = Service("secrets", "Secrets Service")
_EXAMPLES = "project/sandbox/"
_SECRET = record("secret expires", secret={"type": "object"}, expires=TIME)


@SECRETS.declare("PUT", "set", "/secret/<name>", "secrets:set:<name>", body=_SECRET, body_name="secret")
def _set_secret(call: Call) -> Any:
    """Set a secret"""
    call.deployment.secrets[call.params["name"]] = dict(call.body)
    return {}


@SECRETS.declare("GET", "get", "/secret/<name>", "secrets:get:<name>")
def _get_secret(call: Call) -> Any:
    """Get a secret; every name below project/sandbox/ has one"""
    name, now = call.params["name"], call.deployment.now()
    secret = call.deployment.secrets.get(name)
    if secret is None:
        if not name.startswith(_EXAMPLES):
            raise ApiError("ResourceNotFound", "Secret not found")
        return {"secret": {"sandbox": "nothing here is real"}, "expires": format_timestamp(now + 86400)}
    if parse_timestamp(secret["expires"]) < now:
        raise ApiError("ResourceExpired", "The requested resource has expired.")
    return secret


@SECRETS.declare("DELETE", "remove", "/secret/<name>", "secrets:set:<name>")
def _remove_secret(call: Call) -> Any:
    """Delete a secret, if there is one"""
    call.deployment.secrets.pop(call.params["name"], None)
    return {}


@SECRETS.declare("GET", "list", "/secrets", "secrets:list-secrets", query=("continuationToken", "limit"))
def _list_secrets(call: Call) -> Any:
    """List the names of secrets"""
    return {"secrets": sorted(call.deployment.secrets)}
