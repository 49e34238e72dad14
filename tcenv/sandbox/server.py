"""The sandbox as others use it, and its HTTP side: one port of both loopback families, the API under `/api`, the pages under
`/auth/clients`. Never listens anywhere else."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tcenv.sandbox import pages
from tcenv.sandbox.hawk import Signed
from tcenv.sandbox.records import ApiError, Client, Request, new_token, timestamp
from tcenv.sandbox.service import Call, Service, call, route

USER = "mozilla-auth0/ad|Mozilla-LDAP|sandbox"
VARIANTS = ("create", "new")
_LARGEST_BODY = 1 << 20
_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_TRIES = 50


def default_scopes(user: str) -> list[str]:
    """What a developer usually holds: the say over their own clients, and a part of everything else."""
    own = [f"auth:{verb}-client:{user}/*" for verb in ("create", "delete", "disable", "enable", "update")]
    return [
        *own,
        f"auth:reset-access-token:{user}/*",
        "hooks:trigger-hook:sandbox/*",
        "index:insert-task:sandbox.*",
        "queue:create-task:highest:proj-sandbox/*",
        "queue:get-artifact:private/sandbox/*",
        "queue:route:index.sandbox.*",
        "queue:scheduler-id:*",
        "secrets:get:project/sandbox/*",
    ]


class Sandbox:
    """A running look-alike, as a context manager; `root_url` is `http://localhost:PORT`.

    `public`: whether everybody may look at clients, as on public deployments. `user` is the clientId of whoever is signed
    in on the pages, `user_scopes` what they hold; a page knows them `signed_in_after` seconds after it was loaded.
    `clock` tells the deployment's time (seconds since the epoch), to which `clock_offset` is added. `any_time` lets the
    time of a signature be as far off as it likes, for tests that simulate days and sign with real clocks.
    `token_factory` makes access tokens; `variant` is the sign-in page that there is: create, new or both.

    For tests: `clients`, `requests` and `approvals` tell what happened; `create_client`, `disable`, `delete`, `purge` make
    something happen. Everything may be used from any thread."""

    def __init__(
        self,
        *,
        port: int = 0,
        public: bool = True,
        user: str = USER,
        user_scopes: Sequence[str] | None = None,
        signed_in_after: float = 0.0,
        clock: Callable[[], float] = time.time,
        any_time: bool = False,
        token_factory: Callable[[], str] = new_token,
        variant: str = "both",
    ) -> None:
        self._service = Service(
            user=user,
            user_scopes=default_scopes(user) if user_scopes is None else user_scopes,
            public=public,
            clock=clock,
            token_factory=token_factory,
            any_time=any_time,
        )
        self.signed_in_after = signed_in_after
        self.variants = VARIANTS if variant == "both" else (variant,)
        self.requests: list[Request] = []
        self.approvals = 0
        self._port = port
        self._servers: list[_Server] = []

    def __enter__(self) -> Sandbox:
        self._servers = _bind(self._port, self)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.stop()

    @property
    def port(self) -> int:
        """The port, on both loopback families."""
        return self._servers[0].server_port

    @property
    def root_url(self) -> str:
        """The root URL, for TASKCLUSTER_ROOT_URL."""
        return f"http://localhost:{self.port}"

    @property
    def user(self) -> str:
        """The clientId of whoever is signed in on the pages."""
        return self._service.user

    @property
    def user_scopes(self) -> tuple[str, ...]:
        """What they hold, besides what everybody may do."""
        return self._service.user_scopes

    @property
    def clients(self) -> dict[str, Client]:
        """The clients by clientId; changes to them take effect."""
        return self._service.clients

    @property
    def clock_offset(self) -> float:
        """Seconds by which the deployment's clock is ahead of `clock`."""
        return self._service.clock_offset

    @clock_offset.setter
    def clock_offset(self, seconds: float) -> None:
        self._service.clock_offset = seconds

    def now(self) -> float:
        """The deployment's time, in seconds since the epoch."""
        return self._service.now()

    def create_client(
        self,
        client_id: str,
        scopes: Sequence[str] = (),
        *,
        lifetime: float = 86400,
        description: str = "",
        delete_on_expiration: bool = True,
    ) -> Client:
        """Make a client by hand, which lasts `lifetime` seconds. Raises ApiError when there is one."""
        return self._service.create(
            client_id,
            {
                "description": description,
                "expires": timestamp(self.now() + lifetime),
                "scopes": list(scopes),
                "deleteOnExpiration": delete_on_expiration,
            },
        )

    def disable(self, client_id: str) -> None:
        """Disable a client, as the deployment does when its owner loses scopes."""
        self.clients[client_id].disabled = True

    def delete(self, client_id: str) -> None:
        """Delete a client."""
        with self._service.lock:
            del self.clients[client_id]

    def purge(self) -> None:
        """Do now what the deployment does at midnight (UTC): remove expired clients."""
        self._service.purge()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.address_family = family
        self.sandbox = sandbox
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # HTTPServer would ask for the host's name here, which can take seconds.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_port = self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        """Stop listening, and hang up on whoever is still connected."""
        self.shutdown()
        self.server_close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that hangs up is nobody's error."""


def _bind(port: int, sandbox: Sandbox) -> list[_Server]:
    """Servers on the same port of 127.0.0.1 and, where the machine has it, ::1. Raises OSError."""
    for _ in range(1 if port else _TRIES):
        first = _Server(socket.AF_INET, ("127.0.0.1", port), sandbox)
        try:
            return [first, _Server(socket.AF_INET6, ("::1", first.server_port), sandbox)]
        except OSError as error:
            if not _has_ipv6():
                return [first]
            first.server_close()
            failure = error
    raise failure


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "tcenv-sandbox"
    sys_version = ""
    timeout = 60
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def do_GET(self) -> None:
        sandbox, service = self.server.sandbox, self.server.sandbox._service
        service.purge_if_due()
        target = urlsplit(self.path)
        caller: Call | None = None
        name = "sandbox"
        try:
            self._check_host()
            body = self._body()
            if target.path.startswith("/api/"):
                name, caller = self._api_call(target.path, dict(parse_qsl(target.query)), body)
                status, kind, content = 200, "application/json", _json(call(name, caller))
            elif target.path.startswith("/sandbox/") and self.command == "POST":
                content = _json(self._press(target.path.removeprefix("/sandbox/"), body))
                status, kind = 200, "application/json"
            elif target.path.startswith("/sandbox/") and target.path.removeprefix("/sandbox/") in pages.FILES:
                file = target.path.removeprefix("/sandbox/")
                status, kind, content = 200, pages.FILES[file], pages.file(file)
            else:
                status, text = self._page(target.path, parse_qsl(target.query, keep_blank_values=True))
                kind, content = "text/html; charset=utf-8", text.encode()
        except ApiError as error:
            status, kind, content = error.status, "application/json", _json(self._told(name, error))
        except (AttributeError, KeyError, TypeError, ValueError):
            unreadable = ApiError(400, "InputValidationError", "The request could not be read")
            status, kind, content = 400, "application/json", _json(self._told(name, unreadable))
        sandbox.requests.append(Request(self.command, target.path, _signer(caller), status))
        self._send(status, kind, content)

    do_POST = do_PUT = do_DELETE = do_GET

    def _check_host(self) -> None:
        host, _, port = (self.headers.get("Host") or "").rpartition(":")
        if host not in _LOOPBACK or port != str(self.server.server_port):
            raise ApiError(421, "InputError", "The sandbox goes by no other name than localhost")

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _LARGEST_BODY:
            self.close_connection = True
            raise ApiError(413, "InputTooLarge", "The body is too large")
        return self.rfile.read(length)

    def _api_call(self, path: str, query: dict[str, str], body: bytes) -> tuple[str, Call]:
        name, argument = route(self.command, path.removeprefix("/api/"))
        signed = None
        authorization = self.headers.get("Authorization")
        if authorization:
            url = f"http://{self.headers['Host']}{self.path}"
            signed = Signed(self.command, url, authorization, body, self.headers.get("Content-Type", ""))
        return name, Call(self.server.sandbox._service, argument, query, json.loads(body) if body else None, signed)

    def _press(self, action: str, body: bytes) -> dict[str, Any]:
        """A button of a page, or the page's question who the user is."""
        # A page of another origin cannot send this type without asking first.
        if self.headers.get("Content-Type") != "application/json":
            raise ApiError(400, "InputError", "The body must be JSON")
        sandbox, service = self.server.sandbox, self.server.sandbox._service
        content = json.loads(body)
        unknown_for = float(content["loaded"]) + sandbox.signed_in_after - time.monotonic()
        if action == "user":
            time.sleep(max(0.0, unknown_for))
            page = pages.Page("create", content["name"], tuple(content["scopes"]), "", 0, None)
            filled = pages.filled_in(service, page)
            return {"clientId": filled["client_id"], "scopes": filled["given"]}
        if unknown_for > 0:
            raise ApiError(404, "ResourceNotFound", "Not Found")
        made = pages.act(service, action, content)
        with service.lock:
            sandbox.approvals += 1
        return made

    def _page(self, path: str, query: Sequence[tuple[str, str]]) -> tuple[int, str]:
        sandbox, service = self.server.sandbox, self.server.sandbox._service
        if self.command != "GET":
            return 405, pages.draw_not_found()
        parts = path.strip("/").split("/")
        with service.lock:
            if parts == [""]:
                return 200, pages.draw_front(service)
            if parts[:2] != ["auth", "clients"] or len(parts) != 3:
                return 404, pages.draw_not_found()
            loaded = time.monotonic()
            if parts[2] in sandbox.variants:
                try:
                    known = sandbox.signed_in_after <= 0
                    page = pages.sign_in_page(service, parts[2], query, known=known, loaded=loaded)
                except pages.Crash as crash:
                    return 200, pages.draw_crash(crash)
                return 200, pages.draw_sign_in(page)
            client = service.clients.get(unquote(parts[2]))
            if client is None:
                return 404, pages.draw_not_found()
            return 200, pages.draw_client(client, dict(query).get("callback_url") or None, loaded)

    def _told(self, method: str, error: ApiError) -> dict[str, Any]:
        """An error as the API tells it: what, then when and where."""
        time_ = timestamp(self.server.sandbox.now())
        trailer = (
            f"* method:     {method}\n* errorCode:  {error.code}\n* statusCode: {error.status}\n* time:       {time_}"
        )
        trailer = "" if self.path.startswith("/sandbox/") else f"\n\n---\n\n{trailer}"
        info = {"method": method, "params": {}, "payload": {}, "time": time_}
        return {"code": error.code, "message": f"{error}{trailer}", "requestInfo": info}

    def _send(self, status: int, kind: str, content: bytes) -> None:
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.send_header("X-Content-Type-Options", "nosniff")
            if kind.startswith("text/html"):
                self.send_header("Content-Security-Policy", pages.CONTENT_SECURITY_POLICY)
            if status == 401:
                self.send_header("WWW-Authenticate", "hawk")
            self.end_headers()
            self.wfile.write(content)

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.sandbox.now() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request line may hold a token."""


def _signer(the_call: Call | None) -> str | None:
    """Who signed a call, if anybody, and if the signature was good."""
    with suppress(ApiError):
        return the_call.caller.client_id if the_call is not None else None
    return None


def _json(content: object) -> bytes:
    return json.dumps(content).encode()
