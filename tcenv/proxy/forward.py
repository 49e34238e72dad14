"""Answer one request: check the caller and the call, sign the request, send it on, and return the answer.

Checks the Host header first, and gives no reason when it refuses a caller."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from tcenv.deployment import hawk
from tcenv.proxy import callers, headers, routes
from tcenv.proxy.body import SMALL, Body, WrongBody
from tcenv.proxy.call_log import CallLog, Entry
from tcenv.proxy.callers import CallerRights, Refused, narrow
from tcenv.proxy.credential_calls import OwnClient
from tcenv.proxy.learn import Attempts, Learner
from tcenv.proxy.rejections import Rejections
from tcenv.proxy.routes import BadTarget, Call
from tcenv.proxy.rules import READ_METHODS, ErrorAnswer, Rules, protect_own_client
from tcenv.proxy.signer import Authority, SessionEnded, Signer
from tcenv.proxy.upstream import Deployment, TooLong, Unreachable, finish, read

if TYPE_CHECKING:
    from tcenv.proxy.child_environment import Run

# CONNECT asks for a tunnel. TRACE makes the deployment repeat the request with the session's signature.
_REFUSED_METHODS = ("CONNECT", "TRACE")
# The status to log if the program closed its connection. nginx uses the same number.
_CLOSED_BY_PROGRAM = 499
# How long a signed URL is valid, in seconds.
_SIGNED_URL_SECONDS = 15 * 60
_LONGEST_URL = 8192
# The most times to send one request. It is sent again with a newer session or with more scopes.
_MAX_ATTEMPTS = 16


class Forwarder:
    """The part of a run's proxy that answers its requests."""

    def __init__(
        self,
        run: Run,
        rules: Rules,
        signer: Signer,
        deployment: Deployment,
        *,
        log: CallLog | None,
        learner: Learner | None,
        rejections: Rejections,
    ) -> None:
        self._run = run
        self._rules = rules
        self._signer = signer
        self._deployment = deployment
        self._log = log
        self._learner = learner
        self._rejections = rejections
        # Map each Host header to the host that clients sign, which has no brackets around an IPv6 address.
        self._hosts = {f"{host}:{rules.port}": host.strip("[]") for host in rules.hosts}

    async def answer(
        self, request: web.BaseRequest, *, outside: bool, from_elsewhere: Callable[[], Awaitable[bool]]
    ) -> web.StreamResponse:
        """Answer a request. Sends a long answer before it returns. `outside` is true if the request did not come over
        loopback. `from_elsewhere` finds out whether it came from another machine."""
        began = time.monotonic()
        entry = Entry(request.method, request.raw_path)
        response: web.StreamResponse | None = None
        try:
            response = await self._answer(request, entry, outside, from_elsewhere)
        except Refused as refusal:
            response = web.Response(status=refusal.status)
        except WrongBody:
            response = web.Response(status=401)
        except ErrorAnswer as error:
            response = _make_error(error)
        except SessionEnded as ended:
            response = _make_error(ErrorAnswer(401, "AuthenticationFailed", ended.message))
        except Unreachable as failure:
            text = f"The deployment cannot be reached ({failure})."
            response = _make_error(ErrorAnswer(502, "DeploymentUnreachable", text))
        finally:
            if self._log is not None:
                status = _CLOSED_BY_PROGRAM if response is None else response.status
                self._log.write(entry, status, (time.monotonic() - began) * 1000)
        return response

    async def _answer(
        self, request: web.BaseRequest, entry: Entry, outside: bool, from_elsewhere: Callable[[], Awaitable[bool]]
    ) -> web.StreamResponse:
        host = self._check_host(request)
        lines = request.headers.getall("Authorization", [])
        if len(lines) > 1:
            raise Refused
        caller = callers.authenticate(
            self._run,
            request.method,
            host,
            self._rules.port,
            request.raw_path,
            lines[0] if lines else None,
            now=time.time(),
        )
        if caller is None:
            return self._redirect_to_page(request.method, request.raw_path, outside)
        entry.path = caller.resource
        if caller.unsigned and await from_elsewhere():
            # On the other machine, every user can read the path in an environment or an argument list.
            raise Refused
        call = _parse_call(caller.resource)
        _refuse_unsupported(request)
        if caller.resource.partition("?")[0] == "/bewit" and request.method == "POST":
            return await self._sign_url(request, caller, entry)
        if call is None:
            return self._redirect_to_page(request.method, caller.resource, False)
        self._rules.check(request.method, call)
        return await self._forward(request, call, caller, entry)

    def _check_host(self, request: web.BaseRequest) -> str:
        lines = request.headers.getall("Host", [])
        host = self._hosts.get(lines[0].lower()) if len(lines) == 1 else None
        if host is None:
            raise Refused(403)
        return host

    def _redirect_to_page(self, method: str, resource: str, outside: bool) -> web.StreamResponse:
        """Redirect a link in a browser to the deployment's page. Refuse a request that is not a call."""
        call = _parse_call(resource, silently=True)
        if call is not None or outside or method not in READ_METHODS or self._run.remove_secrets(resource) != resource:
            raise Refused
        return web.Response(status=302, headers={"Location": self._deployment.root_url + resource})

    async def _forward(
        self, request: web.BaseRequest, call: Call, caller: CallerRights, entry: Entry
    ) -> web.StreamResponse:
        body = _open_body(request, caller)
        try:
            await self._rules.check_body(request.method, call, body)
            return await self._forward_with_retries(body, request, call, caller, entry)
        finally:
            body.close()

    async def _forward_with_retries(
        self, body: Body, request: web.BaseRequest, call: Call, caller: CallerRights, entry: Entry
    ) -> web.StreamResponse:
        lines = headers.filter_request(request.headers.items())
        inner = narrow(caller.scopes, _read_scopes_header(request))
        attempts = None
        if self._learner is not None:
            attempts = Attempts(self._learner, request.method, call)
            lines = headers.request_readable_encoding(lines)
        authority = await self._signer.get_authority()
        data = await body.read_whole() if body.is_small else None
        former: web.Response | None = None
        response: web.StreamResponse
        for _ in range(_MAX_ATTEMPTS):
            # A new sign-in may use another client than the run started with.
            protect_own_client(OwnClient.from_ids(authority.credentials.client_id), request.method, call)
            entry.scopes = narrow(authority.scopes if attempts is None else attempts.get_scopes(authority), inner)
            try:
                answer = await self._send(request.method, call, lines, authority, entry.scopes, caller.hash, body, data)
            except Unreachable:
                if attempts is not None:
                    await attempts.note_answer(502)
                raise
            except TooLong:
                if former is None or attempts is None:
                    text = f"{len(entry.scopes or ())} scopes do not fit into a request's header."
                    raise ErrorAnswer(400, "HeaderTooLong", text) from None
                await attempts.note_too_many()
                response = former
                break
            if answer.status != 401 and (answer.status != 403 or attempts is None):
                response = await _stream_answer(request, answer, sent=data is not None or body.sent)
                break
            content = await read(answer, sent=data is not None or body.sent)
            response = _make_response(request, answer, content)
            if answer.status == 403 and attempts is not None:
                if request.method == "HEAD":
                    await attempts.note_no_reason()
                elif not body.is_repeatable:
                    await attempts.note_not_repeatable()
                elif await attempts.should_retry(content, answer.headers.get("Content-Encoding", ""), authority):
                    former = response
                    continue
                break
            newer = await self._signer.find_newer(authority) if body.is_repeatable else None
            if newer is None:
                encoding = answer.headers.get("Content-Encoding", "")
                is_explained = self._rejections.report(content, encoding, authority.credentials)
                if former is not None and attempts is not None and not is_explained:
                    # The session does not hold the added scopes. This answer would list its scopes to the program.
                    await attempts.note_not_held()
                    response = former
                break
            authority = newer
        if attempts is not None:
            await attempts.note_answer(response.status)
        return response

    async def _send(
        self,
        method: str,
        call: Call,
        lines: list[tuple[str, str]],
        authority: Authority,
        scopes: tuple[str, ...] | None,
        payload_hash: str,
        body: Body,
        data: bytes | None,
    ) -> aiohttp.ClientResponse:
        """Send the call to the deployment. Raises TooLong, Unreachable, WrongBody."""
        authorization = self._deployment.sign(authority, method, call.resource, scopes, payload_hash)
        try:
            return await self._deployment.send(
                method,
                call.resource,
                lines,
                authorization=authorization,
                data=data or None if body.is_small else body,
                length=body.length or None,
            )
        except Unreachable:
            if body.wrong:
                raise WrongBody from None
            raise

    async def _sign_url(self, request: web.BaseRequest, caller: CallerRights, entry: Entry) -> web.StreamResponse:
        """Sign the URL in the request's body, for a GET on this deployment during a limited time."""
        body = _open_body(request, caller)
        content = b""
        try:
            async for piece in body:
                content += piece
                if len(content) > _LONGEST_URL:
                    raise ErrorAnswer(400, "InputError", "The body must be the URL to sign, and nothing else.")
        finally:
            body.close()
        url = content.decode("ascii", "replace").strip()
        bases = (self._deployment.root_url, *(f"http://{host}:{self._rules.port}" for host in self._rules.hosts))
        resource = next((url[len(base) :] for base in bases if url.startswith(base + "/")), "")
        resource, _ = callers.remove_secret(self._run, resource)
        call = _parse_call(resource) if resource else None
        if call is None:
            raise ErrorAnswer(403, "RefusedByProxy", "tcenv's proxy signs only URLs of this deployment's services.")
        if hawk.split_bewit(call.resource) is not None:
            raise ErrorAnswer(400, "InputError", "The URL is already signed.")
        self._rules.check("GET", call)
        authority = await self._signer.get_authority()
        scopes = narrow(authority.scopes, narrow(caller.scopes, _read_scopes_header(request)))
        entry.scopes = scopes
        entry.note = f"signed GET {call.path}"
        expires = time.time() + _SIGNED_URL_SECONDS
        if self._signer.until is not None:
            expires = min(expires, self._signer.until)
        signed = self._deployment.sign_url(authority, call.resource, scopes, expires)
        return web.Response(status=303, text=signed, headers={"Location": signed})


def _refuse_unsupported(request: web.BaseRequest) -> None:
    """Raise ErrorAnswer for an upgrade, a tunnel, TRACE, and an encoding that the proxy does not pass on."""
    # All other upgrades are offers, which a server may ignore (RFC 9110, 7.8).
    offered = ",".join(request.headers.getall("Upgrade", [])).lower().split(",")
    if any(protocol.strip().partition("/")[0] == "websocket" for protocol in offered):
        raise ErrorAnswer(501, "UpgradeRefused", "tcenv's proxy does not pass upgrades (websockets).")
    if request.method in _REFUSED_METHODS:
        raise ErrorAnswer(405, "MethodRefused", f"tcenv's proxy does not pass {request.method}.")
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        # aiohttp would decode the body, and the deployment would get it without the encoding that its header names.
        raise ErrorAnswer(
            501, "EncodingRefused", "tcenv's proxy accepts a body whole or chunked, but in no other transfer encoding."
        )


def _parse_call(resource: str, *, silently: bool = False) -> Call | None:
    try:
        return routes.parse(resource)
    except BadTarget:
        if silently:
            raise Refused from None
        raise ErrorAnswer(400, "InputError", "The address is ambiguous.") from None


def _open_body(request: web.BaseRequest, caller: CallerRights) -> Body:
    length = request.content_length if request.can_read_body else 0
    waiting = request.headers.get("Expect", "").lower() == "100-continue"

    async def read_piece() -> bytes:
        nonlocal waiting
        if waiting:
            waiting = False
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return await request.content.readany()

    return Body(read_piece, length, content_type=request.headers.get("Content-Type", ""), expected=caller.hash)


def _read_scopes_header(request: web.BaseRequest) -> tuple[str, ...] | None:
    """Return the scopes in the header of Taskcluster's proxy, by which a program narrows a request, or None."""
    try:
        return headers.parse_scopes(request.headers.getall(headers.SCOPES, []))
    except ValueError:
        raise ErrorAnswer(400, "InputError", f"{headers.SCOPES} must be a JSON array of scopes.") from None


def _make_error(error: ErrorAnswer) -> web.Response:
    text = json.dumps({"code": error.code, "message": error.message, "requestInfo": {}})
    return web.Response(status=error.status, text=text, content_type="application/json")


def _make_response(request: web.BaseRequest, answer: aiohttp.ClientResponse, content: bytes) -> web.Response:
    """Return the program's answer, made from an answer of the deployment that was read in full."""
    lines = headers.filter_answer(answer.headers.items())
    if request.method != "HEAD":
        lines = [line for line in lines if line[0].lower() != "content-length"]
    return web.Response(status=answer.status, reason=answer.reason, headers=lines, body=content)


async def _stream_answer(request: web.BaseRequest, answer: aiohttp.ClientResponse, *, sent: bool) -> web.StreamResponse:
    """Pass on the deployment's answer as it arrives. If it breaks off, break off too: it must not look complete."""
    length = answer.headers.get("Content-Length", "")
    try:
        if length.isdecimal() and int(length) <= SMALL and request.method != "HEAD":
            return _make_response(request, answer, await answer.content.read())
        response = web.StreamResponse(status=answer.status, reason=answer.reason)
        response.headers.extend(headers.filter_answer(answer.headers.items()))
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except ConnectionResetError:
        # The program has closed its connection.
        raise
    except (aiohttp.ClientError, OSError) as error:
        if request.transport is not None:
            request.transport.abort()
        raise Unreachable(type(error).__name__) from None
    finally:
        finish(answer, sent=sent)
    return response
