"""Call a proxy: with a correct signature, unsigned, or as another user."""

from __future__ import annotations

import http.client
import subprocess
import time
from typing import Any

import requests

from tcenv.deployment import hawk
from tcenv.deployment.hawk import Endpoint
from tests.proxy import CLIENT, RunningProxy

LOOPBACK = ("127.0.0.1", "[::1]", "localhost")
PING = "/api/queue/v1/ping"


def send_signed(
    proxy: RunningProxy,
    method: str,
    target: str,
    *,
    host: str = "127.0.0.1",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
    payload_hash: str = "",
    chunks: list[bytes] | None = None,
    scopes: list[str] | None = None,
    **more: Any,
) -> requests.Response:
    """Send a call with a correct signature, unless the arguments say otherwise."""
    ext = hawk.encode_extension({} if scopes is None else {"authorizedScopes": scopes})
    endpoint = Endpoint(host.strip("[]"), proxy.port, target)
    authorization = hawk.make_header(
        CLIENT, proxy.run.token, method, endpoint, now=time.time(), ext=ext, payload_hash=payload_hash
    )
    prepared = requests.Request(method, proxy.make_url(host)).prepare()
    prepared.url = proxy.make_url(host) + target
    prepared.headers.update({"Authorization": authorization, **(headers or {})})
    if chunks is not None:
        prepared.headers.pop("Content-Length", None)
    if body is not None or chunks is not None:
        prepared.prepare_body(body if chunks is None else iter(chunks), None)
    with requests.Session() as session:
        session.trust_env = False
        return session.send(prepared, allow_redirects=False, timeout=60, **more)


def send_plain(
    proxy: RunningProxy, method: str, target: str, host: str = "127.0.0.1", **headers: str
) -> http.client.HTTPResponse:
    """Send a call without adding a signature."""
    connection = http.client.HTTPConnection(host.strip("[]"), proxy.port, timeout=60)
    connection.request(method, target, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse()


def run_as_nobody(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program that imports nothing of ours as another user of this machine."""
    command = ["sudo", "-n", "-u", "#65534", "/usr/bin/env", "python3", "-I", "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=60)
