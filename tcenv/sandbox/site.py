"""Answer requests on the sandbox's port: the API under `/api`, its references, the pages under `/auth/clients`, and the
pages' own requests under `/sandbox`. Rejects every host name but localhost."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from tcenv.sandbox import hawk, pages
from tcenv.sandbox.answers import Answer
from tcenv.sandbox.api import Call, Method, find_method, handle, list_verbs
from tcenv.sandbox.callers import authenticate
from tcenv.sandbox.deployment import Deployment
from tcenv.sandbox.faults import Faults
from tcenv.sandbox.hawk import Signed
from tcenv.sandbox.http_server import MAX_BODY, Incoming, make_web_server_page
from tcenv.sandbox.records import ApiError, Caller, Request, check_parameters, format_timestamp
from tcenv.sandbox.references import SERVICES, find_reference
from tcenv.sandbox.scopes import Held

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_UPLOAD = "/api/sandbox/v1/upload"
_JSON = "application/json"
_API_HEAD = (
    "Content-Security-Policy: report-uri /__cspreport__;default-src 'none';frame-ancestors 'none';\r\n"
    "X-Content-Type-Options: nosniff\r\nCache-Control: no-store no-cache must-revalidate\r\n"
    "Access-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 900\r\n"
    "Access-Control-Allow-Methods: OPTIONS,GET,HEAD,POST,PUT,DELETE,TRACE,CONNECT\r\nAccess-Control-Request-Method: *\r\n"
    "Access-Control-Allow-Headers: X-Requested-With,Content-Type,Authorization,Accept,Origin,Cache-Control\r\n"
)
_JSON_HEAD = f"Content-Type: {_JSON}; charset=utf-8\r\n{_API_HEAD}"
_REFERENCE_HEAD = "Access-Control-Allow-Origin: *\r\nCache-Control: max-age=0\r\nX-Content-Type-Options: nosniff\r\n"
_PAGE_HEAD = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
_HTML_HEAD = f"Content-Type: text/html; charset=utf-8\r\n{_PAGE_HEAD}Content-Security-Policy: {pages.CONTENT_SECURITY_POLICY}\r\n"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


_ANONYMOUS = Caller(None, Held(()))
# The exceptions that a malformed request causes.
_UNREADABLE = (AttributeError, KeyError, TypeError, ValueError)


@dataclass
class Site:
    """A deployment with its pages. `variants` are its sign-in pages. `port` is known once it runs."""

    deployment: Deployment
    faults: Faults
    variants: Sequence[str]
    port: int = 0

    def begin(self, request: Incoming) -> Answer | None:
        """Accept bodies of any size for an upload, and no large ones elsewhere."""
        if request.target.partition("?")[0] == _UPLOAD and request.method in ("POST", "PUT"):
            request.sink = Upload(request.headers)
        elif int(request.headers.get("content-length", "0")) > MAX_BODY:
            return self._make_error(request, ApiError("InputTooLarge", "The body is too large"))
        return None

    def answer(self, request: Incoming) -> Answer | Awaitable[Answer]:
        """Answer a request. If a fault applies, it changes the answer."""
        rule = self.faults.find_rule(request)
        if rule is not None and rule.fault.blind:
            answer: Answer | Awaitable[Answer] = self._log(request, rule.act(Answer()))
        else:
            answer = self._answer_normally(request)
            if rule is not None and isinstance(answer, Answer):
                answer = rule.act(answer)
        return _compress(request, answer) if isinstance(answer, Answer) else answer

    def _answer_normally(self, request: Incoming) -> Answer | Awaitable[Answer]:
        self.deployment.purge_if_due()
        path, _, query = request.target.partition("?")
        caller = _ANONYMOUS
        try:
            self._check_host(request)
            if path.startswith("/api/"):
                answer, caller = self._answer_api(request, path.removeprefix("/api/"), query)
            elif path == "/sandbox/user" and request.method == "POST":
                return self._tell_user(request, _read_json(request))
            elif path.startswith("/sandbox/"):
                answer = self._answer_sandbox(request, path.removeprefix("/sandbox/"))
            else:
                answer = self._answer_page(request, path, query)
        except (ApiError, *_UNREADABLE) as error:
            answer = self._make_error(request, error)
        return self._log(request, answer, caller)

    def _check_host(self, request: Incoming) -> None:
        host, _, port = request.headers.get("host", "").rpartition(":")
        if host not in _LOOPBACK or port != str(self.port):
            raise ApiError("InputError", "The sandbox answers only to the name localhost", 421)

    def _log(self, request: Incoming, answer: Answer, caller: Caller = _ANONYMOUS) -> Answer:
        path = request.target.partition("?")[0]
        status = 0 if answer.silent or answer.raw else answer.status
        narrowed = caller.authorized_scopes
        entry = Request(request.method, path, caller.client_id, status, narrowed, caller.certificate, caller.bewit)
        self.deployment.requests.append(entry)
        return answer

    def _answer_api(self, request: Incoming, route: str, query: str) -> tuple[Answer, Caller]:
        """Return the answer to a call, and who signed the call."""
        verb = "GET" if request.method == "HEAD" else request.method
        if isinstance(request.sink, Upload):
            return self._answer_upload(request, request.sink)
        if route.partition("/")[0] not in SERVICES:
            return make_web_server_page(404), _ANONYMOUS
        if verb == "OPTIONS":
            return _answer_options(list_verbs(SERVICES, route)), _ANONYMOUS
        name, call = "unknown", None
        body: Any = None
        params: Mapping[str, str] = {}
        try:
            found = _find_method(verb, route)
            if found is None:
                return Answer(404, b'{"error":"Not found"}', _JSON_HEAD), _ANONYMOUS
            method, params = found
            name = method.name
            check_parameters(params)
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            body = {}
            if kind == _JSON and request.body:
                body = request.body.decode("utf-8", "replace")
                body = _parse_body(request.body)
            call = Call(self.deployment, method, params, dict(parse_qsl(query)), body, kind, _make_signed(request))
            answer = _make_answer(request, handle(call))
        except (ApiError, *_UNREADABLE) as error:
            answer = self._make_error(request, error, name, params, body)
        return answer, _find_caller(call)

    def _answer_upload(self, request: Incoming, upload: Upload) -> tuple[Answer, Caller]:
        try:
            caller = authenticate(_make_signed(request), self.deployment)
        except ApiError as error:
            return self._make_error(request, error, "upload"), _ANONYMOUS
        return _make_answer(request, {"bytes": upload.size, "sha256": upload.whole.hexdigest()}), caller

    def _make_error(
        self,
        request: Incoming,
        error: Exception,
        method: str = "sandbox",
        params: Mapping[str, str] | None = None,
        payload: Any = None,
    ) -> Answer:
        """Return an error in the API's form: the message, then when and where it happened."""
        if not isinstance(error, ApiError):
            error = ApiError("InputError", "The request could not be read")
        time_ = format_timestamp(self.deployment.now())
        facts = {"method": method, "errorCode": error.code, "statusCode": error.status, "time": time_}
        trailer = "\n\n---\n\n" + "\n".join(f"* {f'{key}:':<12}{value}" for key, value in facts.items())
        if request.target.startswith("/sandbox/"):
            trailer = ""
        info = {"method": method, "params": dict(params or {}), "payload": payload or {}, "time": time_}
        content = {"code": error.code, "message": f"{error}{trailer}", "requestInfo": info}
        challenge = "WWW-Authenticate: hawk\r\n" if error.status == 401 else ""
        return Answer(error.status, _encode(content).encode("utf-8", "replace"), challenge + _JSON_HEAD)

    def _answer_sandbox(self, request: Incoming, name: str) -> Answer:
        if name.startswith("storage/"):
            return self._answer_storage(request, name.removeprefix("storage/"))
        if request.method in ("GET", "HEAD") and name == "pages":
            return _make_page_data({"pages": list(self.variants)})
        if request.method in ("GET", "HEAD") and name in pages.FILES:
            head = f"Content-Type: {pages.FILES[name]}\r\n{_PAGE_HEAD}"
            return Answer(200, pages.read_file(name), head)
        if request.method != "POST":
            return Answer(404, pages.render_not_found().encode(), _HTML_HEAD)
        return _make_page_data(self._press_button(name, _read_json(request)))

    def _answer_storage(self, request: Incoming, name: str) -> Answer:
        """Store or return the content to which createArtifact and getArtifact redirect."""
        task_id, _, name = name.partition("/")
        key = (task_id, unquote(name))
        artifact = self.deployment.artifacts.get(key)
        if artifact is None or request.method not in ("GET", "HEAD", "PUT"):
            return Answer(404, b"", _PAGE_HEAD)
        if request.method == "PUT":
            self.deployment.contents[key] = request.body
            return Answer(200, b"", _PAGE_HEAD)
        content = self.deployment.contents.get(key)
        if content is None:
            return Answer(404, b"", _PAGE_HEAD)
        kind = artifact.get("contentType", "application/binary")
        return Answer(200, content, f"Content-Type: {kind}\r\nAccess-Control-Allow-Origin: *\r\n{_PAGE_HEAD}")

    async def _tell_user(self, request: Incoming, content: dict[str, Any]) -> Answer:
        """Tell a page who the user is, once that is known."""
        await asyncio.sleep(max(0.0, self._get_unknown_time(content)))
        with self.deployment.lock:
            user = pages.describe_user(self.deployment, content)
        return self._log(request, _make_page_data(user))

    def _get_unknown_time(self, content: dict[str, Any]) -> float:
        """Return the number of seconds until a page knows the user."""
        return float(content["loaded"]) + self.deployment.signed_in_after - time.monotonic()

    def _press_button(self, action: str, content: dict[str, Any]) -> dict[str, Any]:
        """Handle a button of a page."""
        if action == "sign-in":
            self.deployment.signed_in = True
            return {}
        if self._get_unknown_time(content) > 0 or not self.deployment.signed_in or not content["clientId"]:
            raise ApiError("ResourceNotFound", "Not Found")
        credentials = pages.press_button(self.deployment, action, content)
        with self.deployment.lock:
            self.deployment.approvals += 1
        return credentials

    def _answer_page(self, request: Incoming, path: str, query: str) -> Answer:
        found = find_reference(path)
        if found is not None and request.method in ("GET", "HEAD"):
            return _make_tagged_answer(request, found, f"Content-Type: {_JSON}\r\n{_REFERENCE_HEAD}")
        status, text = self._render_page(request, path, query)
        return Answer(status, text.encode(), _HTML_HEAD)

    def _render_page(self, request: Incoming, path: str, query: str) -> tuple[int, str]:
        if request.method not in ("GET", "HEAD"):
            return 405, pages.render_not_found()
        parts = path.strip("/").split("/")
        with self.deployment.lock:
            if parts in ([""], ["auth", "clients"]):
                return 200, pages.render_front(self.deployment, self.variants)
            if parts[0] in ("references", "schemas"):
                return 200, pages.render_not_found()
            if parts[:2] != ["auth", "clients"] or len(parts) != 3:
                return 404, pages.render_not_found()
            asked, loaded = parse_qsl(query, keep_blank_values=True), time.monotonic()
            try:
                if parts[2] in self.variants:
                    page = pages.make_sign_in_page(self.deployment, parts[2], asked, loaded)
                    return 200, pages.render_sign_in(page, signed_in=self.deployment.signed_in)
                client = self.deployment.clients.get(unquote(parts[2]))
                if client is None:
                    raise pages.Crash("Client not found")
            except pages.Crash as crash:
                return 200, pages.render_crash(crash)
            callback = dict(asked).get("callback_url") or None
            return 200, pages.render_client(self.deployment, client, callback, loaded)


class Upload:
    """Count a body and compute its hashes, without keeping it."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self.size = 0
        self.whole = hashlib.sha256()
        claims = hawk.has_payload_hash(headers.get("authorization", ""))
        self._payload = hawk.start_payload_hash(headers.get("content-type", "")) if claims else None

    def __call__(self, piece: bytes) -> None:
        self.size += len(piece)
        self.whole.update(piece)
        if self._payload is not None:
            self._payload.update(piece)

    def finish(self) -> str | None:
        """Return the hash of the received body, if the signature has one."""
        return None if self._payload is None else hawk.finish_payload_hash(self._payload)


# Most programs repeat the same calls.
@lru_cache(maxsize=4096)
def _find_method(verb: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    return find_method(SERVICES, verb, path)


def _make_signed(request: Incoming) -> Signed:
    host, _, port = request.headers.get("host", "").rpartition(":")
    upload = request.sink
    if not isinstance(upload, Upload):
        upload = Upload(request.headers)
        upload(request.body)
    authorization = request.headers.get("authorization", "")
    return Signed(request.method, request.target, host.strip("[]"), port, authorization, upload.finish())


def _read_json(request: Incoming) -> Any:
    """Return the JSON that a page sent. A page of another origin cannot send this type without a preflight request. Raises
    ApiError, ValueError."""
    if request.headers.get("content-type") != _JSON:
        raise ApiError("InputError", "The body must be JSON")
    return json.loads(request.body)


def _make_page_data(content: Any) -> Answer:
    return Answer(200, _encode(content).encode(), f"Content-Type: {_JSON}\r\n{_PAGE_HEAD}")


def _parse_body(body: bytes) -> Any:
    try:
        content = json.loads(body)
    except json.JSONDecodeError as error:
        # Word the error as the services' parser does: a client may have got a bracket wrong.
        problem = "Expected property name or '}'" if error.msg.startswith("Expecting property name") else error.msg
        place = f"in JSON at position {error.pos} (line {error.lineno} column {error.colno})"
        raise ApiError("MalformedPayload", f"Failed to parse JSON: {problem} {place}") from None
    except (ValueError, RecursionError) as error:
        raise ApiError("MalformedPayload", f"Failed to parse JSON: {error}") from None
    if not isinstance(content, dict | list):
        raise ApiError("MalformedPayload", "Failed to parse JSON: Must be an object or array")
    return content


def _compress(request: Incoming, answer: Answer) -> Answer:
    """Compress an answer of the API if it is whole and the caller accepts gzip."""
    if answer.raw or answer.stream is not None or not answer.body:
        return answer
    accepted = (one.strip().lower() for one in request.headers.get("accept-encoding", "").split(","))
    if _JSON not in answer.head or "Content-Encoding" in answer.head:
        return answer
    answer.head += "Vary: Accept-Encoding\r\n"
    if any(one in ("gzip", "*") or (one.startswith("gzip;") and not one.endswith("q=0")) for one in accepted):
        answer.body = gzip.compress(answer.body, compresslevel=1, mtime=0)
        answer.head += "Content-Encoding: gzip\r\n"
    return answer


def _make_answer(request: Incoming, result: Any) -> Answer:
    """Return the answer to a call whose method returned `result`."""
    if result is None:
        return Answer(204, b"", _API_HEAD)
    if isinstance(result, Answer):
        result.head += _API_HEAD
        return result
    return _make_tagged_answer(request, _encode(result).encode(), _JSON_HEAD)


def _make_tagged_answer(request: Incoming, content: bytes, head: str) -> Answer:
    """Return an answer with an ETag, and without a body if the caller has the same one already."""
    digest = b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode().rstrip("=")
    tag = f'W/"{len(content):x}-{digest}"'
    known = request.headers.get("if-none-match")
    if known is not None and request.method in ("GET", "HEAD") and tag in (one.strip() for one in known.split(",")):
        return Answer(304, b"", f"ETag: {tag}\r\n{head}")
    return Answer(200, content, f"ETag: {tag}\r\n{head}")


def _answer_options(allowed: list[str]) -> Answer:
    if not allowed:
        return Answer(404, b'{"error":"Not found"}', _JSON_HEAD)
    listed = ", ".join(sorted({*allowed, *(["HEAD"] if "GET" in allowed else [])}))
    return Answer(200, listed.encode(), f"Allow: {listed}\r\nContent-Type: text/html; charset=utf-8\r\n{_API_HEAD}")


def _find_caller(call: Call | None) -> Caller:
    """Return who signed a call. A bad signature is nobody's."""
    with suppress(ApiError):
        return _ANONYMOUS if call is None else call.caller
    return _ANONYMOUS
