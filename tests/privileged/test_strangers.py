"""Connections of another user of this machine keep no call of the run out."""

from __future__ import annotations

from tests.calls import PING, run_as_nobody, send_signed
from tests.proxy import run_deployment, run_proxy

_LEAVE_OPEN = """
import socket, sys
left = []
for number in range(300):
    sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    if number % 2:
        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: ")
    left.append(sock)
print("open", flush=True)
answers = set()
for sock in left:
    sock.settimeout(60)
    try:
        answers.add(sock.recv(12))
    except ConnectionError:
        answers.add(b"")
print(sorted(answers))
"""


def test_hundreds_of_strangers_connections_are_ended() -> None:
    with run_deployment() as behind, run_proxy(behind.root_url) as proxy:
        done = run_as_nobody(_LEAVE_OPEN, str(proxy.port))
        assert done.stdout == "open\n[b'', b'HTTP/1.1 403']\n", done.stderr
        assert send_signed(proxy, "GET", PING).status_code == 200
