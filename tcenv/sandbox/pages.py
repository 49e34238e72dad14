"""Draw the sandbox's pages, crashes included: the sign-in page `/auth/clients/create`, the older `/auth/clients/new`, a
client's page, and a front page. page.css has their style, page.js their behaviour."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from itertools import count
from pathlib import Path
from typing import Any

from tcenv.sandbox.api import Call, handle
from tcenv.sandbox.auth import AUTH
from tcenv.sandbox.deployment import Deployment
from tcenv.sandbox.hawk import SKEW, Signed
from tcenv.sandbox.records import ApiError, Client, check_parameters, format_timestamp
from tcenv.sandbox.scopes import intersect, normalize

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOLDER = Path(__file__).parent
FILES = {"page.css": "text/css; charset=utf-8", "page.js": "text/javascript; charset=utf-8"}

_ALLOWED_CALLBACK = re.compile(r"^https?://localhost(:[0-9]+)?(/|$)")
_SAFE_CALLBACK = re.compile(r"^https?://")
_UNITS = (
    (365 * 86400, "y(?:(?:ears?)|r)?"),
    (30 * 86400, "mo(?:nths?)?"),
    (7 * 86400, "w(?:(?:eeks?)|k)?"),
    (86400, "d(?:ays?)?"),
    (3600, "h(?:(?:ours?)|r)?"),
    (60, "m(?:in(?:utes?)?)?"),
    (1, "s(?:ec(?:onds?)?)?"),
)
_FROM_NOW = re.compile(
    r"(?:\s*([-+]))?" + "".join(rf"(?:\s*([0-9]+)\s*{unit})?" for _, unit in _UNITS) + r"\s*", re.IGNORECASE
)
_YEAR = 365.2425 * 86400
_LATEST = 253402300799.0
_MAX_SCOPES = 20


class Crash(Exception):
    """The page crashes while it is drawn, as the real one does."""


@dataclass(frozen=True)
class Page:
    """The contents of a page.

    `expires` is in seconds since the epoch, counted from the time when the page was loaded. `callback` is None if no
    program waits. `name` and `scopes` are those that the program asked for, `given` those that the client gets.
    `refusal` is the error that Save shows instead of saving, `warning` a text to acknowledge first. `now` is the
    deployment's time when the page was drawn (None: the browser's clock does not matter)."""

    variant: str
    name: str
    scopes: tuple[str, ...]
    description: str
    expires: float
    callback: str | None
    client_id: str = ""
    given: tuple[str, ...] = ()
    taken: bool = False
    refusal: str | None = None
    warning: str | None = None
    known: bool = True
    loaded: float = 0.0
    now: float | None = None
    delete: bool = True


def parse_from_now(text: str) -> int:
    """Return the seconds of a fromNow text in the page's grammar (ui/src/utils/parseTime.js), which allows `0d` and
    `-1d`. Raises Crash."""
    match = _FROM_NOW.fullmatch(text)
    if match is None:
        raise Crash(f'"{text}" is not a valid time expression')
    seconds = sum(int(number or 0) * size for number, (size, _) in zip(match.groups()[1:], _UNITS, strict=True))
    return -seconds if match[1] == "-" else seconds


def make_sign_in_page(deployment: Deployment, variant: str, query: Sequence[tuple[str, str]], loaded: float) -> Page:
    """Return the page that `query` asks for. Raises Crash."""
    values = dict(query)
    callback = values.get("callback_url") or None
    scopes = tuple(value for key, value in query if key == "scope")
    if callback is not None and not 1 <= len(scopes) <= _MAX_SCOPES:
        raise Crash("scopeset1.filter is not a function" if scopes else "scopeset1 is undefined")
    allowed = callback is None or _ALLOWED_CALLBACK.match(callback)
    harmless = callback is None or _SAFE_CALLBACK.match(callback)
    refused = not (allowed if variant == "create" else harmless)
    known = deployment.signed_in and deployment.signed_in_after <= 0 and deployment.can_page_know_user()
    page = Page(
        variant=variant,
        name=values.get("name", "undefined"),
        scopes=scopes,
        description=values.get("description", ""),
        expires=_compute_end(deployment.now(), values.get("expires", ""), variant),
        callback=callback,
        client_id=values.get("client_id", ""),
        given=scopes,
        refusal=f"Callback URL {callback} is not allowed." if refused else None,
        warning=None if allowed or refused else f"{callback} is not on localhost, and would get the credentials.",
        known=known,
        loaded=loaded,
        now=_get_clock_for_browsers(deployment),
    )
    return replace(page, **fill_in(deployment, page)) if known and callback is not None else page


def fill_in(deployment: Deployment, page: Page) -> dict[str, Any]:
    """Return the fields that a page can fill in only if it knows the user."""
    client_id = f"{deployment.user}/{page.name}"
    return {
        "client_id": client_id,
        "given": tuple(intersect(page.scopes, normalize(deployment.make_user_caller().held.scopes))),
        "taken": page.variant == "new" and client_id in deployment.clients,
    }


def describe_user(deployment: Deployment, content: dict[str, Any]) -> dict[str, Any]:
    """Return the clientId and the scopes for the form of a page. If the user's scopes cannot be read, the clientId is
    empty and the scopes are those that the program asked for."""
    if _is_clock_off(deployment, content) or not deployment.can_page_know_user():
        return {"clientId": "", "scopes": content["scopes"]}
    page = Page("create", content["name"], tuple(content["scopes"]), "", 0, None)
    filled = fill_in(deployment, page)
    return {"clientId": filled["client_id"], "scopes": filled["given"]}


def _is_clock_off(deployment: Deployment, content: dict[str, Any]) -> bool:
    """Return whether the browser signs its calls with a time that the deployment rejects."""
    clock = content.get("clock")
    return clock is not None and not deployment.any_time and abs(float(clock) - deployment.now()) > SKEW


def _get_clock_for_browsers(deployment: Deployment) -> float | None:
    return None if deployment.any_time else deployment.now()


def _compute_end(now: float, expires: str, variant: str) -> float:
    if expires:
        return min(now + parse_from_now(expires), _LATEST)
    return now + (1000 * _YEAR if variant == "create" else 3 * 86400)


def press_button(deployment: Deployment, action: str, content: dict[str, Any]) -> dict[str, Any]:
    """Do what a button of a page does, in the user's name. Return clientId and accessToken for the callback. Raises
    ApiError with the error that the page shows."""
    if _is_clock_off(deployment, content):
        raise ApiError("ResourceNotFound", "Not Found")
    client_id = str(content["clientId"])
    body = {key: content[key] for key in ("description", "expires", "scopes")}
    body["deleteOnExpiration"] = content.get("deleteOnExpiration", True)
    with deployment.lock:
        if action == "create-new":
            names = (f"{client_id}-{number}" for number in count(1))
            client_id = next(name for name in names if name not in deployment.clients)
        if action in ("create", "create-new"):
            client = _call_as_user(deployment, "createClient", client_id, body)
        elif action == "reset":
            _call_as_user(deployment, "updateClient", client_id, body)
            client = _call_as_user(deployment, "resetAccessToken", client_id)
        elif action == "update":
            # Like the real page, look for a token that this client never got.
            client = {"accessToken": "undefined", **_call_as_user(deployment, "updateClient", client_id, body)}
        else:
            raise ApiError("ResourceNotFound", "Not Found")
    return {"clientId": client["clientId"], "accessToken": client["accessToken"]}


def _call_as_user(
    deployment: Deployment, name: str, client_id: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    method = next(method for method in AUTH.methods if method.name == name)
    params = {"clientId": client_id}
    check_parameters(params)
    unsigned = Signed(method.verb, "", "", "", "")
    answer: dict[str, Any] = handle(
        Call(deployment, method, params, {}, body, "application/json", unsigned, deployment.make_user_caller())
    )
    return answer


def render_sign_in(page: Page, *, signed_in: bool) -> str:
    """Draw a sign-in page. A user who has not signed in gets a dialog before the form."""
    if not signed_in:
        dialog = (
            '<div role="dialog" aria-labelledby="who"><h1 id="who">Sign in</h1>'
            "<p>You are not signed in to this deployment. Sign in to see the form.</p>"
            f'<p class="buttons"><button id="sign-in" type="button">Sign in</button></p></div>{_render_data(page)}'
        )
        return _render_document("Sign in", dialog)
    new = page.variant == "new"
    question = '<p class="question">A client with this ID already exists. What should happen?</p>' if page.taken else ""
    buttons = (
        '<button id="reset" type="button">Reset accessToken</button>'
        '<button id="create-new" type="button" class="plain">Create a new clientId</button>'
        if page.taken
        else '<button id="save" type="button">Save Client</button>'
    )
    lead = (
        "A program on this computer asks for credentials with these scopes, in your name."
        if page.callback is not None
        else "A client is a name and a token for programs. It can do what its scopes allow."
    )
    return _render_document(
        "Create Client",
        f"<h1>Create Client</h1><p>{lead}</p>{_render_form(page, fixed=new)}{question}{_render_warning(page.warning)}"
        f'<p id="error" class="error" role="alert" hidden></p><p class="buttons">{buttons}</p>{_render_data(page)}',
    )


def render_client(deployment: Deployment, client: Client, callback: str | None, loaded: float) -> str:
    """Draw the page of an existing client."""
    page = Page(
        variant="edit",
        name="",
        scopes=tuple(client.scopes),
        description=client.description,
        expires=client.expires,
        callback=callback,
        client_id=client.client_id,
        given=tuple(client.scopes),
        refusal=None
        if callback is None or _ALLOWED_CALLBACK.match(callback)
        else f"Callback URL {callback} is not allowed.",
        loaded=loaded,
        now=_get_clock_for_browsers(deployment),
        delete=client.delete_on_expiration,
    )
    return _render_document(
        "Client",
        f'<h1>Client</h1>{_render_form(page, fixed=True)}<p id="error" class="error" role="alert" hidden></p>'
        f'<p class="buttons"><button id="save" type="button">Save Client</button></p>{_render_data(page)}',
    )


def render_front(deployment: Deployment, variants: Sequence[str]) -> str:
    """Draw the front page: the user and the clients."""
    now = deployment.now()
    rows = "".join(
        f"<tr><td>{escape(client.client_id)}</td><td>{_format_time(client.expires)}</td>"
        f"<td>{_describe_state(client, now)}</td></tr>"
        for client in sorted(deployment.clients.values(), key=lambda client: client.client_id)
    )
    table = (
        f"<table><tr><th>Client</th><th>Expires</th><th></th></tr>{rows}</table>" if rows else "<p>No clients yet.</p>"
    )
    return _render_document(
        "Sandbox",
        f"<h1>Taskcluster sandbox</h1><p>You are signed in as <b>{escape(deployment.user)}</b>. "
        f"Programs sign in at {' and '.join(f'<code>/auth/clients/{variant}</code>' for variant in variants)}.</p>{table}",
    )


def render_crash(crash: Crash) -> str:
    """Draw a page that has crashed."""
    return _render_document(
        "Error", f'<h1>Something went wrong</h1><p id="crashed" class="error">{escape(str(crash))}</p>'
    )


def render_not_found() -> str:
    """Draw the page for an unknown address."""
    return _render_document("Not Found", '<h1 id="crashed">Not Found</h1>')


def read_file(name: str) -> bytes:
    """Read one of FILES."""
    return (_FOLDER / name).read_bytes()


def _describe_state(client: Client, now: float) -> str:
    if client.disabled:
        return "disabled"
    return "expired" if client.expires < now else ""


def _render_form(page: Page, *, fixed: bool) -> str:
    readonly = " readonly" if fixed else ""
    scopes = escape("\n".join(page.given))
    checked = " checked" if page.delete else ""
    return (
        '<label for="client-id">Client ID</label>'
        # The field grows to several lines, because the requested name is at its end.
        f'<textarea id="client-id" rows="1" autocomplete="off" spellcheck="false"{readonly}>\n'
        f"{escape(page.client_id)}</textarea>"
        '<label for="description">Description</label>'
        f'<textarea id="description" rows="1">\n{escape(page.description)}</textarea>'
        '<label for="scopes">Scopes, one on each line</label>'
        f'<textarea id="scopes" rows="{min(max(len(page.given), 2), 6)}" wrap="off" spellcheck="false">\n{scopes}</textarea>'
        '<label for="expires">Expires (UTC)</label>'
        f'<input id="expires" type="datetime-local" value="{format_timestamp(page.expires)[:16]}">'
        '<p class="check"><label for="delete-on-expiration">'
        f'<input type="checkbox" id="delete-on-expiration"{checked}> Delete on Expiration</label></p>'
    )


def _render_warning(text: str | None) -> str:
    if text is None:
        return ""
    return f'<p class="warning"><label><input type="checkbox" id="acknowledge"> {escape(text)} I know that address.</label></p>'


def _render_data(page: Page) -> str:
    names = ("variant", "name", "scopes", "callback", "refusal", "known", "loaded", "now")
    facts = {name: getattr(page, name) for name in names} | {"expires": format_timestamp(page.expires)}
    # Only `<` could end the element early.
    text = json.dumps(facts).replace("<", "\\u003c")
    return f'<script type="application/json" id="page">{text}</script>'


def _format_time(seconds: float) -> str:
    return f"{format_timestamp(seconds)[:16].replace('T', ' ')} UTC"


def _render_document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>{escape(title)} · Taskcluster sandbox</title>'
        '<link rel="stylesheet" href="/sandbox/page.css"><script type="module" src="/sandbox/page.js"></script></head>'
        '<body><header><a href="/">Sandbox</a> A Taskcluster look-alike on this computer. Nothing here is real.</header>'
        f"<main>{body}</main></body></html>\n"
    )
