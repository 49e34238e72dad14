"""The sandbox's two sign-in pages as a person meets them, crashes and all: today's `/auth/clients/create`, the older
`/auth/clients/new`, and a client's own page. Small pages whose buttons call `/sandbox/…` and then go to the callback by
putting its address together unencoded, as the real ones do."""

# ruff: noqa: E501 - a style sheet's lines

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from tcenv.sandbox.service import ApiError, timestamp

if TYPE_CHECKING:
    from tcenv.sandbox.server import Sandbox

_ALLOWED_CALLBACK = re.compile(r"^https?://localhost(:[0-9]+)?(/|$)")
_UNITS = (
    (365 * 86400, "years?|yr|y"),
    (30 * 86400, "months?|mo"),
    (7 * 86400, "weeks?|wk|w"),
    (86400, "days?|d"),
    (3600, "hours?|hr|h"),
    (60, "minutes?|mins?|m"),
    (1, "seconds?|secs?|s"),
)
_FROM_NOW = re.compile(
    r"\s*(-)?" + "".join(rf"(?:\s*(\d+)\s*(?:{unit})(?![a-z]))?" for _, unit in _UNITS) + r"\s*", re.I | re.ASCII
)
_MILLENNIUM = 1000 * 365 * 86400
_MOST_SCOPES = 20


class Crash(Exception):
    """The page dies while it is drawn, as the real one does."""


def from_now(text: str) -> int:
    """The seconds of a fromNow text in the page's grammar; `0d` and `-1d` are in it. Raises Crash."""
    match = _FROM_NOW.fullmatch(text)
    if match is None or not any(match.groups()[1:]):
        raise Crash(f"Parsing {text!r} as a time failed")
    seconds = sum(int(group or 0) * size for group, (size, _) in zip(match.groups()[1:], _UNITS, strict=True))
    return -seconds if match[1] else seconds


def page(sandbox: Sandbox, path: str, query: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """HTTP status and HTML of the page at `path`."""
    if path == "/":
        return 200, _document("Sandbox", "<h1>A Taskcluster sandbox</h1><p>Sign in with a tool that uses it.</p>")
    try:
        if path in ("/auth/clients/create", "/auth/clients/new"):
            return 200, _sign_in(sandbox, path.rpartition("/")[2], query)
        if path.startswith("/auth/clients/"):
            return 200, _existing(sandbox, path[len("/auth/clients/") :], dict(query))
    except Crash as crash:
        return 200, _document(
            "Error", f'<h1 id="crashed">Something went wrong</h1><p>The page has crashed: {escape(str(crash))}.</p>'
        )
    return 404, _document("Not Found", "<h1>Not Found</h1>")


def _sign_in(sandbox: Sandbox, variant: str, query: Sequence[tuple[str, str]]) -> str:
    values = dict(query)
    scopes = [value for key, value in query if key == "scope"]
    callback = values.get("callback_url")
    if variant == "create" and not 1 <= len(scopes) <= _MOST_SCOPES:
        raise Crash(f"{len(scopes)} scopes in the address")
    default = _MILLENNIUM if variant == "create" else 3 * 86400
    lifetime = from_now(values["expires"]) if "expires" in values else default
    if callback is not None and not _ALLOWED_CALLBACK.match(callback) and variant == "create":
        return _document(
            "Not allowed",
            f'<h1>Create Client</h1><p class="error" id="error">Callback URL {escape(callback)} is not allowed.</p>',
        )
    client_id = f"{sandbox.user}/{values.get('name', 'undefined')}"
    request: dict[str, Any] = {
        "variant": variant,
        "clientId": client_id,
        "description": values.get("description", ""),
        "scopes": scopes,
        "expires": timestamp(sandbox._service.now() + lifetime)
        if lifetime != _MILLENNIUM
        else "3026-01-01T00:00:00.000Z",
        "callback": callback,
        "loaded": time.monotonic(),
    }
    taken = variant == "new" and client_id in sandbox.clients
    warning = ""
    if callback is not None and not _ALLOWED_CALLBACK.match(callback):
        warning = f'<p class="warning"><label><input type="checkbox" id="acknowledge"> The address {escape(callback)} is not on this machine. I trust it with my token.</label></p>'
    buttons = (
        '<button id="reset">Reset accessToken</button> <button id="create-new" class="plain">Create a new clientId</button>'
        if taken
        else '<button id="save">Save Client</button>'
    )
    question = "<p>This client exists already.</p>" if taken else ""
    readonly = " readonly" if variant == "new" else ""
    granted = "".join(f"<li>{escape(scope)}</li>" for scope in scopes)
    return _document(
        "Create Client",
        f"<h1>Create Client</h1><p>A program on your machine asks for credentials that can do the following in your name.</p>"
        f'<label for="client-id">Client ID</label><input id="client-id" value="{escape(client_id)}" spellcheck="false"{readonly}>'
        f"<dl><dt>Description</dt><dd>{escape(request['description']) or '—'}</dd>"
        f"<dt>Expires</dt><dd>{escape(request['expires'])}</dd><dt>Scopes</dt><dd><ul>{granted}</ul></dd>"
        f"<dt>Signed in as</dt><dd>{escape(sandbox.user)}</dd></dl>{question}{warning}"
        f'<p class="error" id="error" role="alert"></p><p>{buttons}</p>'
        f'<script type="application/json" id="request">{_json(request)}</script><script>{_SCRIPT}</script>',
    )


def _existing(sandbox: Sandbox, client_id: str, values: dict[str, str]) -> str:
    if client_id not in sandbox.clients:
        return _document("Not Found", "<h1>Not Found</h1>")
    request = {
        "variant": "edit",
        "clientId": client_id,
        "callback": values.get("callback_url"),
        "loaded": time.monotonic(),
    }
    return _document(
        "Client",
        f'<h1>Client</h1><label for="client-id">Client ID</label><input id="client-id" value="{escape(client_id)}" readonly>'
        '<p class="error" id="error" role="alert"></p><p><button id="save">Save Client</button></p>'
        f'<script type="application/json" id="request">{_json(request)}</script><script>{_SCRIPT}</script>',
    )


def act(sandbox: Sandbox, action: str, content: dict[str, Any]) -> dict[str, Any]:
    """What a button of a page does in the user's name; the answer has the clientId and the accessToken for the callback.
    Raises ApiError with the text that the page then shows."""
    service = sandbox._service
    if not sandbox.user_may_see(float(content["loaded"])):
        raise ApiError(404, "ResourceNotFound", "Not Found")
    client_id = str(content["clientId"])
    with service.lock:
        if action == "edit":
            sandbox.approvals += 1
            return {"clientId": client_id, "accessToken": "undefined"}
        body = {
            "description": content["description"],
            "expires": content["expires"],
            "scopes": service.grantable(content["scopes"]),
            "deleteOnExpiration": True,
        }
        if action == "create":
            try:
                made = service.create(client_id, body)
            except ApiError as error:
                raise ApiError(
                    error.status, error.code, "Client already exists" if error.status == 409 else str(error)
                ) from None
        elif action == "create-new":
            number = next(n for n in range(1, 1000) if f"{client_id}-{n}" not in service.clients)
            made = service.create(f"{client_id}-{number}", body)
        elif action == "reset":
            service.call(service.as_user(), "POST", f"/clients/{client_id}", body)
            made = service.call(service.as_user(), "POST", f"/clients/{client_id}/reset", None)
        else:
            raise ApiError(404, "ResourceNotFound", "no such button")
        sandbox.approvals += 1
        return {"clientId": made["clientId"], "accessToken": made["accessToken"]}


def _json(content: object) -> str:
    return json.dumps(content).replace("<", "\\u003c")


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)} · sandbox</title><style>{_STYLE}</style></head>'
        f"<body><header>Taskcluster sandbox — nothing here is real</header><main>{body}</main></body></html>\n"
    )


_SCRIPT = """
const request = JSON.parse(document.getElementById('request').textContent);
const field = document.getElementById('client-id');
const error = document.getElementById('error');
async function press(action) {
  error.textContent = '';
  const acknowledge = document.getElementById('acknowledge');
  if (acknowledge && !acknowledge.checked) { error.textContent = 'Please read the warning first.'; return; }
  const answer = await fetch('/sandbox/' + action, {method: 'POST', body: JSON.stringify({...request, clientId: field.value})});
  const content = await answer.json();
  if (!answer.ok) { error.textContent = content.message; return; }
  if (request.callback) {
    window.location = request.callback + '?clientId=' + content.clientId + '&accessToken=' + content.accessToken;
  } else {
    document.querySelector('main').innerHTML = '<h1>Client saved</h1>';
  }
}
const actions = {save: request.variant === 'edit' ? 'edit' : 'create', reset: 'reset', 'create-new': 'create-new'};
for (const [id, action] of Object.entries(actions)) {
  const button = document.getElementById(id);
  if (button) button.addEventListener('click', () => press(action));
}
"""

_STYLE = """
:root{color-scheme:light dark;--ground:#eef1f5;--card:#fff;--ink:#1f2733;--soft:#66707f;--rule:#d9dee6;--accent:#2b5fd9;--bad:#b3261e}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--card:#1d2128;--ink:#e8ebf0;--soft:#98a2b1;--rule:#323944;--accent:#7ea2ff;--bad:#ff8a80}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,"DejaVu Sans",sans-serif}
header{padding:.6rem 1rem;text-align:center;font-size:.85rem;color:var(--soft);border-bottom:1px solid var(--rule)}
main{max-width:40rem;margin:2rem auto;padding:clamp(1.25rem,5vw,2.5rem);background:var(--card);border:1px solid var(--rule);border-radius:.75rem}
h1{margin-top:0;font-size:1.5rem}
label{display:block;font-size:.85rem;color:var(--soft)}
input:not([type=checkbox]){width:100%;padding:.6rem .7rem;font:inherit;color:inherit;background:transparent;border:1px solid var(--rule);border-radius:.4rem}
dt{margin-top:.8rem;font-size:.85rem;color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}ul{margin:0;padding-left:1.1rem}
.error{color:var(--bad);font-weight:600;min-height:1.5em}.warning label{font-size:1rem;color:var(--bad)}
button{padding:.6rem 1.2rem;font:inherit;font-weight:600;color:#fff;background:var(--accent);border:1px solid var(--accent);border-radius:.4rem;cursor:pointer}
button.plain{color:var(--accent);background:transparent}
@media(prefers-color-scheme:dark){button{color:#10131a}}
"""
