"""Run a sign-in, and answer it in the place of its browser."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tcenv.sandbox import Sandbox
from tests.world import TCENV, make_env


class LoginProcess:
    """A login whose browser only writes the address to a file."""

    def __init__(self, sandbox: Sandbox, tmp_path: Path, *arguments: str, work: str = "", **more: str) -> None:
        """Start the login. `work` are the shell commands that the browser runs after it has written the address."""
        self._url_file = tmp_path / "url"
        browser = tmp_path / "browser"
        browser.write_text(f'#!/bin/sh\nprintf "%s\\n" "$1" >>{self._url_file}\n{work}\n')
        browser.chmod(0o755)
        self.sandbox = sandbox
        self.env = make_env(sandbox, BROWSER=f"{browser} %s", **more)
        self.process = subprocess.Popen(
            [TCENV, "login", "--shell", "sh", *arguments],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=(tmp_path / "errors").open("w"),
            text=True,
        )
        self._errors_file = tmp_path / "errors"
        end = time.monotonic() + 60
        while not self._url_file.exists() or not self._url_file.read_text().endswith("\n"):
            assert time.monotonic() < end and self.process.poll() is None, self.read_errors()
            time.sleep(0.02)
        self.url = self._url_file.read_text().splitlines()[0]
        self.callback = parse_qs(urlsplit(self.url).query)["callback_url"][0]

    def answer(self, query: str, *prefix: str, host: str = "localhost") -> str:
        """Answer as a browser does, from a process below the command `prefix`. Return the first line of the response."""
        script = (
            "import socket,sys\nfrom urllib.parse import urlsplit\nu=urlsplit(sys.argv[1])\n"
            "s=socket.create_connection(('127.0.0.1',u.port))\n"
            "s.sendall(f'GET {u.path}?{sys.argv[2]} HTTP/1.1\\r\\nHost: {sys.argv[3]}:{u.port}\\r\\n"
            "Sec-Fetch-Mode: navigate\\r\\n"
            "Sec-Fetch-Dest: document\\r\\nSec-Fetch-Site: cross-site\\r\\n\\r\\n'.encode())\n"
            "print(s.recv(100).decode().splitlines()[0])\n"
        )
        done = subprocess.run(
            [*prefix, sys.executable, "-c", script, self.callback, query, host],
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.strip()

    def answer_and_follow(self, query: str) -> str:
        """Answer as a browser does, and follow the redirects. Return the last page."""
        address = urlsplit(self.callback)
        target = f"{address.path}?{query}"
        while True:
            with socket.create_connection(("127.0.0.1", address.port or 80), timeout=60) as connection:
                connection.sendall(
                    f"GET {target} HTTP/1.1\r\nHost: {address.netloc}\r\nSec-Fetch-Mode: navigate\r\n"
                    "Sec-Fetch-Dest: document\r\nSec-Fetch-Site: cross-site\r\n\r\n".encode()
                )
                head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).decode().partition("\r\n\r\n")
            onward = re.search(r"(?im)^(?:Location: |Refresh: 0; url=)(\S+)", head)
            if onward is None:
                return body
            target = onward[1]

    def read_errors(self) -> str:
        """Return what the login has printed to stderr."""
        return self._errors_file.read_text()

    def approve(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "tcenv.sandbox.approve", self.url], check=True, capture_output=True, timeout=60
        )

    def end(self) -> tuple[int, str, str]:
        out, _ = self.process.communicate(timeout=60)
        return self.process.returncode, out, self.read_errors()

    def wait_for(self, text: str) -> None:
        """Wait until the login has printed `text` to stderr."""
        end = time.monotonic() + 60
        while text not in self.read_errors():
            assert time.monotonic() < end and self.process.poll() is None, self.read_errors()
            time.sleep(0.02)


def start_login(
    env: Mapping[str, str], *words: str, stdin: int = subprocess.DEVNULL
) -> tuple[subprocess.Popen[str], str]:
    """Start a login, by default with a browser that does nothing. Return its process and the page's address, once it
    waits."""
    command, pipe = [TCENV, "login", "--shell", "sh", *words], subprocess.PIPE
    process = subprocess.Popen(
        command, env={**env, "BROWSER": "true"}, stdin=stdin, stdout=pipe, stderr=pipe, text=True
    )
    assert process.stderr is not None
    while not (line := process.stderr.readline().strip()).startswith("http://"):
        assert process.poll() is None
    return process, line
