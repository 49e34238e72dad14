"""Listen for a callback as a waiting program does, and record what the browser sends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlencode


@dataclass
class Callback:
    """A running listener. `url` is its callback_url. `paths` and `headers` are of the requests, without favicons."""

    url: str
    paths: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


@contextmanager
def listen_for_callback() -> Iterator[Callback]:
    """Listen on 127.0.0.1 alone, and answer "received"."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/favicon.ico":
                callback.paths.append(self.path)
                callback.headers.append({name.lower(): value for name, value in self.headers.items()})
            body = b"<!doctype html><title>received</title>received"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    callback = Callback(f"http://localhost:{server.server_address[1]}/secret-path")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield callback
    finally:
        server.shutdown()
        server.server_close()


def make_sign_in_url(
    root_url: str, callback_url: str | None, variant: str = "create", **values: str | list[str]
) -> str:
    """Return the address of a sign-in page, by default with a name, one scope and a day."""
    defaults = {"name": "tcenv", "expires": "1d", "scope": ["queue:*"], **values}
    if callback_url is not None:
        defaults["callback_url"] = callback_url
    wanted = {name: value for name, value in defaults.items() if value != []}
    return f"{root_url}/auth/clients/{variant}?{urlencode(wanted, doseq=True)}"


def read_callback(callback: Callback) -> dict[str, str]:
    """Return the parameters of the only callback, undecoded."""
    assert len(callback.paths) == 1
    path, _, query = callback.paths[0].partition("?")
    assert path == "/secret-path"
    return dict(pair.split("=", 1) for pair in query.split("&"))
