"""Answer requests on the sandbox's port: the API under `/api`, its references, the pages under `/auth/clients`, and the
pages' own requests under `/sandbox`. Rejects every host name but localhost."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from tcenv.sandbox import hawk, pages
from tcenv.sandbox.answers import Answer
from tcenv.sandbox.api import Call, Method, find_method, handle, list_verbs
from tcenv.sandbox.artifacts import STORAGE
from tcenv.sandbox.callers import Caller, authenticate
from tcenv.sandbox.deployment import Deployment
from tcenv.sandbox.hawk import Signed
from tcenv.sandbox.http_server import LARGEST_BODY, Incoming, make_web_server_page
from tcenv.sandbox.records import ApiError, Request, check_parameters, format_timestamp
from tcenv.sandbox.references import SERVICES, find_reference

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
_PAGE_HEAD = "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
_HTML_HEAD = f"Content-Type: text/html; charset=utf-8\r\n{_PAGE_HEAD}Content-Security-Policy: {pages.CONTENT_SECURITY_POLICY}\r\n"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass
class Site:
    """A deployment with its pages.

    `variants` are its sign-in pages. `signed_in` tells whether somebody has signed in in the browser, `signed_in_after`
    how many seconds a page needs to know them. `port` is known once it runs. `intercept` sees each request with a
    function that returns the true answer, and may return another one."""

    deployment: Deployment
    variants: Sequence[str]
    signed_in_after: float
    signed_in: bool
    port: int = 0
    approvals: int = 0
    requests: list[Request] = field(default_factory=list)
    intercept: (
        Callable[[Incoming, Callable[[], Answer | Awaitable[Answer]]], Answer | Awaitable[Answer] | None] | None
    ) = None

    def now(self) -> float:
        """Return the deployment's time, in seconds since the epoch."""
        return self.deployment.now()

    def begin(self, request: Incoming) -> Answer | None:
        """Accept bodies of any size for an upload, and no large ones elsewhere."""
        if request.target.partition("?")[0] == _UPLOAD and request.method in ("POST", "PUT"):
            request.sink = Upload(request.headers)
        elif int(request.headers.get("content-length", "0")) > LARGEST_BODY:
            return self._make_error(
                request, ApiError(413, "InputTooLarge", "The body is too large"), "sandbox", {}, None
            )
        return None

    def answer(self, request: Incoming) -> Answer | Awaitable[Answer]:
        """Answer a request, or return what a fault makes of the answer."""
        if self.intercept is not None:
            other = self.intercept(request, lambda: self.answer_truthfully(request))
            if other is not None:
                return _compress(request, other)
        return _compress(request, self.answer_truthfully(request))

    def answer_truthfully(self, request: Incoming) -> Answer | Awaitable[Answer]:
        """Answer a request as a deployment does."""
        self.deployment.purge_if_due()
        path, _, query = request.target.partition("?")
        try:
            self._check_host(request)
            if path.startswith("/api/"):
                return self._answer_api(request, path, query)
            if path.startswith("/sandbox/"):
                return self._answer_sandbox(request, path, query)
            found = find_reference(path)
            if found is not None and request.method in ("GET", "HEAD"):
                return self._log(
                    request, path, _make_tagged_answer(request, found, f"Content-Type: {_JSON}\r\n{_REFERENCE_HEAD}")
                )
            status, text = self._draw_page(request, path, query)
            return self._log(request, path, Answer(status, text.encode(), _HTML_HEAD))
        except ApiError as error:
            return self._log(request, path, self._make_error(request, error, "sandbox", {}, None))
        except (AttributeError, KeyError, TypeError, ValueError):
            unreadable = ApiError(400, "InputError", "The request could not be read")
            return self._log(request, path, self._make_error(request, unreadable, "sandbox", {}, None))

    def _check_host(self, request: Incoming) -> None:
        host, _, port = request.headers.get("host", "").rpartition(":")
        if host not in _LOOPBACK or port != str(self.port):
            raise ApiError(421, "InputError", "The sandbox answers only to the name localhost")

    def _log(self, request: Incoming, path: str, answer: Answer, caller: Caller | None = None) -> Answer:
        if caller is None:
            self.requests.append(Request(request.method, path, None, answer.status))
        else:
            narrowed = caller.authorized_scopes
            entry = Request(
                request.method, path, caller.client_id, answer.status, narrowed, caller.certificate, caller.bewit
            )
            self.requests.append(entry)
        return answer

    def _answer_api(self, request: Incoming, path: str, query: str) -> Answer:
        verb = "GET" if request.method == "HEAD" else request.method
        signed = _make_signed(request)
        if isinstance(request.sink, Upload):
            return self._answer_upload(request, path, request.sink, signed)
        below = path.removeprefix("/api/")
        if below.partition("/")[0] not in SERVICES:
            return self._log(request, path, make_web_server_page(404, ""))
        if verb == "OPTIONS":
            return self._log(request, path, _answer_options(list_verbs(SERVICES, below)))
        name, call = "unknown", None
        body: Any = None
        params: Mapping[str, str] = {}
        try:
            found = _find_method(verb, below)
            if found is None:
                return self._log(request, path, Answer(404, b'{"error":"Not found"}', _JSON_HEAD))
            method, params = found
            name = method.name
            check_parameters(params)
            kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind == _JSON and request.body:
                body = request.body.decode("utf-8", "replace")
                body = _parse_body(request.body)
            else:
                body = {}
            call = Call(self.deployment, method, params, dict(parse_qsl(query)), body, kind, signed)
            told = handle(call)
            answer = self._make_answer(request, told)
        except ApiError as error:
            answer = self._make_error(request, error, name, params, body)
        except (AttributeError, KeyError, TypeError, ValueError):
            unreadable = ApiError(400, "InputError", "The request could not be read")
            answer = self._make_error(request, unreadable, name, params, body)
        return self._log(request, path, answer, _find_caller(call))

    def _make_answer(self, request: Incoming, told: Any) -> Answer:
        if told is None:
            return Answer(204, b"", _API_HEAD)
        if isinstance(told, Answer):
            told.head += _API_HEAD
            return told
        return _make_tagged_answer(request, _encode(told).encode(), _JSON_HEAD)

    def _answer_upload(self, request: Incoming, path: str, upload: Upload, signed: Signed) -> Answer:
        caller: Caller | None = None
        try:
            caller = authenticate(upload.add_digest(signed), self.deployment.registry)
            answer = self._make_answer(request, {"bytes": upload.size, "sha256": upload.whole.hexdigest()})
        except ApiError as error:
            answer = self._make_error(request, error, "upload", {}, None)
        return self._log(request, path, answer, caller)

    def _make_error(
        self, request: Incoming, error: ApiError, method: str, params: Mapping[str, str], payload: Any
    ) -> Answer:
        """Return an error in the API's form: the message, then when and where it happened."""
        time_ = format_timestamp(self.deployment.now())
        facts = {"method": method, "errorCode": error.code, "statusCode": error.status, "time": time_}
        trailer = "\n\n---\n\n" + "\n".join(f"* {f'{key}:':<12}{value}" for key, value in facts.items())
        if request.target.startswith("/sandbox/"):
            trailer = ""
        info = {"method": method, "params": dict(params), "payload": payload or {}, "time": time_}
        told = {"code": error.code, "message": f"{error}{trailer}", "requestInfo": info}
        challenge = "WWW-Authenticate: hawk\r\n" if error.status == 401 else ""
        return Answer(error.status, _encode(told).encode("utf-8", "replace"), challenge + _JSON_HEAD)

    def _answer_sandbox(self, request: Incoming, path: str, query: str) -> Answer | Awaitable[Answer]:
        rest = path.removeprefix("/sandbox/")
        if path.startswith(STORAGE):
            return self._log(request, path, self._answer_storage(request, path.removeprefix(STORAGE)))
        if request.method in ("GET", "HEAD") and rest == "pages":
            told = _encode({"pages": list(self.variants)}).encode()
            return self._log(request, path, Answer(200, told, _JSON_PAGE_HEAD))
        if request.method in ("GET", "HEAD") and rest in pages.FILES:
            head = f"Content-Type: {pages.FILES[rest]}\r\n{_PAGE_HEAD}"
            return self._log(request, path, Answer(200, pages.read_file(rest), head))
        if request.method != "POST":
            return self._log(request, path, Answer(404, pages.draw_not_found().encode(), _HTML_HEAD))
        # A page of another origin cannot send this type without a preflight request.
        if request.headers.get("content-type") != _JSON:
            raise ApiError(400, "InputError", "The body must be JSON")
        content = json.loads(request.body)
        if rest == "user":
            return self._tell_user(request, path, content)
        return self._log(
            request, path, Answer(200, _encode(self._press_button(rest, content)).encode(), _JSON_PAGE_HEAD)
        )

    def _answer_storage(self, request: Incoming, name: str) -> Answer:
        """Store or return the content to which createArtifact and getArtifact redirect."""
        task_id, _, artifact = name.partition("/")
        key = (task_id, unquote(artifact))
        said = self.deployment.artifacts.get(key)
        if said is None or request.method not in ("GET", "HEAD", "PUT"):
            return Answer(404, b"", _PAGE_HEAD)
        if request.method == "PUT":
            self.deployment.contents[key] = request.body
            return Answer(200, b"", _PAGE_HEAD)
        content = self.deployment.contents.get(key)
        if content is None:
            return Answer(404, b"", _PAGE_HEAD)
        kind = said.get("contentType", "application/binary")
        return Answer(200, content, f"Content-Type: {kind}\r\nAccess-Control-Allow-Origin: *\r\n{_PAGE_HEAD}")

    async def _tell_user(self, request: Incoming, path: str, content: dict[str, Any]) -> Answer:
        """Tell a page who the user is, once that is known."""
        unknown_for = float(content["loaded"]) + self.signed_in_after - time.monotonic()
        await asyncio.sleep(max(0.0, unknown_for))
        with self.deployment.lock:
            told = pages.describe_user(self.deployment, content)
        return self._log(request, path, Answer(200, _encode(told).encode(), _JSON_PAGE_HEAD))

    def _press_button(self, action: str, content: dict[str, Any]) -> dict[str, Any]:
        """Handle a button of a page."""
        if action == "sign-in":
            self.signed_in = True
            return {}
        unknown_for = float(content["loaded"]) + self.signed_in_after - time.monotonic()
        if unknown_for > 0 or not self.signed_in or not content["clientId"]:
            raise ApiError(404, "ResourceNotFound", "Not Found")
        made = pages.press_button(self.deployment, action, content)
        with self.deployment.lock:
            self.approvals += 1
        return made

    def _draw_page(self, request: Incoming, path: str, query: str) -> tuple[int, str]:
        if request.method not in ("GET", "HEAD"):
            return 405, pages.draw_not_found()
        parts = path.strip("/").split("/")
        with self.deployment.lock:
            if parts in ([""], ["auth", "clients"]):
                return 200, pages.draw_front(self.deployment, self.variants)
            if parts[0] in ("references", "schemas"):
                return 200, pages.draw_not_found()
            if parts[:2] != ["auth", "clients"] or len(parts) != 3:
                return 404, pages.draw_not_found()
            asked, loaded = parse_qsl(query, keep_blank_values=True), time.monotonic()
            try:
                if parts[2] in self.variants:
                    known = self.signed_in and self.signed_in_after <= 0 and self.deployment.can_page_know_user()
                    page = pages.make_sign_in_page(self.deployment, parts[2], asked, known=known, loaded=loaded)
                    return 200, pages.draw_sign_in(page, signed_in=self.signed_in)
                client = self.deployment.clients.get(unquote(parts[2]))
                if client is None:
                    raise pages.Crash("Client not found")
            except pages.Crash as crash:
                return 200, pages.draw_crash(crash)
            callback = dict(asked).get("callback_url") or None
            return 200, pages.draw_client(self.deployment, client, callback, loaded)


class Upload:
    """Count a body and compute its hashes, without keeping it."""

    def __init__(self, headers: dict[str, str]) -> None:
        self.size = 0
        self.whole = hashlib.sha256()
        claims = hawk.has_payload_hash(headers.get("authorization", ""))
        self._payload = hawk.start_payload_hash(headers.get("content-type", "")) if claims else None

    def __call__(self, piece: bytes) -> None:
        self.size += len(piece)
        self.whole.update(piece)
        if self._payload is not None:
            self._payload.update(piece)

    def add_digest(self, signed: Signed) -> Signed:
        """Return `signed` with the hash of the received body."""
        digest = None if self._payload is None else hawk.finish_payload_hash(self._payload)
        return Signed(signed.method, signed.target, signed.host, signed.port, signed.authorization, digest)


_REFERENCE_HEAD = "Access-Control-Allow-Origin: *\r\nCache-Control: max-age=0\r\nX-Content-Type-Options: nosniff\r\n"
_JSON_PAGE_HEAD = f"Content-Type: {_JSON}\r\n{_PAGE_HEAD}"


# Most programs repeat the same calls.
@lru_cache(maxsize=4096)
def _find_method(verb: str, path: str) -> tuple[Method, Mapping[str, str]] | None:
    return find_method(SERVICES, verb, path)


def _make_signed(request: Incoming) -> Signed:
    headers = request.headers
    host, _, port = headers.get("host", "").rpartition(":")
    authorization = headers.get("authorization", "")
    digest = None
    if request.sink is None and hawk.has_payload_hash(authorization):
        fed = hawk.start_payload_hash(headers.get("content-type", ""))
        fed.update(request.body)
        digest = hawk.finish_payload_hash(fed)
    return Signed(request.method, request.target, host.strip("[]"), port, authorization, digest)


def _parse_body(body: bytes) -> Any:
    try:
        content = json.loads(body)
    except json.JSONDecodeError as error:
        # Word the error as the services' parser does: a client may have got a bracket wrong.
        what = "Expected property name or '}'" if error.msg.startswith("Expecting property name") else error.msg
        place = f"in JSON at position {error.pos} (line {error.lineno} column {error.colno})"
        raise ApiError(400, "MalformedPayload", f"Failed to parse JSON: {what} {place}") from None
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "MalformedPayload", f"Failed to parse JSON: {error}") from None
    if not isinstance(content, dict | list):
        raise ApiError(400, "MalformedPayload", "Failed to parse JSON: Must be an object or array")
    return content


def _compress(request: Incoming, answer: Answer | Awaitable[Answer]) -> Answer | Awaitable[Answer]:
    """Compress an answer of the API if it is whole and the caller accepts gzip."""
    if not isinstance(answer, Answer) or answer.raw or answer.stream is not None or not answer.body:
        return answer
    accepted = (one.strip().lower() for one in request.headers.get("accept-encoding", "").split(","))
    if _JSON not in answer.head or "Content-Encoding" in answer.head:
        return answer
    answer.head += "Vary: Accept-Encoding\r\n"
    if any(one in ("gzip", "*") or (one.startswith("gzip;") and not one.endswith("q=0")) for one in accepted):
        answer.body = gzip.compress(answer.body, compresslevel=1, mtime=0)
        answer.head += "Content-Encoding: gzip\r\n"
    return answer


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


def _find_caller(call: Call | None) -> Caller | None:
    """Return who signed a call, or None if nobody did or the signature is bad."""
    with suppress(ApiError):
        return call.caller if call is not None else None
    return None
