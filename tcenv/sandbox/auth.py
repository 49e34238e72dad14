"""Serve the Auth service: clients, roles, and the scopes of everybody. Methods that return credentials of other clouds
return worthless ones."""

from __future__ import annotations

from typing import Any

from tcenv.sandbox.api import Call, Service
from tcenv.sandbox.deployment import parse_client, sort_scopes
from tcenv.sandbox.records import LONGEST_DESCRIPTION, ApiError, Client, format_timestamp
from tcenv.sandbox.schema import SCOPES, TIME, record, text
from tcenv.sandbox.scopes import normalize

AUTH = Service("auth", "Auth Service")
_CLIENT = record(
    "expires description",
    expires=TIME,
    description=text(LONGEST_DESCRIPTION),
    scopes=SCOPES,
    deleteOnExpiration={"type": "boolean"},
)


def _describe(call: Call, client: Client) -> dict[str, Any]:
    """Return a client as the API shows it."""
    return {
        "clientId": client.client_id,
        "expires": format_timestamp(client.expires),
        "created": format_timestamp(client.created),
        "lastModified": format_timestamp(client.last_modified),
        "lastDateUsed": format_timestamp(client.created),
        "lastRotated": format_timestamp(client.last_rotated),
        "description": client.description,
        "deleteOnExpiration": client.delete_on_expiration,
        "disabled": client.disabled,
        "scopes": sorted(client.scopes),
        "expandedScopes": list(normalize(call.deployment.expand(client.scopes))),
    }


def _describe_with_token(call: Call, client: Client) -> dict[str, Any]:
    """Return a client as the API shows it to the caller who created it or reset its token."""
    return {**_describe(call, client), "accessToken": client.access_token}


def _check_client_id(call: Call) -> str:
    client_id = call.params["clientId"]
    if client_id.startswith("static/"):
        raise ApiError(
            "InputError",
            f'clientId "{client_id}" starts with "static/" which is reserved for statically configured clients. '
            "Contact your administrator to change static clients.",
        )
    return client_id


@AUTH.declare("GET", "lbheartbeat", "/__lbheartbeat__")
def _answer_heartbeat(call: Call) -> Any:
    """Answer the load balancer's heartbeat"""
    return {}


@AUTH.declare("GET", "version", "/__version__")
def _get_version(call: Call) -> Any:
    """Get the version of the deployment"""
    return {"source": "tcenv sandbox", "version": "v106.0.0", "commit": "", "build": ""}


@AUTH.declare("GET", "listClients", "/clients", "auth:list-clients", query=("prefix", "continuationToken", "limit"))
def _list_clients(call: Call) -> Any:
    """List clients"""
    prefix = call.query.get("prefix", "")
    found = [client for name, client in sorted(call.deployment.clients.items()) if name.startswith(prefix)]
    page, more = call.paginate(found)
    return {"clients": [_describe(call, client) for client in page], **more}


@AUTH.declare("GET", "client", "/clients/<clientId>", "auth:get-client:<clientId>")
def _get_client(call: Call) -> Any:
    """Get a client"""
    return _describe(call, call.deployment.get_client(call.params["clientId"]))


@AUTH.declare(
    "PUT",
    "createClient",
    "/clients/<clientId>",
    {"AllOf": ["auth:create-client:<clientId>", {"for": "scope", "in": "scopes", "each": "<scope>"}]},
    body=_CLIENT,
    body_name="create-client-request",
)
def _create_client(call: Call) -> Any:
    """Create a client, or get the one that an equal call has just created"""
    client_id, fields = _check_client_id(call), parse_client(call.body)
    call.authorize(scopes=fields.get("scopes", []))
    return _describe_with_token(call, call.deployment.create(client_id, fields))


@AUTH.declare(
    "POST",
    "updateClient",
    "/clients/<clientId>",
    {"AllOf": ["auth:update-client:<clientId>", {"for": "scope", "in": "scopesAdded", "each": "<scope>"}]},
    body=_CLIENT,
    body_name="create-client-request",
)
def _update_client(call: Call) -> Any:
    """Update a client; scopes that it has already need not be held"""
    client_id, fields = _check_client_id(call), parse_client(call.body)
    held = call.deployment.get_client(client_id).scopes
    call.authorize(scopesAdded=[scope for scope in fields.get("scopes", []) if scope not in held])
    return _describe(call, call.deployment.update(client_id, fields))


@AUTH.declare("POST", "resetAccessToken", "/clients/<clientId>/reset", "auth:reset-access-token:<clientId>")
def _reset_access_token(call: Call) -> Any:
    """Reset a client's accessToken"""
    return _describe_with_token(call, call.deployment.reset(_check_client_id(call)))


@AUTH.declare("DELETE", "deleteClient", "/clients/<clientId>", "auth:delete-client:<clientId>")
def _delete_client(call: Call) -> Any:
    """Delete a client, if there is one"""
    call.deployment.clients.pop(_check_client_id(call), None)


@AUTH.declare("POST", "enableClient", "/clients/<clientId>/enable", "auth:enable-client:<clientId>")
def _enable_client(call: Call) -> Any:
    """Enable a client"""
    client = call.deployment.get_client(_check_client_id(call))
    client.disabled = False
    return _describe(call, client)


@AUTH.declare("POST", "disableClient", "/clients/<clientId>/disable", "auth:disable-client:<clientId>")
def _disable_client(call: Call) -> Any:
    """Disable a client"""
    client = call.deployment.get_client(_check_client_id(call))
    client.disabled = True
    return _describe(call, client)


@AUTH.declare("GET", "currentScopes", "/scopes/current", "auth:current-scopes")
def _get_current_scopes(call: Call) -> Any:
    """Get what the caller may do"""
    return {"scopes": list(normalize(call.caller.held.scopes))}


@AUTH.declare("POST", "expandScopes", "/scopes/expand", "auth:expand-scopes",
              body=record("scopes", scopes=SCOPES), body_name="scopeset")  # fmt: skip
def _expand_scopes(call: Call) -> Any:
    """Expand scopes by the roles in them"""
    return {"scopes": list(normalize(call.deployment.expand(sort_scopes(call.body["scopes"]))))}


@AUTH.declare("GET", "listRoles", "/roles", "auth:list-roles")
def _list_roles(call: Call) -> Any:
    """List roles"""
    return [_describe_role(call, role_id) for role_id in sorted(call.deployment.roles)]


@AUTH.declare("GET", "role", "/roles/<roleId>", "auth:get-role:<roleId>")
def _get_role(call: Call) -> Any:
    """Get a role"""
    if call.params["roleId"] not in call.deployment.roles:
        raise ApiError("ResourceNotFound", "Role not found")
    return _describe_role(call, call.params["roleId"])


def _describe_role(call: Call, role_id: str) -> dict[str, Any]:
    return {
        "roleId": role_id,
        "scopes": sorted(call.deployment.roles[role_id]),
        "expandedScopes": list(normalize(call.deployment.expand((f"assume:{role_id}",)))),
        "description": "",
        "created": format_timestamp(0),
        "lastModified": format_timestamp(0),
    }


@AUTH.declare(
    "GET",
    "awsS3Credentials",
    "/aws/s3/<level>/<bucket>/<prefix>",
    {
        "if": "levelIsReadOnly",
        "then": {"AnyOf": ["auth:aws-s3:read-only:<bucket>/<prefix>", "auth:aws-s3:read-write:<bucket>/<prefix>"]},
        "else": "auth:aws-s3:read-write:<bucket>/<prefix>",
    },
    query=("format",),
)
def _get_aws_s3_credentials(call: Call) -> Any:
    """Get temporary credentials for a folder of an S3 bucket"""
    call.authorize(levelIsReadOnly=call.params["level"] == "read-only")
    credentials = {"accessKeyId": "sandbox", "secretAccessKey": "nothing-real", "sessionToken": "nothing-real"}
    return {"credentials": credentials, "expires": format_timestamp(call.deployment.now() + 3600)}


@AUTH.declare(
    "GET",
    "gcpCredentials",
    "/gcp/credentials/<projectId>/<serviceAccount>",
    "auth:gcp:access-token:<projectId>/<serviceAccount>",
)
def _get_gcp_credentials(call: Call) -> Any:
    """Get an access token for a GCP service account"""
    return {"accessToken": "nothing-real", "expireTime": format_timestamp(call.deployment.now() + 3600)}


@AUTH.declare(
    "GET",
    "websocktunnelToken",
    "/websocktunnel/<wstAudience>/<wstClient>",
    "auth:websocktunnel-token:<wstAudience>/<wstClient>",
)
def _get_websocktunnel_token(call: Call) -> Any:
    """Get a token for a websocktunnel"""
    params = call.params
    return {**params, "token": "nothing-real", "expires": format_timestamp(call.deployment.now() + 3600)}
