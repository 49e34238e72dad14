"""Run the proxy with few descriptors and with connections that stay open."""

from __future__ import annotations

import sys

import pytest

from tcenv.sandbox import Sandbox
from tests.programs import run_program
from tests.world import TCENV, sign_in

# Opens connections, leaves them open, and calls.
_PROGRAM = """
import http.client, os, socket, urllib.parse
url = urllib.parse.urlsplit(os.environ["TASKCLUSTER_PROXY_URL"])
left = [socket.create_connection((url.hostname, url.port)) for _ in range(40)]
for sock in left[::2]:
    sock.sendall(b"GET / HTTP/1.1\\r\\n")
statuses = []
for _ in range(5):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
    connection.request("GET", f"{url.path}/api/auth/v1/ping")
    statuses.append(connection.getresponse().status)
print(statuses)
"""


@pytest.mark.parametrize("descriptors", [56, 256])
def test_the_proxy_answers_calls_with_few_descriptors(descriptors: int) -> None:
    command = (
        f'ulimit -n {descriptors}; "$1" exec --proxy --unsigned -- sh -c \'ulimit -n; exec "$1" -c "$2"\' sh "$2" "$3"'
    )
    words = ["sh", "-c", command, "sh", TCENV, sys.executable, _PROGRAM]
    with Sandbox() as sandbox:
        done = run_program(*words, env=sign_in(sandbox), timeout=300)
    assert done.stdout == f"{descriptors}\n[200, 200, 200, 200, 200]\n", done.stderr
