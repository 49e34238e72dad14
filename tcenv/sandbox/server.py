"""The sandbox's HTTP side: one port of both loopback families, the API under /api/auth/v1, the pages under /auth/clients."""

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
from tcenv.sandbox.service import ApiError, Caller, Client, Request, Service, new_token, timestamp

USER = "mozilla-auth0/ad|Mozilla-LDAP|sandbox"
_API = "/api/auth/v1"
_LARGEST_BODY = 1 << 20


def default_scopes(user: str) -> list[str]:
    """What a developer usually holds: their own clients, and a good part of everything else."""
    return [
        *(f"auth:{verb}-client:{user}/*" for verb in ("create", "update", "delete", "enable", "disable")),
        f"auth:reset-access-token:{user}/*",
        "auth:current-scopes",
        "auth:get-client:*",
        "auth:list-clients",
        "hooks:trigger-hook:sandbox/*",
        "index:insert-task:sandbox.*",
        "queue:create-task:highest:proj-sandbox/*",
        "queue:get-artifact:private/sandbox/*",
        "queue:scheduler-id:*",
        "secrets:get:project/sandbox/*",
    ]


class Sandbox:
    """A running look-alike, as a context manager. `root_url` is `http://localhost:PORT`.

    `public`: whether everybody may look at clients, as on public deployments. `user` is the clientId of whoever is signed in
    on the pages, `user_scopes` what they hold; the pages know them after `signed_in_after` seconds. `clock` tells the
    deployment's time (seconds since the epoch), to which `clock_offset` is added. `token_factory` makes access tokens.

    For tests: `clients`, `requests` and `approvals` tell what happened; `create_client`, `disable`, `delete`, `purge` make it."""

    def __init__(
        self,
        *,
        port: int = 0,
        public: bool = True,
        user: str = USER,
        user_scopes: Sequence[str] | None = None,
        signed_in_after: float = 0.0,
        clock: Callable[[], float] = time.time,
        token_factory: Callable[[], str] = new_token,
    ) -> None:
        self._service = Service(
            user=user,
            user_scopes=default_scopes(user) if user_scopes is None else user_scopes,
            public=public,
            clock=clock,
            token_factory=token_factory,
        )
        self.signed_in_after = signed_in_after
        self.requests: list[Request] = []
        self.approvals = 0
        self._port = port
        self._servers: list[_Server] = []

    def __enter__(self) -> Sandbox:
        self._servers = _bind(self._port, self)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()

    @property
    def port(self) -> int:
        return int(self._servers[0].server_address[1])

    @property
    def root_url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def user(self) -> str:
        return self._service.user

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

    def create_client(
        self, client_id: str, scopes: Sequence[str] = (), *, lifetime: float = 86400, delete_on_expiration: bool = True
    ) -> Client:
        """Make a client by hand, which lasts `lifetime` seconds."""
        self._service.create(
            client_id,
            {
                "expires": timestamp(self._service.now() + lifetime),
                "scopes": list(scopes),
                "deleteOnExpiration": delete_on_expiration,
            },
        )
        return self.clients[client_id]

    def disable(self, client_id: str) -> None:
        """Disable a client, as the deployment does when its owner loses scopes."""
        self.clients[client_id].disabled = True

    def delete(self, client_id: str) -> None:
        """Delete a client."""
        del self.clients[client_id]

    def purge(self) -> None:
        """Do now what the deployment does at midnight: remove expired clients."""
        self._service.purge()

    def user_may_see(self, loaded_at: float) -> bool:
        """Whether a page that was loaded then knows who the user is by now."""
        return time.monotonic() - loaded_at >= self.signed_in_after


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, family: socket.AddressFamily, address: tuple[str, int], sandbox: Sandbox) -> None:
        self.address_family = family
        self.sandbox = sandbox
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # HTTPServer would ask for the host's name here, which can take seconds.
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A peer that hangs up is nobody's error."""


def _bind(port: int, sandbox: Sandbox) -> list[_Server]:
    for _ in range(1 if port else 50):
        first = _Server(socket.AF_INET, ("127.0.0.1", port), sandbox)
        try:
            return [first, _Server(socket.AF_INET6, ("::1", first.server_address[1]), sandbox)]
        except OSError:
            if not _has_ipv6():
                return [first]
            first.server_close()
    raise OSError("no port is free on both 127.0.0.1 and ::1")


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

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self.server.sandbox._service.now() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a request line may hold a token."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_DELETE = do_GET

    def _serve(self) -> None:
        sandbox, service = self.server.sandbox, self.server.sandbox._service
        service.purge_if_due()
        target = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(min(length, _LARGEST_BODY))
        caller = Caller(None, ())
        try:
            if target.path.startswith(_API + "/"):
                url = f"http://{self.headers.get('Host')}{self.path}"
                kind = self.headers.get("Content-Type") or ""
                caller = service.authenticate(self.headers.get("Authorization"), self.command, url, body, kind)
                content = json.loads(body) if body else {}
                answer = service.call(caller, self.command, unquote(target.path[len(_API) :]), content)
                self._send_json(200, answer)
                status = 200
            elif target.path.startswith("/sandbox/") and self.command == "POST":
                caller = service.as_user()
                answer = pages.act(sandbox, target.path[len("/sandbox/") :], json.loads(body or b"{}"))
                self._send_json(200, answer)
                status = 200
            else:
                status, page = pages.page(
                    sandbox, unquote(target.path), parse_qsl(target.query, keep_blank_values=True)
                )
                self._send(status, page.encode(), "text/html; charset=utf-8")
        except ApiError as error:
            status = error.status
            self._send_json(
                status, {"code": error.code, "message": str(error), "requestInfo": {"method": self.command}}
            )
        except (KeyError, TypeError, ValueError):
            status = 400
            self._send_json(status, {"code": "InputValidationError", "message": "the request could not be read"})
        sandbox.requests.append(Request(self.command, target.path, caller.client_id, status))

    def _send_json(self, status: int, content: Any) -> None:
        self._send(status, json.dumps({} if content is None else content).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)
