"""Run a proxy with a deployment behind it. The deployment verifies requests with mohawk, and records them."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mohawk
import mohawk.exc
from aiohttp import web

from tcenv.deployment.credentials import Credentials
from tcenv.errors import Hint
from tcenv.proxy import sockets
from tcenv.proxy.background import Background
from tcenv.proxy.call_log import CallLog
from tcenv.proxy.child_environment import Run
from tcenv.proxy.server import Service
from tcenv.sessions.directory_store import DirectoryStore
from tcenv.sessions.session import Session

CLIENT = "mozilla-auth0/ad|Mozilla-LDAP|jo+hn!d@x.org/tcenv-box"
TOKEN = "SessionTokenThatNoProgramMayEverSee_-1234567"
PROFILE = "work"


@dataclass
class SeenRequest:
    """A request as the deployment saw it. `scopes` are those to which it was narrowed (None: not narrowed)."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    client_id: str | None
    scopes: list[str] | None
    hashed: bool

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


Handler = Callable[[web.BaseRequest, SeenRequest], Awaitable[web.StreamResponse]]


@dataclass
class FakeDeployment:
    """The deployment behind the proxy. `tokens` maps clients to valid tokens, and `handlers` beginnings of paths to handlers.

    The handlers of the paths `streaming` read the body themselves."""

    tokens: dict[str, str] = field(default_factory=lambda: {CLIENT: TOKEN})
    requests: list[SeenRequest] = field(default_factory=list)
    handlers: dict[str, Handler] = field(default_factory=dict)
    root_url: str = ""
    streaming: tuple[str, ...] = ()

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        handler = next((each for path, each in self.handlers.items() if request.raw_path.startswith(path)), None)
        body = b"" if request.raw_path.startswith(self.streaming or ("\0",)) else await request.content.read()
        found = self._authenticate(request, body)
        if isinstance(found, str):
            self.requests.append(
                SeenRequest(request.method, request.raw_path, list(request.headers.items()), body, None, None, False)
            )
            return web.json_response({"code": "AuthenticationFailed", "message": found}, status=401)
        seen = SeenRequest(request.method, request.raw_path, list(request.headers.items()), body, *found)
        self.requests.append(seen)
        if handler is not None:
            return await handler(request, seen)
        return web.json_response({"method": seen.method, "target": seen.target, "length": len(body)})

    def _authenticate(self, request: web.BaseRequest, body: bytes) -> str | tuple[str | None, list[str] | None, bool]:
        header = request.headers.get("Authorization")
        if header is None:
            return (None, None, False)
        if len(header) > 4096:
            return "Header length too long"
        attributes = mohawk.util.parse_authorization_header(header)
        token = self.tokens.get(attributes["id"])
        if token is None:
            return f"Client with clientId '{attributes['id']}' not found"
        hashed = "hash" in attributes and not request.raw_path.startswith(self.streaming or ("\0",))
        content = {"content": body, "content_type": request.headers.get("Content-Type", "")} if hashed else {}
        try:
            mohawk.Receiver(
                lambda sender: {"id": sender, "key": token, "algorithm": "sha256"},
                header,
                f"http://{request.headers['Host']}{request.raw_path}",
                request.method,
                seen_nonce=lambda *_: False,
                accept_untrusted_content=True,
                **content,
            )
        except mohawk.exc.HawkFail as failure:
            if not isinstance(failure, mohawk.exc.MissingContent):
                return f"Unauthorized: Bad mac ({type(failure).__name__})"
        ext = json.loads(base64.b64decode(attributes["ext"])) if attributes.get("ext") else {}
        return attributes["id"], ext.get("authorizedScopes"), hashed


@contextmanager
def run_on_thread(make: Callable[[], Awaitable[Callable[[], Awaitable[None]]]]) -> Iterator[asyncio.AbstractEventLoop]:
    """Run a server on an event loop of its own. `make` starts it and returns the function that ends it."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    end = asyncio.Event()

    async def life() -> None:
        finish = await make()
        ready.set()
        await end.wait()
        await finish()

    thread = threading.Thread(target=lambda: loop.run_until_complete(life()), daemon=True)
    thread.start()
    assert ready.wait(60)
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(60)
        loop.close()


@contextmanager
def run_deployment(host: str = "127.0.0.1", **more: Any) -> Iterator[FakeDeployment]:
    """Run a deployment on loopback."""
    made = FakeDeployment(**more)

    async def begin() -> Callable[[], Awaitable[None]]:
        server = web.Server(made.answer, auto_decompress=False, max_field_size=16384, max_line_size=16384)
        runner = web.ServerRunner(server, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, host, 0)
        await site.start()
        port = runner.addresses[0][1]
        made.root_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        return runner.cleanup

    with run_on_thread(begin):
        yield made


def make_session(root_url: str, **more: Any) -> Session:
    now = int(time.time())
    values: dict[str, Any] = {
        "profile": PROFILE,
        "root_url": root_url,
        "credentials": Credentials(CLIENT, TOKEN),
        "created": now,
        "expires": now + 86400,
        "name": "tcenv-box",
        "scopes": ("queue:*", "secrets:get:project/x", "secrets:get:project/y"),
        "asked": ("*",),
    }
    return Session(**{**values, **more})


@dataclass
class RunningProxy:
    """A running proxy, with the credentials of its programs."""

    root_url: str
    run: Run
    proxy: Background
    store: DirectoryStore
    port: int
    messages: list[str]
    log: Path
    session: Session

    def credentials(self) -> dict[str, str]:
        return {"clientId": self.run.client_id, "accessToken": self.run.token}

    def make_url(self, host: str) -> str:
        return f"http://{host}:{self.port}"

    def read_log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@contextmanager
def run_proxy(
    root_url: str,
    *,
    unsigned: bool = False,
    scopes: tuple[str, ...] | None = None,
    until: float | None = None,
    session: Session | None = None,
    address: str | None = None,
    **more: Any,
) -> Iterator[RunningProxy]:
    """Store a session, and run a proxy for it."""
    directory = os.path.join(os.environ["XDG_RUNTIME_DIR"], "tcenv")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    store = DirectoryStore("runtime", directory)
    session = session or make_session(root_url)
    store.save(session)
    bound = sockets.bind(0, address)
    run = Run.create(session.credentials.client_id, unsigned=unsigned)
    messages: list[str] = []
    log = Path(os.environ["HOME"]) / "calls.log"

    def announce(text: str, hint: Hint | None) -> None:
        messages.append(f"{text} {hint}" if hint is not None else text)

    def make_service() -> Service:
        return Service(
            sockets=bound,
            run=run,
            store=store,
            initial_session=session,
            announce=announce,
            scopes=scopes,
            until=until,
            log=CallLog(str(log), run.remove_secrets),
            **more,
        )

    proxy = Background(bound, make_service, announce)
    proxy.start()
    try:
        yield RunningProxy(bound.root_url, run, proxy, store, bound.port, messages, log, session)
    finally:
        proxy.stop()
